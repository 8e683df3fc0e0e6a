package push

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"text/template"
)

// Templates make the request for one message to any HTTP service. They may use the fields of Fields.
type Templates struct {
	Method  string // "" for POST
	URL     string
	Body    string
	Headers map[string]string // values are templates
}

// Fields are what a template may name.
type Fields struct {
	Project     string
	Destination string
	User        string
	Payload     string // a JSON object
	ID          string
	Number      uint32 // of the message in its stream
}

// Templated pushes by templates.
type Templated struct {
	method    string
	url, body *template.Template
	headers   map[string]*template.Template
	http      *http.Client
}

// NewTemplated parses the templates.
func NewTemplated(t Templates, lanes int, tls *tls.Config) (*Templated, error) {
	s := &Templated{method: t.Method, headers: map[string]*template.Template{}, http: newClient(lanes, tls)}
	if s.method == "" {
		s.method = http.MethodPost
	}
	var err error
	if s.url, err = parse("URL", t.URL); err != nil {
		return nil, err
	}
	if s.body, err = parse("body", t.Body); err != nil {
		return nil, err
	}
	for name, value := range t.Headers {
		if s.headers[name], err = parse("header "+name, value); err != nil {
			return nil, err
		}
	}
	// A template's names are checked only when it is executed: do that now, not in the middle of a run.
	_, err = s.request(context.Background(), &Message{Project: "p", Destination: "/topic/p/t", User: "u"})
	return s, err
}

func parse(what, text string) (*template.Template, error) {
	t, err := template.New(what).Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, fmt.Errorf("push %s %q: %w", what, text, err)
	}
	return t, nil
}

// Close closes its connections.
func (s *Templated) Close() { s.http.CloseIdleConnections() }

// Send sends one request for each message.
func (s *Templated) Send(ctx context.Context, all []Message) (taken int, err error) {
	for i := range all {
		r, err := s.request(ctx, &all[i])
		if err != nil {
			return i, err
		}
		if _, err := do(s.http, r); err != nil {
			return i, err
		}
	}
	return len(all), nil
}

func (s *Templated) request(ctx context.Context, m *Message) (*http.Request, error) {
	f := Fields{
		Project: m.Project, Destination: m.Destination, User: m.User, Payload: string(m.body(nil)), ID: m.ID(), Number: m.Payload.Seq,
	}
	url, err := execute(s.url, f)
	if err != nil {
		return nil, err
	}
	body, err := execute(s.body, f)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, s.method, strings.TrimSpace(url), strings.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("push URL %q: %w", url, err)
	}
	if r.URL.Scheme != "http" && r.URL.Scheme != "https" {
		return nil, fmt.Errorf("push URL %q: want http:// or https://", url)
	}
	r.Header.Set("Content-Type", "application/json")
	for name, t := range s.headers {
		value, err := execute(t, f)
		if err != nil {
			return nil, err
		}
		r.Header.Set(name, value)
	}
	return r, nil
}

func execute(t *template.Template, f Fields) (string, error) {
	var b bytes.Buffer
	if err := t.Execute(&b, f); err != nil {
		return "", fmt.Errorf("push %s: %w", t.Name(), err)
	}
	return b.String(), nil
}
