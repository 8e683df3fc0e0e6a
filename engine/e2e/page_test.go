package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// browser is Chromium's program.
func browser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("there is no Chromium: run make e2e-deps")
	return ""
}

// browsers bounds how many run at a time: each takes a core while it starts, and tests that wait for another one are late.
var browsers = make(chan struct{}, 2)

// browse starts a script that drives Chromium, and returns its actor.
func browse(t *testing.T, script string, args ...string) *actor {
	t.Helper()
	return browseWith(t, nil, script, args...)
}

// browseWith is browse with more of an environment.
func browseWith(t *testing.T, environ []string, script string, args ...string) *actor {
	t.Helper()
	program := browser(t)
	browsers <- struct{}{}
	t.Cleanup(func() { <-browsers }) // after the script has ended
	return launchWith(t, environ, script, append([]string{program}, args...)...).actor(t, "page")
}

// pageTrouble is what a page's actor has at its end: nothing may have gone wrong, and nothing be asked of another server.
func pageTrouble(t *testing.T, a *actor) {
	t.Helper()
	a.do("end", nil)
	for _, event := range []string{"trouble", "foreign"} {
		if r := a.want(event); len(r.Texts) > 0 {
			t.Errorf("%s: %q", event, r.Texts)
		}
	}
	a.want("end")
}

// TestPage is the first minute of somebody who runs `stentor serve --dev` and opens the page, with the client library, and
// with the page's own client, which a node has that was built without the library.
func TestPage(t *testing.T) {
	t.Parallel()
	for _, client := range []string{"library", "its own"} {
		t.Run(client, func(t *testing.T) {
			t.Parallel()
			firstMinute(t, client)
		})
	}
}

func firstMinute(t *testing.T, client string) {
	s := start(t, setup{Dev: true})
	picture := filepath.Join(t.TempDir(), "page.png")
	a := browse(t, "page.js", s.API+"/", picture)
	step := func(name string, arguments fields) report {
		t.Helper()
		a.do(name, arguments)
		return a.want(name)
	}
	if client != "library" {
		step("without", nil)
	}
	step("open", nil)
	if got := step("library", nil).Texts; !slices.Equal(got, []string{client}) {
		t.Errorf("the page uses %q: run engine/admin/library.sh", got)
	}
	step("connect", nil)
	step("subscribe", fields{"destination": "/topic/demo/all"})
	step("push", fields{"body": "hello from the page"})
	step("see", fields{"body": "hello from the page"})
	s.pushTo(t, "demo", fields{"topic": "all", "payload": verbatim(`{"from": "a back end", "n": 12345678901234567890}`), "headers": fields{"kind": "order"}})
	step("see", fields{"body": "a back end"})
	step("details", fields{"text": "12345678901234567890"})
	step("refused", fields{"destination": "/topic/other/all"})
	step("push", fields{"body": "after the refusal"})
	step("see", fields{"body": "after the refusal"})
	step("once", fields{"body": "hello from the page"})
	step("disconnect", nil)
	s.pushTo(t, "demo", fields{"topic": "all", "payload": "while it was away"})
	step("connect", nil)
	step("see", fields{"body": "while it was away"})
	step("push", fields{"body": "after the break"})
	step("see", fields{"body": "after the break"})
	step("once", fields{"body": "while it was away"})
	step("once", fields{"body": "hello from the page"})
	step("counts", fields{"connections": 1, "subscriptions": 1})
	step("picture", nil)
	pageTrouble(t, a)
	if info, err := os.Stat(picture); err != nil || info.Size() < 10_000 {
		t.Errorf("the screenshot: %v, %v", info, err)
	}
}

// TestPageExamples: on a node that somebody configured the page offers what the project's own rules allow, as soon as it has
// a key, and what it offers works.
func TestPageExamples(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Config: `
node: {id: e2e}
endpoints: [{path: /ws, origins: ["loopback"]}]
default_project: desk
drain: {timeout: 10s, interval: 1ms}
projects:
  desk:
    keys: [{kid: a, alg: HS256, secret: "desk-desk-desk-desk-desk-desk-desk-desk"}]
    api_keys: [desk-key]
    destinations: plain
    subscribe: ["/topic/users/{user}/**", "/queue/news", "/user/**"]
    send: {"/topic/rooms/**": push}
`})
	a := browse(t, "page.js", s.API+"/", filepath.Join(t.TempDir(), "page.png"))
	step := func(name string, arguments fields) report {
		t.Helper()
		a.do(name, arguments)
		return a.want(name)
	}
	offers := func(want ...string) {
		t.Helper()
		eventually(t, fmt.Sprintf("the examples %q", want), func() bool { return slices.Equal(step("examples", nil).Texts, want) })
	}
	step("open", nil)
	offers("/topic/desk/all", "/topic/desk/**", "/user/queue/orders") // guesses
	step("key", fields{"key": "desk-key"})
	offers("/queue/news", "/user/queue/orders", "/topic/users/{user}/all")
	step("connect", fields{"token": s.Token(t, "desk", "ann/b")})
	offers("/topic/users/ann%2Fb/all", "/queue/news", "/user/queue/orders")
	step("subscribe", fields{}) // to the first
	step("push", fields{"body": "to the first example"})
	step("see", fields{"body": "to the first example"})
	pageTrouble(t, a)
}
