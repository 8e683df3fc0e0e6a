package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"stentor/engine/bus"
	"stentor/engine/directory"
)

func readDescription(t *testing.T) map[string]any {
	t.Helper()
	h, _, _ := newTest(t, nil)
	var doc map[string]any
	if err := yaml.UnmarshalWithOptions(do(h, request("GET", "/openapi.yaml", "")).Body.Bytes(), &doc, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	return doc
}

// an operation of the description: one method of one path.
type operation struct {
	schemas
	path, method string
	params       []any
	body         map[string]any
}

func operations(t *testing.T) []operation {
	t.Helper()
	doc := readDescription(t)
	if v := doc["openapi"]; v != "3.1.0" {
		t.Fatalf("openapi: %v", v)
	}
	var all []operation
	ids := map[any]bool{}
	for path, v := range doc["paths"].(map[string]any) {
		item := v.(map[string]any)
		for method, v := range item {
			if method == "parameters" {
				continue
			}
			body := v.(map[string]any)
			if body["operationId"] == nil || ids[body["operationId"]] || body["summary"] == nil || body["tags"] == nil {
				t.Errorf("%s %s needs an operationId of its own, a summary and tags", method, path)
			}
			ids[body["operationId"]] = true
			op := operation{schemas: schemas{doc}, path: path, method: strings.ToUpper(method), body: body}
			for _, from := range []any{item["parameters"], body["parameters"]} {
				if list, ok := from.([]any); ok {
					op.params = append(op.params, list...)
				}
			}
			all = append(all, op)
		}
	}
	return all
}

// request makes an example request: path parameters by their example, and the body.
func (op operation) request(t *testing.T, media string, body string) *http.Request {
	t.Helper()
	path := op.path
	for _, v := range op.params {
		if p := op.resolve(v); p["in"] == "path" {
			example, ok := p["example"].(string)
			if !ok || p["required"] != true {
				t.Fatalf("%s: the parameter %s needs an example and required", op.path, p["name"])
			}
			path = strings.ReplaceAll(path, "{"+p["name"].(string)+"}", url.PathEscape(example))
		}
	}
	r := request(op.method, path, body)
	if strings.HasPrefix(op.path, "/v1/nodes") {
		r.Header.Set("Authorization", "Bearer admin-key")
	}
	if media != "" {
		r.Header.Set("Content-Type", media)
	}
	return r
}

// examples returns the bodies of the examples of a content map by media type. Each must fit its schema.
func (op operation) examples(t *testing.T, content any) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	if content == nil {
		return nil
	}
	for media, v := range content.(map[string]any) {
		m := v.(map[string]any)
		examples, _ := m["examples"].(map[string]any)
		for name, e := range examples {
			value := plain(t, e.(map[string]any)["value"])
			if err := op.check(m["schema"].(map[string]any), value); err != nil {
				t.Errorf("%s %s: the example %s of %s: %v", op.method, op.path, name, media, err)
			}
			text, isText := value.(string)
			if !isText {
				b, _ := json.Marshal(value)
				text = string(b)
			}
			all[media] = append(all[media], text)
		}
	}
	return all
}

// answered checks that the description has the answer: its status, media type, headers and schema.
func (op operation) answered(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	where := fmt.Sprintf("%s %s: %d", op.method, op.path, w.Code)
	v, ok := op.body["responses"].(map[string]any)[fmt.Sprint(w.Code)]
	if !ok {
		t.Errorf("%s is not described: %s", where, w.Body)
		return
	}
	response := op.resolve(v)
	headers, _ := response["headers"].(map[string]any)
	for _, name := range []string{"Retry-After", "WWW-Authenticate"} {
		if _, described := headers[name]; w.Header().Get(name) != "" && !described {
			t.Errorf("%s: the header %s is not described", where, name)
		}
	}
	if w.Body.Len() == 0 {
		return
	}
	media, _, err := mime.ParseMediaType(w.Header().Get("Content-Type"))
	if err != nil {
		t.Errorf("%s: %v", where, err)
	}
	content, ok := response["content"].(map[string]any)[media].(map[string]any)
	if !ok {
		t.Errorf("%s: the media type %s is not described", where, media)
		return
	}
	var body any = w.Body.String()
	if media == jsonMedia || media == problemMedia {
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
			t.Errorf("%s: %v", where, err)
		}
	}
	if err := op.check(content["schema"].(map[string]any), body); err != nil {
		t.Errorf("%s: %v", where, err)
	}
}

