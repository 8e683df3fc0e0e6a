package e2e

import (
	"fmt"
	"net/http"
	"testing"

	"stentor/engine/testkit"
	"stentor/tuning/proxy"
)

// TestServerNames: both proxies take requests to the same names. There is no node behind them: who is let through is
// answered with 502 or 503.
func TestServerNames(t *testing.T) {
	t.Parallel()
	hosts := []string{"push.example.com", "PUSH.example.com:8443", "a.push.example.com", "example.com", "pushXexample.com", "other.org"}
	for _, c := range []struct {
		name    string
		through []bool // of hosts
	}{
		{"", []bool{true, true, true, true, true, true}},
		{"_", []bool{true, true, true, true, true, true}},
		{"push.example.com", []bool{true, true, false, false, false, false}},
		{"*.example.com", []bool{true, true, true, false, false, false}},
		{".example.com", []bool{true, true, true, true, false, false}},
	} {
		for _, kind := range []proxy.Kind{proxy.Nginx, proxy.HAProxy} {
			t.Run(fmt.Sprintf("%s %s", kind, c.name), func(t *testing.T) {
				t.Parallel()
				f := testkit.Behind(t, proxy.Request{Kind: kind, Nodes: []string{testkit.FreePort(t)}, ServerName: c.name})
				for i, host := range hosts {
					req, err := http.NewRequest(http.MethodGet, "http://"+f.Address+"/ws", nil)
					if err != nil {
						t.Fatal(err)
					}
					req.Host = host
					resp, err := http.DefaultClient.Do(req)
					if err != nil {
						t.Fatal(err)
					}
					resp.Body.Close()
					if through := resp.StatusCode != http.StatusNotFound; through != c.through[i] {
						t.Errorf("%s: status %d", host, resp.StatusCode)
					}
				}
			})
		}
	}
}
