package admin

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"

	"stentor/engine/refusal"
	"stentor/engine/testkit/certificate"
)

// serveSecure is serve over TLS. It returns what a client needs to trust it.
func serveSecure(t *testing.T, n int) (addr string, trust *tls.Config, refusals *refusal.Log) {
	t.Helper()
	pair, err := certificate.New()
	if err != nil {
		t.Fatal(err)
	}
	own, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	refusals = refusal.NewLog(slog.New(slog.DiscardHandler))
	s := NewServer(ServerOptions{Handler: newGate(), MaxConns: n, TLS: &tls.Config{Certificates: []tls.Certificate{own}}, Refusals: refusals, Log: discard})
	return start(t, s), pair.Trusting(), refusals
}

func (c *client) over(trust *tls.Config) *client {
	c.Conn = tls.Client(c.Conn, trust)
	c.r = bufio.NewReader(c.Conn)
	return c
}

// TestPlainHTTP: who sends plain HTTP to a port of TLS reads why it does not work, whole, however much more is sent; who sends
// anything else is closed.
func TestPlainHTTP(t *testing.T) {
	addr, trust, refusals := serveSecure(t, 8)
	for _, text := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST /v1/push HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 100_000)} {
		c := dial(t, addr)
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		r, err := http.ReadResponse(c.r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(r.Body); r.StatusCode != 400 || err != nil || !strings.Contains(string(body), "https://") || !r.Close {
			t.Errorf("%v %q, %v", r, body, err)
		}
		c.wantClosed(t)
	}
	for _, text := range []string{"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nGET / HTTP/1.1\r\n\r\n", "\x00\x01\x02\x03\x04\x05"} {
		c := dial(t, addr)
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		if got, _ := io.ReadAll(c); strings.Contains(string(got), "HTTP") || strings.Contains(string(got), "https") {
			t.Errorf("%q is answered: %q", text, got)
		}
	}
	if n := refusals.Count(refusal.TLSMissing); n != 2 {
		t.Errorf("%d refusals", n)
	}
	c := dial(t, addr).over(trust)
	c.ask(t, "/")
	c.want(t, 200)
}

// TestSecureEviction: those that never begin their handshake make room at once. Nothing on the way to a new connection waits
// for them: each wait would be a second, so that 40 of them would outlast the newcomer's patience.
func TestSecureEviction(t *testing.T) {
	addr, trust, _ := serveSecure(t, 2)
	mute := []*client{}
	for range 42 {
		mute = append(mute, dial(t, addr))
	}
	c := dial(t, addr).over(trust)
	c.ask(t, "/")
	c.want(t, 200)
	for _, m := range mute[:40] {
		if _, err := m.r.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("a mute connection is open: %v", err)
		}
	}
}
