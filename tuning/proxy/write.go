package proxy

import (
	"embed"
	"io"
	"text/template"
)

//go:embed nginx.conf.tmpl nginx.location.tmpl nginx.upstream.tmpl nginx.stream.tmpl haproxy.cfg.tmpl haproxy.servers.tmpl
var files embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"inc": func(i int) int { return i + 1 },
}).ParseFS(files, "*.tmpl"))

// Write writes the configuration that r requests. An error says what is wrong with r, or what it lacks; then nothing was
// written.
func Write(w io.Writer, r Request) error {
	p, err := newPlan(r)
	if err != nil {
		return err
	}
	name := map[Kind]string{Nginx: "nginx.conf.tmpl", HAProxy: "haproxy.cfg.tmpl"}[r.Kind]
	return templates.ExecuteTemplate(w, name, p)
}
