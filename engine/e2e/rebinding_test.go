package e2e

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"stentor/engine/websocket"
)

// asked is what the API answers to a request that is for another host, as a browser sends it that was made to believe that the
// host is here.
func (s *server) asked(t *testing.T, path, host string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequest("GET", s.API+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	answer, err := caller.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(b)
}

// TestRebinding: a page whose name resolves to this machine gets neither the key of --dev nor a connection.
func TestRebinding(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Dev: true, Set: []string{"listen.names=dev.example.com"}})
	port := s.API[strings.LastIndexByte(s.API, ':'):]
	for host, ok := range map[string]bool{
		"127.0.0.1" + port: true, "localhost" + port: true, "[::1]" + port: true, "dev.example.com": true,
		"rebound.example.com" + port: false, "rebound.example.com": false, "localhost.rebound.example.com": false,
	} {
		for _, path := range []string{"/", "/console.json", "/metrics", "/healthz"} {
			status, body := s.asked(t, path, host)
			if (status == http.StatusOK) != ok || !ok && strings.Contains(body, "demo-key") {
				t.Errorf("%s of %s: %d", path, host, status)
			}
		}
	}
	configured := start(t, setup{Set: []string{"listen.names=push.example.com"}})
	if status, _ := configured.asked(t, "/healthz", "stentor.internal:8081"); status != http.StatusOK {
		t.Errorf("a configured node's API: %d", status)
	}
	for _, c := range []struct {
		s            *server
		origin, host string
		ok           bool
	}{
		{s, "http://localhost:3000", "", true},
		{s, "http://rebound.example.com:8080", "rebound.example.com:8080", false},
		{configured, "http://127.0.0.1:8080", "127.0.0.1:8080", true},
		{configured, "http://localhost:8080", "localhost:8080", true},
		{configured, "http://push.example.com:8080", "push.example.com:8080", true},
		{configured, "http://rebound.example.com:8080", "rebound.example.com:8080", false},
		{configured, "", "rebound.example.com:8080", true}, // no page
	} {
		host := c.host
		if host == "" {
			host = c.s.Client
		}
		key := websocket.NewKey()
		var header []string
		if c.origin != "" {
			header = append(header, "Origin: "+c.origin)
		}
		p := dial(t, c.s.Client)
		p.must(p.write(websocket.AppendRequest(nil, host, "/ws", key, header...)))
		err := p.answer(key)
		var refusal *websocket.AnswerError
		if (err == nil) != c.ok || !c.ok && (!errors.As(err, &refusal) || refusal.Status != http.StatusForbidden) {
			t.Errorf("origin %q, host %q: %v", c.origin, host, err)
		}
	}
}
