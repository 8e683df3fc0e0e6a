package admin

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"stentor/engine/directory"
)

func TestEndpoints(t *testing.T) {
	h, _, _ := newTest(t, nil)
	w := do(h, request("GET", "/v1/endpoints?n=2&else=1", "", "Authorization: "))
	if want := `{"endpoints":["wss://n1.example.com/ws"],"ttl_ms":10000,"spread_ms":0}` + "\n"; w.Code != 200 || w.Body.String() != want {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for name, want := range map[string]string{"Access-Control-Allow-Origin": "*", "Cache-Control": "no-store", "Content-Type": jsonMedia} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	for _, n := range []string{"0", "11", "x"} {
		w := do(h, request("GET", "/v1/endpoints?n="+n, ""))
		wantProblem(t, w, 400, codeField, "from 1 to 10")
		if w.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Error("a page cannot read what is wrong")
		}
	}
	h, _, _ = newTest(t, func(o *Options) { o.Directory = directory.New(directory.Options{}) })
	w = do(h, request("GET", "/v1/endpoints", ""))
	if wantProblem(t, w, 503, codeUnavailable, "no node"); w.Header().Get("Retry-After") != "2" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%v", w.Header())
	}
	h, _, _ = newTest(t, func(o *Options) { o.Directory = nil })
	wantProblem(t, do(h, request("GET", "/v1/endpoints", "")), 404, codeNotFound, "")
}

// TestEndpointsRate: each address has a rate of its own, and a proxy's clients have their own too.
func TestEndpointsRate(t *testing.T) {
	h, _, _ := newTest(t, func(o *Options) {
		o.Discovery, o.TrustedProxies = directory.NewLimiter(1, 3), []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")} // where httptest's requests come from
	})
	ask := func(headers ...string) int { return do(h, request("GET", "/v1/endpoints", "", headers...)).Code }
	for i := range 5 {
		want := 200
		if i >= 3 {
			want = 429
		}
		if got := ask("X-Forwarded-For: 198.51.100.1, 203.0.113.7"); got != want {
			t.Errorf("%d: %d", i, got)
		}
	}
	if got := ask("X-Forwarded-For: 203.0.113.8"); got != 200 {
		t.Errorf("another client: %d", got)
	}
	h, _, _ = newTest(t, func(o *Options) { o.Discovery = directory.NewLimiter(1, 1) })
	if first, second := ask("X-Forwarded-For: 203.0.113.1"), ask("X-Forwarded-For: 203.0.113.2"); first != 200 || second != 429 {
		t.Errorf("%d, %d: who is no trusted proxy chooses his address", first, second)
	}
}

func TestEndpointsOrigins(t *testing.T) {
	h, _, _ := newTest(t, func(o *Options) { o.DiscoveryOrigins = []string{"https://shop.example.com"} })
	for origin, want := range map[string]string{"https://shop.example.com": "https://shop.example.com", "https://evil.example.com": "", "": ""} {
		w := do(h, request("GET", "/v1/endpoints", "", "Origin: "+origin))
		if got := w.Header().Get("Access-Control-Allow-Origin"); w.Code != 200 || got != want || w.Header().Get("Vary") != "Origin" {
			t.Errorf("%s: %d %v", origin, w.Code, w.Header())
		}
	}
}

func TestNodes(t *testing.T) {
	h, _, _ := newTest(t, nil)
	w := do(h, request("GET", "/v1/nodes", "", "Authorization: Bearer admin-key"))
	want := `{"nodes":[{"id":"n1","instance":"i","state":"up","ready":true,"draining":false,"sealed":true,"handed":true,"self":true,"urls":["wss://n1.example.com/ws"],` +
		`"api":"http://10.0.0.1:8081","version":"1.0","capacity":100,"connections":7,"opening":0,"deliveries":0,"cpu":0.25,"memory":1048576,"late_ms":0,"heard_ms":0}],"stale_ms":0,"self":"n1"}` + "\n"
	if w.Code != 200 || w.Body.String() != want {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	var page NodePage
	if wantJSON(t, w, &page); len(page.Nodes) != 1 || page.Self != "n1" || page.Nodes[0].Connections != 7 {
		t.Errorf("%+v", page)
	}
	wantProblem(t, do(h, request("GET", "/v1/nodes", "")), 403, codeForbidden, "one of admin_keys")
	wantProblem(t, do(h, request("GET", "/v1/nodes", "", "Authorization: Bearer no")), 401, codeAuth, "")
}

func TestRegistryHandler(t *testing.T) {
	var notYet error = errors.New("kafka: not yet")
	registry := prometheus.NewRegistry()
	h := NewRegistry(RegistryOptions{Directory: testDirectory(), Discovery: directory.NewLimiter(100, 100), Ready: func() error { return notYet }, Gatherer: registry, Registerer: registry, Log: discard})
	wantProblem(t, do(h, request("GET", "/foo", "")), 404, codeNotFound, `there is nothing at "/foo": the paths are /healthz, /metrics, /readyz, /v1/endpoints`)
	registry.MustRegister(DirectoryMetrics(testDirectory()))
	ask := func(path string) (int, string) {
		w := do(h, request("GET", path, ""))
		return w.Code, w.Body.String()
	}
	wantProblem(t, do(h, request("GET", "/readyz", "")), 503, codeNotReady, "not yet")
	notYet = nil
	for _, path := range []string{"/readyz", "/healthz", "/metrics", "/v1/endpoints"} {
		if code, body := ask(path); code != 200 {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	for _, path := range []string{"/", "/v1/nodes", "/v1/push", "/v1/projects", "/console.json", "/openapi.yaml"} {
		if code, _ := ask(path); code != http.StatusNotFound {
			t.Errorf("%s: %d: a registry has nothing but its own", path, code)
		}
	}
	if _, body := ask("/metrics"); !strings.Contains(body, `stentor_directory_nodes{state="up"} 1`) || !strings.Contains(body, `stentor_directory_candidates 1`) {
		t.Error(body)
	}
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}
