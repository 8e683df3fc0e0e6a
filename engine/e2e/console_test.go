package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// An operator is a person with the console in a browser.
type operator struct {
	*actor
	t testing.TB
}

// operate opens the console of s on a screen this wide, in light or dark.
func operate(t *testing.T, s *server, width int, scheme string) *operator {
	t.Helper()
	o := &operator{browse(t, "console.js", s.API+"/", fmt.Sprint(width), scheme), t}
	o.step("open", nil)
	return o
}

// step does one thing and returns what it found.
func (o *operator) step(name string, arguments fields) []string {
	o.t.Helper()
	o.do(name, arguments)
	return o.want(name).Texts
}

// accessible has axe-core look at what is shown.
func (o *operator) accessible(what string) {
	o.t.Helper()
	if found := o.step("axe", nil); len(found) > 0 {
		o.t.Errorf("%s: %q", what, found)
	}
}

// oneLine looks that each label of a count is on one line.
func (o *operator) oneLine(what string) {
	o.t.Helper()
	if found := o.step("wrapped", nil); len(found) > 0 {
		o.t.Errorf("%s: %q", what, found)
	}
}

// wantRows waits until a table has these rows, each of which has its parts in it.
func (o *operator) wantRows(label string, want ...[]string) {
	o.t.Helper()
	var got []string
	fits := func() bool {
		got = o.step("rows", fields{"label": label})
		if len(got) != len(want)+1 { // with the head
			return false
		}
		for i, parts := range want {
			for _, part := range parts {
				if !strings.Contains(got[i+1], part) {
					return false
				}
			}
		}
		return true
	}
	eventually(o.t, fmt.Sprintf("the rows %q of %s", want, label), fits)
}

// hostile is a name that is markup for whoever takes it so.
const hostile = `<img src=x onerror="window.injected=['user']">`

// TestConsoleSessions: an operator signs in, finds sessions whose clients chose hostile names, and kicks one.
func TestConsoleSessions(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	mallory := s.join(t, "token", s.Token(t, "shop", hostile))
	mallory.subscribe("a", `/topic/shop/<script>window.injected=['destination']<!`)
	s.join(t, "token", s.Token(t, "shop", "ann")).subscribe("a", "/topic/shop/news")
	o := operate(t, s, 1280, "light")
	o.step("go", fields{"name": "Sessions"})
	o.accessible("the sign-in")
	o.step("signin", fields{"key": "wrong-key", "refused": "not valid"})
	o.step("signin", fields{"key": "shop-key"})
	o.wantRows("Sessions", []string{""}, []string{""})
	o.accessible("sessions")
	o.step("find", fields{"destination": "/topic/shop/news", "address": "127.0.0.0/8"})
	o.wantRows("Sessions", []string{"ann", "127.0.0.1"})
	o.step("hold", nil)
	o.step("find", fields{"user": hostile})
	o.step("see", fields{"text": "Searching…"})
	o.step("release", nil)
	o.wantRows("Sessions", []string{hostile})
	if found := o.step("hostile", nil); len(found) > 0 {
		t.Errorf("names became markup: %q", found)
	}
	o.step("kick", fields{"user": hostile, "reason": "for the test"})
	if e := mallory.next(); e.kind != isClose || e.reason != "closed by an operator: for the test" {
		t.Errorf("the client got %v", e)
	}
	o.step("see", fields{"text": "Nobody who is connected fits."}) // the search for that user has been made again
	o.step("find", nil)
	o.wantRows("Sessions", []string{"ann"})
	if left := o.step("signout", nil); left[0] != "{}" {
		t.Errorf("after the sign-out the tab keeps %q", left)
	}
	if left := o.step("stale", fields{"key": "a-key-of-yesterday", "refused": "no longer accepts the key"}); left[0] != "{}" {
		t.Errorf("after a refusal the tab keeps %q", left)
	}
	for _, address := range o.step("asked", nil) {
		if strings.Contains(address, "-key") || strings.Contains(address, "yesterday") {
			t.Errorf("a key is in the address %s", address)
		}
	}
	pageTrouble(t, o.actor)
}

