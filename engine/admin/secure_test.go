package admin

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"stentor/engine/refusal"
	"stentor/engine/testkit"
	"stentor/engine/testkit/certificate"
)

// serveSecure is serve over TLS. It returns what a client needs to trust it.
func serveSecure(t *testing.T, n int) (addr string, trust *tls.Config, refusals *refusal.Log) {
	t.Helper()
	refusals = refusal.NewLog(slog.New(slog.DiscardHandler))
	addr, trust = startSecure(t, ServerOptions{MaxConns: n, Refusals: refusals, Log: discard})
	return addr, trust, refusals
}

// startSecure starts a server over TLS. It returns what a client needs to trust it.
func startSecure(t *testing.T, o ServerOptions) (addr string, trust *tls.Config) {
	t.Helper()
	pair, err := certificate.New()
	if err != nil {
		t.Fatal(err)
	}
	own, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	o.Handler, o.TLS = newGate(), &tls.Config{Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS12}
	return start(t, NewServer(o)), pair.Trusting()
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

// TestHandshakeFails: a handshake that fails is counted by its reason, and logged as a refusal: no warning, whatever a scanner
// sends, and none of its words.
func TestHandshakeFails(t *testing.T) {
	t.Parallel() // one of them takes its time
	var out lines
	log := slog.New(slog.NewTextHandler(&out, nil))
	registry := prometheus.NewRegistry()
	addr, trust := startSecure(t, ServerOptions{MaxConns: 64, Registerer: registry, Refusals: refusal.NewLog(log), Log: log})
	count := func(reason string) (n int) {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				if f.GetName() == "stentor_api_tls_failures_total" && (reason == "" || m.GetLabel()[0].GetValue() == reason) {
					n += int(m.GetCounter().GetValue())
				}
			}
		}
		return n
	}
	first, err := certificate.ClientHello(trust)
	if err != nil {
		t.Fatal(err)
	}
	hello := string(first)
	sends := func(text string) func(net.Conn) {
		return func(c net.Conn) {
			_, _ = io.WriteString(c, text)
			_, _ = io.Copy(io.Discard, c)
		}
	}
	leaves := func(text string, reset bool) func(net.Conn) {
		return func(c net.Conn) {
			_, _ = io.WriteString(c, text)
			if len(text) > 100 {
				_, _ = c.Read(make([]byte, 1)) // the server's part
			}
			if reset {
				_ = c.(*net.TCPConn).SetLinger(0)
			}
		}
	}
	shakes := func(conf *tls.Config) func(net.Conn) {
		return func(c net.Conn) { _ = tls.Client(c, conf).Handshake() }
	}
	for _, c := range []struct {
		reason string
		does   func(net.Conn)
	}{
		{"", leaves("", false)}, // a probe
		{"", leaves("", true)},
		{"plain_http", sends("GET /marker HTTP/1.1\r\nHost: marker\r\n\r\n")},
		{"not_tls", sends("PROXY TCP4 marker 10.0.0.2 1 2\r\n")},
		{"not_tls", sends("\x00\x01marker\n")},
		{"protocol", sends("\x16\x03\x01\x00\x06marker")},
		{"protocol", sends("\x16\x03\x01\xff\xffmarker")},
		{"protocol", sends(hello + "\x17\x03\x03\x00\x06marker")},
		{"closed", leaves(hello[:20], false)},
		{"closed", leaves(hello, false)},
		{"closed", leaves(hello, true)},
		{"client_alert", sends("\x15\x03\x01\x00\x02\x02\x28")},
		{"client_alert", shakes(&tls.Config{ServerName: "marker"})},
		{"version", shakes(&tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})},
		{"suite", shakes(&tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}})},
		{"timeout", sends(hello[:20])},
	} {
		before, all := count(c.reason), count("")
		conn := dial(t, addr).Conn
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		c.does(conn)
		_ = conn.Close()
		if c.reason != "" {
			testkit.Eventually(t, 20*time.Second, func() string { return c.reason + " is counted:" + out.wait(t, "") }, func() bool { return count(c.reason) > before })
			all++
		}
		ok := dial(t, addr).over(trust) // it is accepted behind the other one
		ok.ask(t, "/")
		ok.want(t, 200)
		if got := count(""); got != all {
			t.Errorf("%s: %d failures are counted, want %d", c.reason, got, all)
		}
	}
	text := out.wait(t, "reason=tls_missing")
	for _, c := range []string{"level=WARN", "level=ERROR", "marker"} {
		if strings.Contains(text, c) {
			t.Errorf("%s in the log:\n%s", c, text)
		}
	}
	if !strings.Contains(text, "msg=refused reason=tls_handshake code=0 address=127.0.0.1:") {
		t.Errorf("the log is\n%s", text)
	}
}
