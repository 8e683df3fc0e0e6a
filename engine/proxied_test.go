package engine

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"stentor/engine/shard"
	"stentor/engine/websocket"
	"stentor/stomp"
)

// sessionAddresses are the clients' addresses as operators see them.
func (n testNode) sessionAddresses(t *testing.T) (all []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err := n.Sessions(ctx, shard.SessionQuery{Project: "shop", Limit: 1000}, func(page []shard.SessionInfo) error {
		for _, s := range page {
			all = append(all, s.Address)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// refusedHeaders is the metric of a reason.
func (n testNode) refusedHeaders(t *testing.T, reason string) float64 {
	t.Helper()
	return n.counted(t, "stentor_proxy_protocol_refused_total", reason)
}

var trustLoopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}

// lines keeps what is logged.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

func (l *lines) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

const line4 = "PROXY TCP4 203.0.113.7 127.0.0.1 4711 443\r\n"

const localHeader = "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"

// TestProxyProtocol: the address of the header is the client's, however the header comes; a listener without it is as
// always.
func TestProxyProtocol(t *testing.T) {
	n, stop := startNodeWith(t, nil, func(o *Options) {
		o.Listen = []string{"127.0.0.1:0", "127.0.0.1:0 proxy_protocol"}
		o.TrustedProxies = trustLoopback
	})
	defer stop()
	direct, proxied := n.Addresses()[0].String(), n.Addresses()[1].String()

	for _, c := range []struct {
		name, address, header string
		forwarded             string
		want                  string // "" is the socket's own
	}{
		{"none", direct, "", "", ""},
		{"none, forwarded", direct, "", "198.51.100.4", "198.51.100.4"},
		{"version 1", proxied, line4, "", "203.0.113.7:4711"},
		{"version 1, made-up X-Forwarded-For", proxied, line4, "198.51.100.4", "203.0.113.7:4711"},
		{"version 2", proxied, "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0C\xCB\x00\x71\x07\x7F\x00\x00\x01\x12\x67\x01\xBB", "", "203.0.113.7:4711"},
		{"version 2, IPv6", proxied, "\r\n\r\n\x00\r\nQUIT\n\x21\x21\x00\x24" + "\x20\x01\x0d\xb8" + strings.Repeat("\x00", 11) + "\x01" + strings.Repeat("\x00", 16) + "\x12\x67\x01\xBB", "", "[2001:db8::1]:4711"},
		{"a proxy behind a proxy", proxied, "PROXY TCP4 127.0.0.1 127.0.0.1 4711 443\r\n", "198.51.100.4", "198.51.100.4"},
		{"LOCAL", proxied, localHeader, "", ""},
		{"UNKNOWN", proxied, "PROXY UNKNOWN\r\n", "", ""},
		{"no address", proxied, "PROXY TCP4 0.0.0.0 127.0.0.1 1 2\r\n", "", ""},
	} {
		request := websocket.AppendRequest(nil, "h", "/ws", websocket.NewKey())
		if c.forwarded != "" {
			request = bytes.Replace(request, []byte("\r\n"), []byte("\r\nX-Forwarded-For: "+c.forwarded+"\r\n"), 1)
		}
		whole := append([]byte(c.header), request...)
		for _, piece := range []int{len(whole), len(c.header), 7, 1} {
			if piece == 0 || len(c.header) == 0 && piece < len(whole) {
				continue
			}
			client := dialTest(t, "tcp", c.address)
			_ = client.conn.(*net.TCPConn).SetNoDelay(true)
			for rest := whole; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
				client.write(t, rest[:min(piece, len(rest))])
			}
			client.until(t, "\r\n\r\n")
			client.send(t, stomp.Connect)
			client.until(t, "CONNECTED")
			want := c.want
			if want == "" {
				want = client.conn.LocalAddr().String()
			}
			if got := n.sessionAddresses(t); len(got) != 1 || got[0] != want {
				t.Errorf("%s in pieces of %d: the sessions are from %v, want %s", c.name, piece, got, want)
			}
			_ = client.conn.Close()
			n.gone(t)
		}
	}
}

// gone waits until no connection is left.
func (n testNode) gone(t *testing.T) {
	t.Helper()
	left := func() uint64 {
		return uint64(n.sockets.Load()) + n.stat(func(s *shard.Stats) uint64 { return uint64(s.Connections.Load() + s.Greeting.Load()) })
	}
	for end := time.Now().Add(10 * time.Second); left() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d connections are left", left())
		}
	}
}