// TestConsoleProjects: the console has the counts of the projects that the key may touch, the curves of one of them, and its
// destinations, from which it goes on to the sessions.
func TestConsoleProjects(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Config: shop + "  other: {anonymous: true, api_keys: [other-key]}\n"})
	reader := s.join(t)
	reader.subscribe("a", "/topic/shop/news")
	reader.subscribe("b", "/topic/shop/"+hostile)
	o := operate(t, s, 390, "dark")
	o.step("go", fields{"name": "Projects"})
	o.step("signin", fields{"key": "admin-key"})
	o.wantRows("Projects", []string{"other", "prefixed"}, []string{"shop", "prefixed", "12"}) // a session, two subscriptions
	s.push(t, fields{"topic": "news", "payload": "x"})
	reader.wantMessage("x")
	o.wantRows("Destinations", []string{"/topic/shop/" + hostile}, []string{"/topic/shop/news"})
	eventually(t, "the curves", func() bool {
		charts := o.step("charts", nil)
		return len(charts) == 3 && strings.HasPrefix(charts[0], "Sessions over time: now 1") && !strings.HasSuffix(charts[2], "most 0")
	})
	if found := o.step("hostile", nil); len(found) > 0 {
		t.Errorf("names became markup: %q", found)
	}
	o.accessible("projects")
	o.step("follow", fields{"label": "Destinations", "row": "news", "name": "Sessions"})
	o.wantRows("Sessions", []string{"127.0.0.1"})
	o.step("go", fields{"name": "Projects"})
	o.step("follow", fields{"label": "Projects", "row": "other", "name": "other"})
	o.step("see", fields{"text": "Nobody subscribes to anything."})
	pageTrouble(t, o.actor)
}

// TestConsoleNodes: a single node is a list of one, with its own numbers; two hundred are sorted and filtered.
func TestConsoleNodes(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	s.join(t)
	o := operate(t, s, 1280, "light")
	o.oneLine("Try")
	o.step("go", fields{"name": "Nodes"})
	o.step("signin", fields{"key": "shop-key"})
	o.wantRows("Nodes", []string{"ready", "1 of "})
	o.oneLine("Nodes")
	if charts := o.step("charts", nil); len(charts) != 4 || charts[0] != "Connections over time: now 1, at most 1" {
		t.Errorf("%q", charts)
	}
	o.accessible("one node")
	o.step("signout", nil)
	o.step("signin", fields{"key": "admin-key"})
	o.wantRows("Nodes", []string{"e2e", "ready", "1 of "})
	o.do("cluster", fields{"nodes": 200, "name": hostile})
	t.Logf("200 nodes were there in %d ms", o.want("cluster").Numbers["ms"])
	o.step("see", fields{"text": "999,572"}) // connections of all that were heard of
	o.step("sort", fields{"label": "Nodes", "by": "Connections"})
	if rows := o.step("rows", fields{"label": "Nodes"}); !strings.Contains(rows[1], hostile) || !strings.Contains(rows[2], "push-198") {
		t.Errorf("in order of their connections the first are %q", rows[1:3])
	}
	o.step("see", fields{"text": "4 not heard of"})
	o.step("filter", fields{"text": "nothing is called so"})
	o.step("see", fields{"text": "No node fits the filter."})
	o.step("filter", fields{"text": "not heard"})
	o.wantRows("Nodes", []string{"push-157"}, []string{"push-107"}, []string{"push-57"}, []string{"push-7"})
	o.accessible("nodes in trouble") // of all 200 it takes axe-core too long
	if found := o.step("hostile", nil); len(found) > 0 {
		t.Errorf("names became markup: %q", found)
	}
	o.step("plain", nil)
	pageTrouble(t, o.actor)
}

// TestConsoleHidden: a tab that nobody sees asks for nothing.
func TestConsoleHidden(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	o := operate(t, s, 1280, "light")
	o.step("go", fields{"name": "Nodes"})
	o.step("signin", fields{"key": "admin-key"})
	o.step("clock", nil)
	pass := func(hidden bool) int {
		o.do("pass", fields{"ms": 60_000, "hidden": hidden, "path": "/v1/nodes"})
		return o.want("pass").Numbers["requests"]
	}
	o.wantRows("Nodes", []string{"e2e"})
	if n := pass(true); n != 0 {
		t.Errorf("hidden for a minute, it asked %d times", n)
	}
	if n := pass(false); n == 0 || n > 31 {
		t.Errorf("seen for a minute, it asked %d times", n)
	}
	pageTrouble(t, o.actor)
}

// TestConsoleKeyboard: an operator needs no mouse.
func TestConsoleKeyboard(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	ann := s.join(t, "token", s.Token(t, "shop", "ann"))
	o := operate(t, s, 390, "dark")
	o.accessible("Try")
	o.step("tab", fields{"to": "Sessions"})
	o.step("type", fields{"text": "shop-key", "into": "Key of the API"})
	o.wantRows("Sessions", []string{"ann"})
	o.step("tab", fields{"to": "Kick ann"})
	o.accessible("the question before a kick")
	o.step("type", fields{"text": "by the keyboard", "into": "Reason"})
	if e := ann.next(); e.kind != isClose || e.reason != "closed by an operator: by the keyboard" {
		t.Errorf("the client got %v", e)
	}
	o.step("see", fields{"text": "1 session closed of ann."})
	o.step("tab", fields{"to": "Sign out"})
	pageTrouble(t, o.actor)
}
