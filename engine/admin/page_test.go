package admin

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"
)

func TestPage(t *testing.T) {
	h, _, _ := newTest(t, nil)
	for path, media := range map[string]string{"/": "text/html; charset=utf-8", "/page/app.js": "text/javascript; charset=utf-8",
		"/page/stomp.js": "text/javascript; charset=utf-8", "/page/console.css": "text/css; charset=utf-8", "/page/icon.svg": "image/svg+xml",
		"/openapi.yaml": "application/yaml"} {
		w := do(h, request("GET", path, "", "Authorization: "))
		header := w.Header()
		if w.Code != 200 || header.Get("Content-Type") != media || w.Body.Len() == 0 {
			t.Errorf("%s: %d %s", path, w.Code, header.Get("Content-Type"))
		}
		for name, want := range map[string]string{"Content-Security-Policy": policy, "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"} {
			if got := header.Get(name); got != want {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
		if w := do(h, request("GET", path, "", "If-None-Match: "+header.Get("ETag"))); w.Code != 304 || w.Body.Len() != 0 {
			t.Errorf("%s again: %d with %d bytes", path, w.Code, w.Body.Len())
		}
	}
}

// TestPageIsWhole checks what the policy would forbid, and that everything that the page loads is there.
func TestPageIsWhole(t *testing.T) {
	h, _, _ := newTest(t, nil)
	page := do(h, request("GET", "/", "")).Body.String()
	for _, banned := range []string{" style=", " onclick=", "<style", "http://", "https://"} {
		if strings.Contains(page, banned) {
			t.Errorf("the page has %q", banned)
		}
	}
	if regexp.MustCompile(`<script[^>]*>[^<]`).MatchString(page) {
		t.Error("the page has an inline script")
	}
	for _, m := range regexp.MustCompile(`(?:src|href)="([^"#]+)"`).FindAllStringSubmatch(page, -1) {
		if w := do(h, request("GET", m[1], "")); w.Code != 200 {
			t.Errorf("%s: %d", m[1], w.Code)
		}
	}
	ids := map[string]bool{}
	for _, m := range regexp.MustCompile(` id="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if ids[m[1]] {
			t.Errorf("the id %s is present twice", m[1])
		}
		ids[m[1]] = true
	}
	scripts, err := fs.Glob(content, "page/*.js")
	if err != nil || len(scripts) < 5 {
		t.Fatal(scripts, err)
	}
	for _, name := range scripts {
		script := do(h, request("GET", "/"+name, "")).Body.String()
		for _, m := range regexp.MustCompile(`\$\("([a-z-]+)"\)`).FindAllStringSubmatch(script, -1) {
			if !ids[m[1]] {
				t.Errorf("%s looks for the id %s, which the page has not", name, m[1])
			}
		}
		for _, m := range regexp.MustCompile(`from "\./(.*)"`).FindAllStringSubmatch(script, -1) {
			if w := do(h, request("GET", "/page/"+m[1], "")); w.Code != 200 {
				t.Errorf("%s imports %s: %d", name, m[1], w.Code)
			}
		}
		for _, banned := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("} {
			if strings.Contains(script, banned) {
				t.Errorf("%s has %s: names of clients go into the page as text", name, banned)
			}
		}
	}
}

func TestConsole(t *testing.T) {
	h, _, _ := newTest(t, nil)
	w := do(h, request("GET", "/console.json", "", "Authorization: "))
	if w.Code != 200 || w.Body.String() != `{"ws":"ws://:8080/ws","project":"shop","api_key":"shop-key"}`+"\n" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	h, _, _ = newTest(t, func(o *Options) { o.Console.APIKey = "" })
	if w := do(h, request("GET", "/console.json", "")); strings.Contains(w.Body.String(), "api_key") {
		t.Errorf("%s", w.Body)
	}
}
