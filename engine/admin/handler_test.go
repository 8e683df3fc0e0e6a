package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"stentor/engine/bus"
	"stentor/engine/shard"
)

func TestSessions(t *testing.T) {
	h, node, _ := newTest(t, nil)
	w := do(h, request("GET", "/v1/projects/shop/sessions?user=a%2Fb&destination=/topic/shop/all&id=s1&after=c0&limit=7&address=203.0.113.7", ""))
	want := `{"sessions":[{"id":"s1","user":"ann","address":"203.0.113.7","since":"2001-09-09T01:46:40Z","version":"1.2","transport":"sockjs-websocket",` +
		`"subscriptions":[{"id":"sub-0","destination":"/topic/shop/all","ack":"auto","behind":3,"dropped":1}],"buffered":7},` +
		`{"id":"s2","address":"","since":"0001-01-01T00:00:00Z","version":"","subscriptions":[],"buffered":0}],"next":"c1"}` + "\n"
	if w.Code != 200 || w.Body.String() != want {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if q := (shard.SessionQuery{Project: "shop", User: "a/b", Destination: "/topic/shop/all", ID: "s1", After: "c0", Limit: 7, Network: netip.MustParsePrefix("203.0.113.7/32")}); node.query != q {
		t.Errorf("asked for %+v", node.query)
	}
	do(h, request("GET", "/v1/projects/shop/sessions", ""))
	if node.query != (shard.SessionQuery{Project: "shop", Limit: defaultSessions}) {
		t.Errorf("asked for %+v", node.query)
	}
	for query, part := range map[string]string{"limit=0": "from 1 to 1000", "limit=1001": "from 1 to 1000", "limit=x": "from 1 to 1000",
		"users=ann": "did you mean user?", "user=a&user=b": "twice", "user=%zz": "malformed", "address=203.0.113": "an IP address, or a network"} {
		wantProblem(t, do(h, request("GET", "/v1/projects/shop/sessions?"+query, "")), 400, codeField, part)
	}
	node.err = shard.ErrCursor
	wantProblem(t, do(h, request("GET", "/v1/projects/shop/sessions?after=x", "")), 400, codeField, `after is "x"`)
}

func TestKick(t *testing.T) {
	h, node, _ := newTest(t, nil)
	for path, n := range map[string]int{"sessions/s1": 1, "users/ann/sessions": 2, "users/a%2Fb/sessions": 1, "users/nobody/sessions": 0} {
		got := kicked{-1}
		if wantJSON(t, do(h, request("DELETE", "/v1/projects/shop/"+path, "")), &got); got.Kicked != n {
			t.Errorf("%s: %+v", path, got)
		}
	}
	wantProblem(t, do(h, request("DELETE", "/v1/projects/shop/sessions/none", "")), 404, codeNotFound, `no session "none"`)
	for _, path := range []string{"sessions/s1", "users/ann/sessions"} {
		path = "/v1/projects/shop/" + path + "?reason="
		if w := do(h, request("DELETE", path+strings.Repeat("%C3%A9", shard.MaxKickReason/2), "")); w.Code != 200 || len(node.reason) != shard.MaxKickReason {
			t.Errorf("%d %s, the reason is %q", w.Code, w.Body, node.reason)
		}
		for _, bad := range []string{strings.Repeat("x", shard.MaxKickReason+1), "%ff", "a%0Ab"} {
			wantProblem(t, do(h, request("DELETE", path+bad, "")), 400, codeField, "reason has")
		}
	}
}

func TestDestinations(t *testing.T) {
	h, _, _ := newTest(t, nil)
	const (
		pattern = `{"destination":"/topic/shop/*","pattern":true,"subscriptions":1,"detached":0}`
		all     = `{"destination":"/topic/shop/all","subscriptions":9,"detached":2}`
		b       = `{"destination":"/topic/shop/b","subscriptions":1,"detached":0}`
	)
	for query, want := range map[string]string{
		"":                                     `{"destinations":[` + pattern + "," + all + "," + b + "]}\n",
		"?limit=1":                             `{"destinations":[` + pattern + `],"next":"/topic/shop/*"}` + "\n",
		"?after=/topic/shop/*":                 `{"destinations":[` + all + "," + b + "]}\n",
		"?limit=2&after=/topic/shop/*":         `{"destinations":[` + all + "," + b + "]}\n",
		"?prefix=/topic/shop/b":                `{"destinations":[` + b + "]}\n",
		"?prefix=/x":                           `{"destinations":[]}` + "\n",
		"?limit=10000&prefix=%2F&order=name":   `{"destinations":[` + pattern + "," + all + "," + b + "]}\n",
		"?order=subscriptions":                 `{"destinations":[` + all + "," + pattern + "," + b + `],"total":3}` + "\n",
		"?order=subscriptions&limit=2":         `{"destinations":[` + all + "," + pattern + `],"total":3}` + "\n",
		"?order=subscriptions&prefix=/topic/x": `{"destinations":[],"total":0}` + "\n",
	} {
		if w := do(h, request("GET", "/v1/projects/shop/destinations"+query, "")); w.Code != 200 || w.Body.String() != want {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
	wantProblem(t, do(h, request("GET", "/v1/projects/shop/destinations?order=age", "")), 400, codeField, "name or subscriptions")
	wantProblem(t, do(h, request("GET", "/v1/projects/shop/destinations?order=subscriptions&after=a", "")), 400, codeField, "after goes with")
	wantProblem(t, do(h, request("GET", "/v1/projects/shop/destinations?limit=10001", "")), 400, codeField, "limit")
	wantProblem(t, do(h, request("GET", "/v1/projects/shop/destinations?prefx=a", "")), 400, codeField, "did you mean prefix?")
}

func TestStats(t *testing.T) {
	h, _, _ := newTest(t, nil)
	var got Stats
	if wantJSON(t, do(h, request("GET", "/v1/projects/shop/stats", "")), &got); got != (Stats{3, 4, 5, 6}) {
		t.Errorf("%+v", got)
	}
}

// TestNodeErrors lets every call of the node fail in every way.
func TestNodeErrors(t *testing.T) {
	tests := []struct {
		err    error
		status int
		code   string
	}{
		{context.DeadlineExceeded, 503, codeTimeout},
		{bus.ErrUnknownProject, 404, codeNotFound},
		{bus.ErrClosed, 503, codeStopping},
		{errors.New("a secret of the node"), 503, codeUnavailable},
	}
	requests := [][2]string{{"GET", "sessions"}, {"GET", "destinations"}, {"GET", "destinations?order=subscriptions"}, {"DELETE", "sessions/s1"}, {"DELETE", "users/ann/sessions"}}
	h, node, _ := newTest(t, nil)
	for _, test := range tests {
		node.err = test.err
		for _, r := range requests {
			if p := wantProblem(t, do(h, request(r[0], "/v1/projects/shop/"+r[1], "")), test.status, test.code, ""); strings.Contains(p.Detail, "secret") {
				t.Errorf("%s %s: %s", r[0], r[1], p.Detail)
			}
		}
	}
}

func TestHealth(t *testing.T) {
	h, node, _ := newTest(t, nil)
	if w := do(h, request("GET", "/healthz", "", "Authorization: ")); w.Code != 200 || w.Body.String() != `{"status":"ok"}`+"\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := do(h, request("GET", "/readyz", "", "Authorization: ")); w.Code != 200 || w.Body.String() != `{"status":"ready"}`+"\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	node.unserved = map[string]error{"shop": errors.New("no topic")}
	if w := do(h, request("GET", "/readyz", "", "Authorization: ")); w.Code != 200 || w.Body.String() != `{"status":"ready","unserved":[{"project":"shop","why":"no topic"}]}`+"\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for i := range mostUnserved {
		node.unserved[fmt.Sprint(i)] = errors.New("no topic")
	}
	w := do(h, request("GET", "/readyz", "", "Authorization: "))
	if got := w.Body.String(); w.Code != 200 || strings.Count(got, "no topic") != mostUnserved || !strings.HasSuffix(got, `"more":1}`+"\n") {
		t.Errorf("%d %s", w.Code, got)
	}
	node.ready = errors.New("draining")
	wantProblem(t, do(h, request("GET", "/readyz", "", "Authorization: ")), 503, codeNotReady, "draining")
	if w := do(h, request("GET", "/healthz", "")); w.Code != 200 {
		t.Errorf("%d", w.Code)
	}
}

func TestUnknownPaths(t *testing.T) {
	h, _, _ := newTest(t, nil)
	for _, path := range []string{"/v1/", "/v1/projects/", "/v1/projects/shop/", "/v1/projects/shop/push/", "/v2/push", "/x", "/page/", "/page/index.html", "/index.html"} {
		wantProblem(t, do(h, request("GET", path, "")), 404, codeNotFound, "/openapi.yaml")
	}
}

func TestMethods(t *testing.T) {
	h, _, _ := newTest(t, nil)
	for path, allow := range map[string]string{"/v1/push": "POST", pushPath: "POST", batchPath: "POST", "/v1/projects/shop/sessions": "GET, HEAD",
		"/v1/projects/shop/sessions/s1": "DELETE", "/v1/projects/shop/users/ann/sessions": "DELETE", "/": "GET, HEAD", "/healthz": "GET, HEAD"} {
		w := do(h, request("PATCH", path, ""))
		wantProblem(t, w, 405, codeMethod, allow)
		if got := w.Header().Get("Allow"); got != allow {
			t.Errorf("%s: Allow %q", path, got)
		}
	}
	if w := do(h, request("HEAD", "/healthz", "")); w.Code != 200 {
		t.Errorf("HEAD: %d", w.Code)
	}
}

// TestPanic lets a handler panic before and after it has begun to answer.
func TestPanic(t *testing.T) {
	h, node, registry := newTest(t, nil)
	node.panics = true
	wantProblem(t, do(h, request("GET", "/readyz", "")), 500, codeInternal, "log")
	a := &api{o: Options{Log: discard}, metrics: newMetrics(nil)}
	half := a.around("half", func(w http.ResponseWriter, _ *http.Request) *problem {
		_, _ = w.Write([]byte("half"))
		panic("for the test")
	})
	func() {
		defer func() {
			if v := recover(); v != http.ErrAbortHandler {
				t.Errorf("panicked with %v", v)
			}
		}()
		do(half, request("GET", "/", ""))
	}()
	want := "# HELP stentor_api_panics_total Handlers of the HTTP API that panicked.\n# TYPE stentor_api_panics_total counter\nstentor_api_panics_total 1\n"
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "stentor_api_panics_total"); err != nil {
		t.Error(err)
	}
}

func TestMetrics(t *testing.T) {
	h, _, registry := newTest(t, nil)
	do(h, request("POST", pushPath, `{"topic":"all","payload":1}`))
	do(h, request("POST", "/v1/projects/chat/push", `{}`))
	do(h, request("BREW", "/x/y", ""))
	want := `# HELP stentor_api_requests_total Requests of the HTTP API by route, method and status.
# TYPE stentor_api_requests_total counter
stentor_api_requests_total{method="OTHER",route="other",status="404"} 1
stentor_api_requests_total{method="POST",route="/v1/projects/{project}/push",status="200"} 1
stentor_api_requests_total{method="POST",route="/v1/projects/{project}/push",status="403"} 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "stentor_api_requests_total"); err != nil {
		t.Error(err)
	}
	if n, err := testutil.GatherAndCount(registry, "stentor_api_request_seconds"); n != 2 || err != nil {
		t.Errorf("%d histograms, %v", n, err)
	}
	w := do(h, request("GET", "/metrics", "", "Authorization: "))
	if w.Code != 200 || !strings.Contains(w.Body.String(), `stentor_api_requests_total{method="POST",route="/v1/projects/{project}/push",status="200"} 1`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestNames: a server with names answers no page that has another one point at it.
func TestNames(t *testing.T) {
	h, _, _ := newTest(t, func(o *Options) { o.Names = func(host string) bool { return host == "localhost:8081" } })
	for _, path := range []string{"/", "/console.json", "/healthz", "/metrics", "/v1/push", "/nothing"} {
		r := request("GET", path, "")
		r.Host = "rebound.example.com:8081"
		wantProblem(t, do(h, r), http.StatusForbidden, codeForbidden, "listen.names")
		for _, host := range []string{"localhost:8081", ""} {
			r.Host = host
			if w := do(h, r); w.Code == http.StatusForbidden {
				t.Errorf("%s of %q: %d %s", path, host, w.Code, w.Body)
			}
		}
	}
}
