package main

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stentor/clients/go/clienttest"
	"stentor/cmd/stentor/config"
	"stentor/engine/testkit"
)

// subscribing runs `stentor sub` while the test plays the server.
func subscribing(t *testing.T, s *clienttest.Server, args ...string) (<-chan result, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	done := make(chan result, 1)
	go func() { done <- execute(ctx, "", append([]string{"sub", "--url", s.URL()}, args...)...) }()
	return done, cancel
}

func TestSub(t *testing.T) {
	t.Setenv(config.VariableToken, "from-environment")
	s := clienttest.NewServer(t)
	done, cancel := subscribing(t, s, "-p", "demo", "/topic/demo/a", "/user/queue/b")
	c, connect := s.Connected("10000,10000")
	if connect["projectId"] != "demo" || connect["token"] != "from-environment" || connect["heart-beat"] != "10000,10000" {
		t.Errorf("CONNECT %v", connect)
	}
	for _, want := range []string{"/topic/demo/a", "/user/queue/b"} {
		if h := c.Subscribed("position", "1-0-1"); h["destination"] != want {
			t.Errorf("SUBSCRIBE %v", h)
		}
	}
	c.Message("/topic/demo/a", "1-0-2", "hello\x1b[2J\tthere\nyou")
	c.Message("/topic/demo/a", "1-0-3", "\xff")
	cancel() // Ctrl-C
	c.Disconnected()
	got := <-done
	if got.code != exitOK || got.err != "/topic/demo/a: subscribed\n/user/queue/b: subscribed\n" {
		t.Fatalf("%+v", got)
	}
	lines := strings.Split(got.out, "\n")
	if len(lines) != 4 || lines[0][9:] != "/topic/demo/a hello\uFFFD[2J\tthere" || lines[1] != "you" || lines[2][9:] != `/topic/demo/a "\xff"` {
		t.Errorf("%q", lines)
	}
}

func TestSubJSON(t *testing.T) {
	t.Setenv(config.VariableToken, "")
	s := clienttest.NewServer(t)
	done, _ := subscribing(t, s, "--json", "--count", "2", "--heartbeat", "0", "--token", "given", "/topic/demo/a")
	c, connect := s.Connected("10000,10000")
	if _, named := connect["projectId"]; named || connect["token"] != "given" || connect["heart-beat"] != "0,0" {
		t.Errorf("CONNECT %v", connect)
	}
	c.Subscribed()
	c.Message("/topic/demo/a", "1-0-2", `{"x": 1}`, "content-type", "application/json", "k", "v", "k", "w")
	c.Close(1012) // and it goes on after a restart
	c, _ = s.Connected("0,0")
	if h := c.Subscribed(); h["last-message-id"] != "1-0-2" {
		t.Errorf("SUBSCRIBE %v", h)
	}
	c.Message("/topic/demo/a", "1-0-3", "\xff")
	c.Disconnected()
	got := <-done
	want := `{"destination":"/topic/demo/a","id":"1-0-2","content_type":"application/json","headers":{"k":"v"},"body":"{\"x\": 1}"}
{"destination":"/topic/demo/a","id":"1-0-3","body_base64":"/w=="}
`
	if got.code != exitOK || got.out != want || !strings.Contains(got.err, "connected again\n") {
		t.Errorf("%+v\nwant\n%s", got, want)
	}
}

func TestSubTrusts(t *testing.T) {
	t.Setenv(config.VariableToken, "")
	s, certificate := clienttest.NewTLSServer(t)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan result, 1)
	go func() {
		done <- execute(t.Context(), "", "sub", "--url", s.URL(), "--ca", ca, "-n", "1", "/topic/a")
	}()
	c, _ := s.Connected("0,0")
	c.Subscribed()
	c.Message("/topic/a", "1", "hello")
	c.Disconnected()
	if got := <-done; got.code != exitOK || !strings.HasSuffix(got.out, " hello\n") {
		t.Errorf("%+v", got)
	}
	if got := cli(t, "sub", "--ca", os.Args[0], "/topic/a"); got.code != exitUsage || !strings.Contains(got.err, "found no certificate") {
		t.Errorf("%+v", got)
	}
}

func TestSubFails(t *testing.T) {
	t.Setenv(config.VariableToken, "")
	s := clienttest.NewServer(t)
	done, _ := subscribing(t, s, "/topic/demo/a")
	c, _ := s.Connected("0,0")
	c.Expect("SUBSCRIBE")
	c.Send("ERROR", "", "message", "Failed to send message, not yours", "code", "forbidden")
	if got := <-done; got != (result{exitFailure, "", "stentor sub: the server refuses: not yours (forbidden)\n"}) {
		t.Errorf("%+v", got)
	}

	for name, one := range map[string]struct{ scheme, answer, want string }{
		"the API":    {"ws", `{"type":"about:blank","title":"Not Found","status":404,"detail":"there is nothing","code":"not-found"}`, "is the HTTP API (Not Found (404): there is nothing); clients connect to another port"},
		"no TLS":     {"wss", "", "does not answer in TLS"},
		"other HTTP": {"ws", "nothing here", "stentor sub: 404 Not Found: nothing here\n"},
	} {
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, one.answer)
		}))
		defer web.Close()
		if got := cli(t, "sub", "--url", one.scheme+strings.TrimPrefix(web.URL, "http"), "/topic/a"); got.code != exitFailure || !strings.Contains(got.err, one.want) {
			t.Errorf("%s: %+v\nwant %s", name, got, one.want)
		}
	}

	done, _ = subscribing(t, s, "/topics/demo/a")
	c, _ = s.Connected("0,0")
	c.Subscribed("subscribed", "false", "reason", "not-served")
	if got := <-done; got != (result{exitFailure, "", "/topics/demo/a: not subscribed: the project does not serve this destination; see subscribe and destinations of the project\n" +
		"stentor sub: the server serves none of the destinations\n"}) {
		t.Errorf("%+v", got)
	}

	url := fmt.Sprintf("ws://%s/ws", testkit.FreePort(t)) // nobody listens there
	want := "stentor sub: cannot reach " + url + " (connect: connection refused); is the node running? --url names another endpoint\n"
	if got := cli(t, "sub", "--url", url, "/topic/demo/a"); got != (result{exitFailure, "", want}) {
		t.Errorf("%+v, want %s", got, want)
	}
}