// TestDescription walks all that openapi.yaml describes: each path and method is there, each example of a request is
// answered 200, and every answer is as described. And every route is described.
func TestDescription(t *testing.T) {
	described := map[string]bool{} // value: there is a route
	for _, op := range operations(t) {
		described[op.method+" "+op.path] = false
		for _, v := range op.body["responses"].(map[string]any) {
			op.examples(t, op.resolve(v)["content"])
		}
		h, _, _ := newTest(t, nil)
		requestBody, _ := op.body["requestBody"].(map[string]any)
		bodies := op.examples(t, requestBody["content"])
		if requestBody == nil {
			bodies = map[string][]string{"": {""}}
		}
		for media, all := range bodies {
			for _, body := range all {
				w := do(h, op.request(t, media, body))
				if w.Code != 200 {
					t.Errorf("%s %s with %s: %d %s", op.method, op.path, body, w.Code, w.Body)
				}
				op.answered(t, w)
			}
		}
		for _, v := range op.params {
			p := op.resolve(v)
			if p["in"] == "query" {
				r := op.request(t, "", "")
				value, ok := p["example"].(string)
				if !ok {
					value = "1" // good as a name and as a number
				}
				if enum, ok := p["schema"].(map[string]any)["enum"].([]any); ok {
					value = enum[0].(string)
				}
				r.URL.RawQuery = url.Values{p["name"].(string): {value}}.Encode()
				if w := do(h, r); w.Code != 200 {
					t.Errorf("%s %s?%s: %d %s", op.method, op.path, r.URL.RawQuery, w.Code, w.Body)
				}
			}
		}
	}
	a := &api{}
	for path, methods := range a.routes() {
		path = strings.TrimSuffix(path, "{$}")
		if strings.HasPrefix(path, "/page/") {
			path = "/page/{file}"
		}
		for method := range methods {
			if _, ok := described[method+" "+path]; !ok {
				t.Errorf("%s %s is not described", method, path)
			}
			described[method+" "+path] = true
		}
	}
	for op, routed := range described {
		if !routed {
			t.Errorf("%s is described but has no route", op)
		}
	}
}

