package admin

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"stentor/engine/directory"
)

// BenchmarkEndpoints is an answer over a keep-alive connection, with its client.
func BenchmarkEndpoints(b *testing.B) {
	h := NewRegistry(RegistryOptions{Directory: testDirectory(), Discovery: directory.NewLimiter(1e9, 1e9), Ready: func() error { return nil }, Log: discard})
	s := httptest.NewServer(h)
	defer s.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			r, err := client.Get(s.URL + "/v1/endpoints")
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, r.Body)
			_ = r.Body.Close()
			if r.StatusCode != http.StatusOK {
				b.Fatal(r.Status)
			}
		}
	})
}
