package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
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

// TestPage is the first minute of somebody who runs `stentor serve --dev` and opens the page.
func TestPage(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Dev: true})
	picture := filepath.Join(t.TempDir(), "page.png")
	a := launch(t, "page.js", browser(t), s.API+"/", picture).actor(t, "page")
	step := func(name string, arguments fields) {
		t.Helper()
		a.do(name, arguments)
		a.want(name)
	}
	step("open", nil)
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
	step("counts", fields{"connections": 1, "subscriptions": 1})
	step("picture", nil)
	a.do("end", nil)
	for _, event := range []string{"trouble", "foreign"} {
		if r := a.want(event); len(r.Texts) > 0 {
			t.Errorf("%s: %q", event, r.Texts)
		}
	}
	a.want("end")
	if info, err := os.Stat(picture); err != nil || info.Size() < 10_000 {
		t.Errorf("the screenshot: %v, %v", info, err)
	}
}