// TestDescribedErrors makes every operation fail in every way that applies to it, and sees that each failure is
// described, and that nothing is described which cannot be brought about.
func TestDescribedErrors(t *testing.T) {
	for _, op := range operations(t) {
		got := map[int]bool{}
		try := func(change func(*fakeNode, *Options, *http.Request)) {
			var node *fakeNode
			r := op.request(t, "", "")
			if op.method == "POST" {
				body := map[string]string{"/v1/push": `{"projectId":"shop","topic":"all","payload":1}`, "/v1/projects/{project}/push": `{"topic":"all","payload":1}`}[op.path]
				if body == "" {
					body = `[{"topic":"all","payload":1}]`
				}
				if op.body["requestBody"] != nil {
					r = op.request(t, jsonMedia, body)
				}
			}
			h, _, _ := newTest(t, func(o *Options) {
				node = o.Node.(*fakeNode)
				change(node, o, r)
			})
			if r.Method != op.method {
				return
			}
			w := do(h, r)
			got[w.Code] = true
			op.answered(t, w)
		}
		fail := func(err error) func(n *fakeNode, _ *Options, _ *http.Request) {
			return func(n *fakeNode, _ *Options, _ *http.Request) {
				n.err, n.ready = err, err
				n.publish = func(_ *bus.Record, done func(bus.Position, error)) bool {
					done(bus.Position{}, err)
					return true
				}
			}
		}
		for _, err := range []error{bus.ErrBusy, bus.ErrClosed, bus.ErrRateLimited, bus.ErrUnknownProject, errors.New("other")} {
			if err == bus.ErrRateLimited && op.method != "POST" {
				continue // only Publish answers so
			}
			try(fail(err))
		}
		header := func(name, value string) func(*fakeNode, *Options, *http.Request) {
			return func(_ *fakeNode, _ *Options, r *http.Request) { r.Header.Set(name, value) }
		}
		try(func(*fakeNode, *Options, *http.Request) {})
		try(func(_ *fakeNode, _ *Options, r *http.Request) { // its project has all the connections that it may have
			c := &conn{home: &conns{keyed: newTestShares(2, 1)}}
			owner := "shop"
			if strings.HasPrefix(op.path, "/v1/nodes") {
				owner = "" // the admin
			}
			c.home.keyed.take(owner, 1)
			*r = *r.WithContext(context.WithValue(r.Context(), connKey{}, c))
		})
		try(func(_ *fakeNode, _ *Options, r *http.Request) { // others have all of them
			c := &conn{home: &conns{keyed: newTestShares(2, 1)}}
			c.home.keyed.take("chat", 2)
			*r = *r.WithContext(context.WithValue(r.Context(), connKey{}, c))
		})
		try(header("Authorization", ""))
		try(header("Authorization", "Bearer chat-key"))
		try(func(_ *fakeNode, _ *Options, r *http.Request) {
			r.URL.Path = strings.Replace(r.URL.Path, "/projects/shop", "/projects/none", 1)
			r.Header.Set("Authorization", "Bearer admin-key")
		})
		try(func(_ *fakeNode, o *Options, _ *http.Request) { o.Directory = nil })
		try(func(_ *fakeNode, o *Options, _ *http.Request) { // no node
			o.Directory = directory.New(directory.Options{})
		})
		try(func(_ *fakeNode, o *Options, r *http.Request) {
			o.Discovery = directory.NewLimiter(1, 1)
			o.Discovery.Allow(peer(r.RemoteAddr).Addr(), testTime)
		})
		try(func(_ *fakeNode, _ *Options, r *http.Request) { r.URL.RawQuery = "n=x" })
		try(func(_ *fakeNode, _ *Options, r *http.Request) { r.URL.RawQuery = "count=x" })
		try(func(_ *fakeNode, _ *Options, r *http.Request) { r.URL.RawQuery = "node=x" })
		try(header("Content-Type", "text/plain"))
		try(header("Idempotency-Key", "#"))
		try(func(_ *fakeNode, _ *Options, r *http.Request) { r.ContentLength = 1 << 40 })
		try(func(_ *fakeNode, _ *Options, r *http.Request) { r.URL.RawQuery = "x=y" })
		try(func(n *fakeNode, _ *Options, _ *http.Request) {
			n.publish = func(*bus.Record, func(bus.Position, error)) bool { panic("for the test") }
		})
		if tag := `"` + strings.Trim(do(newHandler(t), op.request(t, "", "")).Header().Get("ETag"), `"`) + `"`; tag != `""` {
			try(header("If-None-Match", tag))
		}
		for s := range op.body["responses"].(map[string]any) {
			// What other tests bring about: panics, a full server, a file that is not there.
			if s == "500" || op.path == "/metrics" && (s == "429" || s == "503") || s == "503" && op.body["operationId"] == "pushBatch" || s == "404" && op.path == "/page/{file}" {
				continue
			}
			if !slices.ContainsFunc(slices.Collect(maps.Keys(got)), func(n int) bool { return fmt.Sprint(n) == s }) {
				t.Errorf("%s %s describes %s, which was not seen", op.method, op.path, s)
			}
		}
	}
}

func newHandler(t *testing.T) http.Handler {
	h, _, _ := newTest(t, nil)
	return h
}
