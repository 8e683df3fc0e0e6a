package load

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"text/template"
)

// Fields are what the templates of users, CONNECT headers, claims and destinations may name.
type Fields struct {
	Number      int // of the connection
	Project     string
	User        string
	Token       string
	Destination int // from 0, in a template of destinations
}

// pattern is a template. Most name one field and are expanded without text/template, because each connection does that
// several times.
type pattern struct {
	flag                 string
	template             *template.Template // nil when the rest says it all
	before, field, after string
}

var simple = regexp.MustCompile(`^([^{}]*)(?:\{\{ *\.(Number|Project|User|Token|Destination) *\}\}([^{}]*))?$`)

func compile(flag, text string) (*pattern, error) {
	if m := simple.FindStringSubmatch(text); m != nil {
		return &pattern{flag: flag, before: m[1], field: m[2], after: m[3]}, nil
	}
	t, err := template.New(flag).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("--%s %q: %w", flag, text, err)
	}
	return &pattern{flag: flag, template: t}, nil
}

func expand(p *pattern, f Fields) (string, error) {
	if p.template == nil {
		return p.before + p.value(&f) + p.after, nil
	}
	var b bytes.Buffer
	if err := p.template.Execute(&b, f); err != nil {
		return "", fmt.Errorf("--%s: %w", p.flag, err)
	}
	return b.String(), nil
}

// value is that of the field which p names.
func (p *pattern) value(f *Fields) string {
	switch p.field {
	case "Number":
		return strconv.Itoa(f.Number)
	case "Project":
		return f.Project
	case "User":
		return f.User
	case "Token":
		return f.Token
	case "Destination":
		return strconv.Itoa(f.Destination)
	}
	return ""
}