// TestProxyProtocolRefused: whoever may not send the header, or does not send it, is closed, counted and logged.
func TestProxyProtocolRefused(t *testing.T) {
	var log lines
	n, stop := startNodeWith(t, nil, func(o *Options) {
		o.Listen = []string{"127.0.0.1:0 proxy_protocol"}
		o.TrustedProxies = trustLoopback
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
	})
	defer stop()
	for _, c := range []struct{ reason, from, send string }{
		{"missing", "127.0.0.1", "GET /ws HTTP/1.1\r\n"},
		{"invalid", "127.0.0.1", "PROXY TCP4 nobody\r\n"},
		{"untrusted", "127.0.0.2", line4},
	} {
		const times = 30
		for range times {
			dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(c.from)}}
			conn, err := dialer.Dial("tcp", n.Addresses()[0].String())
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			_, _ = conn.Write([]byte(c.send)) // it may be closed already
			(&testClient{conn: conn}).end(t)
			_ = conn.Close()
		}
		if got := n.refusedHeaders(t, c.reason); got != times {
			t.Errorf("%s: %v are counted, want %d", c.reason, got, times)
		}
	}
	n.gone(t)
	for _, reason := range []string{"missing", "invalid", "untrusted"} {
		log.wait(t, "reason=proxy_"+reason+" code=0 address=127.0.0.")
	}
	if lines := log.count("msg=refused"); lines > 60 {
		t.Errorf("%d lines are logged for 90 refusals", lines)
	}
}

// TestProxyProtocolTimeout: who does not complete the header in time is closed as one who does not complete the
// handshake is.
func TestProxyProtocolTimeout(t *testing.T) {
	n, stop := startNodeWith(t, nil, func(o *Options) {
		o.Listen = []string{"127.0.0.1:0 proxy_protocol"}
		o.TrustedProxies = trustLoopback
		o.Shard.HandshakeTimeout = 50 * time.Millisecond
	})
	defer stop()
	for _, begun := range []string{"", line4[:20], line4, localHeader[:14], localHeader} {
		c := dialTest(t, "tcp", n.Addresses()[0].String())
		if begun != "" {
			c.write(t, []byte(begun))
		}
		c.end(t)
	}
	n.gone(t)
}

// TestProxyProtocolCounted: the limit for one address counts clients, not proxies.
func TestProxyProtocolCounted(t *testing.T) {
	n, stop := startNodeWith(t, nil, func(o *Options) {
		o.Listen = []string{"127.0.0.1:0 proxy_protocol"}
		o.TrustedProxies = trustLoopback
		o.Limits.PerAddress = 2
	})
	defer stop()
	for i := range 3 {
		for number, want := range []string{"101", "101", "503"} {
			c := dialTest(t, "tcp", n.Addresses()[0].String())
			c.write(t, fmt.Appendf(nil, "PROXY TCP4 203.0.113.%d 127.0.0.1 %d 443\r\n", i, 1000+number))
			c.write(t, websocket.AppendRequest(nil, "h", "/ws", websocket.NewKey()))
			c.until(t, "HTTP/1.1 "+want)
		}
	}
}

// TestProxyProtocolSecure: that the proxy speaks TLS with the client is believed beside the header.
func TestProxyProtocolSecure(t *testing.T) {
	n, stop := startNodeWith(t, nil, func(o *Options) {
		o.Listen = []string{"127.0.0.1:0 proxy_protocol"}
		o.TrustedProxies = trustLoopback
	})
	defer stop()
	for proto, want := range map[string]string{"https": "101", "http": "403"} {
		c := dialTest(t, "tcp", n.Addresses()[0].String())
		request := websocket.AppendRequest(nil, "push.example.com", "/ws", websocket.NewKey())
		more := "\r\nOrigin: https://push.example.com\r\nX-Forwarded-Proto: " + proto + "\r\n"
		c.write(t, append([]byte(line4), bytes.Replace(request, []byte("\r\n"), []byte(more), 1)...))
		c.until(t, "HTTP/1.1 "+want)
	}
}
