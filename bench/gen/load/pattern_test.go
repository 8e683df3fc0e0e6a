package load

import (
	"strings"
	"testing"
	"text/template"
)

// Filled in by hand or by text/template, the result is the same.
func TestPattern(t *testing.T) {
	f := Fields{Number: 42, Project: "shop", User: "ann", Token: "e.y.j", Destination: 7}
	for _, text := range []string{
		"", "plain", "{{.Number}}", "user-{{.Number}}", "{{.Project}}/x", "a{{ .User }}b", "Bearer {{.Token}}", "/topic/{{.Project}}/load/{{.Destination}}",
		"{{printf \"%06d\" .Number}}", "{{.Number}}{{.Number}}", "/topic/all/{{.Destination}}", "{{if .User}}{{.User}}{{else}}nobody{{end}}",
	} {
		p, err := compile("user", text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := expand(p, f)
		var want strings.Builder
		template.Must(template.New("").Parse(text)).Execute(&want, f)
		if err != nil || got != want.String() {
			t.Errorf("%q gives %q, want %q, %v", text, got, &want, err)
		}
	}
	for _, text := range []string{"{{.Nobody}}", "{{", "{{.Number"} {
		p, err := compile("user", text)
		if err == nil {
			_, err = expand(p, f)
		}
		if err == nil || !strings.Contains(err.Error(), "--user") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
