package admin

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"time"
)

//go:embed page openapi.yaml
var content embed.FS

// policy lets the page load its own files and nothing else. It may open WebSockets anywhere, since the client port is
// another origin and a person may type any node's address. Text that would become markup is refused by the browser.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' ws: wss:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// medias replaces the machine's own tables, which differ.
var medias = map[string]string{".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
	".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

// Console has the initial values of the page's fields. Everybody who reaches the API port can read it.
type Console struct {
	// WS is the address of the client endpoint. Without a host, as in ws://:8080/ws, it is on the host that the
	// page came from.
	WS      string `json:"ws"`
	Project string `json:"project"`
	// APIKey, of the project, and AdminKey are for development only. The page signs in with the latter, and shows the former.
	APIKey   string `json:"api_key,omitempty"`
	AdminKey string `json:"admin_key,omitempty"`
}

// console answers GET /console.json.
func (a *api) console(w http.ResponseWriter, _ *http.Request) *problem {
	writeJSON(w, a.o.Console)
	return nil
}

// files returns the handlers of the page's files and of the API's description, by ServeMux path.
func files() map[string]handler {
	all := map[string]handler{"/openapi.yaml": file("openapi.yaml", "application/yaml")}
	entries, err := content.ReadDir("page")
	if err != nil {
		panic(err) // it is embedded
	}
	for _, e := range entries {
		name := "page/" + e.Name()
		at := "/" + name
		if name == "page/index.html" {
			at = "/{$}"
		}
		all[at] = file(name, medias[path.Ext(name)])
	}
	return all
}

// file serves one embedded file. Browsers cache it but check each time whether it has changed, so that a page never runs
// the script of another version.
func file(name, media string) handler {
	b, err := content.ReadFile(name)
	if err != nil {
		panic(err) // it is embedded
	}
	sum := sha256.Sum256(b)
	tag := `"` + hex.EncodeToString(sum[:12]) + `"`
	return func(w http.ResponseWriter, r *http.Request) *problem {
		h := w.Header()
		h.Set("Content-Type", media)
		h.Set("ETag", tag)
		h.Set("Cache-Control", "no-cache")
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
		return nil
	}
}
