package engine

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"stentor/engine/bus"
	"stentor/engine/directory"
	"stentor/engine/refusal"
	"stentor/engine/websocket"
	"stentor/stomp"
)

// wait returns once text was logged.
func (l *lines) wait(t *testing.T, text string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); l.count(text) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			l.mu.Lock()
			defer l.mu.Unlock()
			t.Fatalf("nobody logs %q, but\n%s", text, l.text.String())
		}
	}
}

// unready is a bus that has yet to read what there was at its start.
type unready struct{ bus.Bus }

func (unready) Ready() error { return fmt.Errorf("it is early") }

// partial is a bus that serves one project alone.
type partial struct {
	bus.Bus
	served string
}

func (p partial) Serves(project string) error {
	if project == p.served {
		return nil
	}
	return fmt.Errorf("it is early for %s", project)
}

// secret is in every request and frame here, and must be in no line.
const secret = "s3cret-t0ken"

// handshake sends a handshake from a client that a trusted proxy names.
func (c *testClient) handshake(t *testing.T, path string, headers ...string) {
	t.Helper()
	request := websocket.AppendRequest(nil, "h", path+"?token="+secret, websocket.NewKey())
	headers = append(headers, "X-Forwarded-For: 203.0.113.7", "Cookie: "+secret)
	c.write(t, bytes.Replace(request, []byte("\r\n"), []byte("\r\n"+strings.Join(headers, "\r\n")+"\r\n"), 1))
}

// TestClientsRefused: a client that does not come as far as a session is refused, and both the log and the counter say why.
func TestClientsRefused(t *testing.T) {
	raw := func(text string) func(*testing.T, testNode, *testClient) {
		return func(_ *testing.T, _ testNode, c *testClient) { _, _ = c.conn.Write([]byte(text)) }
	}
	handshake := func(path string, headers ...string) func(*testing.T, testNode, *testClient) {
		return func(t *testing.T, _ testNode, c *testClient) { c.handshake(t, path, headers...) }
	}
	connect := func(headers ...string) func(*testing.T, testNode, *testClient) {
		return func(t *testing.T, _ testNode, c *testClient) {
			c.handshake(t, "/ws")
			c.until(t, "\r\n\r\n")
			c.send(t, stomp.Connect, headers...)
		}
	}
	discover := func(t *testing.T, c *testClient) (status int) {
		resp, _ := c.get(t, "/v1/endpoints?token="+secret, "X-Forwarded-For: 203.0.113.7")
		return resp.StatusCode
	}
	limit := func(change func(*Limits)) func(*Options) { return func(o *Options) { change(&o.Limits) } }
	const real = "address=203.0.113.7"
	for _, c := range []struct {
		why    refusal.Reason
		want   string
		change func(*Options)
		wrap   func(bus.Bus) bus.Bus
		do     func(*testing.T, testNode, *testClient)
	}{
		{why: refusal.Connections, change: limit(func(l *Limits) { l.Connections = 1 }), want: real, do: func(t *testing.T, n testNode, c *testClient) {
			c.upgrade(t)
			n.dial(t).handshake(t, "/ws")
		}},
		{why: refusal.Unauthenticated, change: limit(func(l *Limits) { l.Unauthenticated = 1 }), want: "address=127.0.0.1:", do: func(t *testing.T, n testNode, _ *testClient) { n.dial(t) }},
		{why: refusal.ConnectionsPerAddress, change: limit(func(l *Limits) { l.PerAddress = 1 }), want: real, do: func(t *testing.T, n testNode, c *testClient) {
			c.handshake(t, "/ws")
			c.until(t, "101")
			n.dial(t).handshake(t, "/ws")
		}},
		{why: refusal.UnauthenticatedPerAddress, change: limit(func(l *Limits) { l.UnauthenticatedPerAddress = 1 }), want: real, do: func(t *testing.T, n testNode, c *testClient) {
			c.handshake(t, "/ws")
			c.until(t, "101")
			n.dial(t).handshake(t, "/ws")
		}},
		{why: refusal.ProxyMissing, change: func(o *Options) { o.Listen = []string{"127.0.0.1:0 proxy_protocol"} }, want: "address=127.0.0.1:", do: raw("GET / HTTP/1.1\r\n")},
		{why: refusal.ProxyInvalid, change: func(o *Options) { o.Listen = []string{"127.0.0.1:0 proxy_protocol"} }, want: "address=127.0.0.1:", do: raw("PROXY TCP4 nobody\r\n")},
		{why: refusal.ProxyUntrusted, change: func(o *Options) {
			o.Listen, o.TrustedProxies = []string{"127.0.0.1:0 proxy_protocol"}, nil
		}, want: "address=127.0.0.1:", do: func(*testing.T, testNode, *testClient) {}},
		{why: refusal.Descriptors, want: "address=192.0.2.1:1", do: func(_ *testing.T, n testNode, _ *testClient) {
			gate{n.Node}.Short(netip.MustParseAddrPort("192.0.2.1:1"))
		}},

		{why: refusal.HandshakeTimeout, change: func(o *Options) { o.Shard.HandshakeTimeout = time.Millisecond }, want: "code=0 address=127.0.0.1:", do: raw("GET ")},
		{why: refusal.HandshakeBytes, want: "code=431", do: raw("GET /" + strings.Repeat(secret, 1000))},
		{why: refusal.HandshakeHeaders, want: "code=431", do: raw("GET / HTTP/1.1\r\n" + strings.Repeat("A: b\r\n", 1000) + "\r\n")},
		{why: refusal.HandshakeMalformed, want: "code=400", do: raw("\x16\x03\x01\x02\x00")},
		{why: refusal.HandshakeMethod, want: "code=405", do: raw("POST /?token=" + secret + " HTTP/1.1\r\nHost: h\r\n\r\n")},
		{why: refusal.HandshakeUpgrade, want: "code=426", do: raw("GET /?token=" + secret + " HTTP/1.1\r\nHost: h\r\n\r\n")},
		{why: refusal.Path, want: "subject=/other ", do: handshake("/other")},
		{why: refusal.Path, want: "subject=/ws ", do: handshake("/ws%3Ftoken=" + secret)},
		{why: refusal.Origin, want: real + " subject=https://evil.example ", do: handshake("/ws", "Origin: https://evil.example")},
		{why: refusal.NotReady, wrap: func(b bus.Bus) bus.Bus { return unready{b} }, want: real, do: handshake("/ws")},
		{why: refusal.Stopping, want: real, do: func(t *testing.T, n testNode, c *testClient) {
			n.draining.Store(true)
			c.handshake(t, "/ws")
		}},
		{why: refusal.DiscoveryEmpty, change: withDirectory(viewOf(func(b *directory.Beat) { b.Ready = false }), 1), want: real, do: func(t *testing.T, _ testNode, c *testClient) { discover(t, c) }},
		{why: refusal.DiscoveryRate, change: withDirectory(viewOf(func(*directory.Beat) {}), 1), want: real, do: func(t *testing.T, n testNode, c *testClient) {
			for range 1000 { // it may ask once more each second
				if discover(t, c) == http.StatusTooManyRequests {
					return
				}
				c = n.dial(t)
			}
		}},

		{why: refusal.TokenInvalid, want: "project=shop " + real, do: connect("token", secret)},
		{why: refusal.ProjectUnknown, want: "code=1002 " + real, do: connect("projectId", "nobody")},
		{why: refusal.ProjectConflict, want: "code=1002", do: func(t *testing.T, _ testNode, c *testClient) {
			c.write(t, websocket.AppendRequest(nil, "h", "/ws?projectId=shop", websocket.NewKey()))
			c.until(t, "\r\n\r\n")
			c.send(t, stomp.Connect, "projectId", "other")
		}},
		{why: refusal.ProjectNotReady, wrap: func(b bus.Bus) bus.Bus { return partial{b, "bank"} }, want: "code=1013 project=shop", do: func(t *testing.T, _ testNode, c *testClient) {
			c.upgrade(t)
			c.send(t, stomp.Connect)
		}},
		{why: refusal.ProjectFull, change: func(o *Options) { o.Projects[0].Connections = 1 }, want: "project=shop", do: func(t *testing.T, n testNode, c *testClient) {
			c.connect(t)
			other := n.dial(t)
			other.upgrade(t)
			other.send(t, stomp.Connect)
		}},
	} {
		t.Run(c.why.String(), func(t *testing.T) {
			var log lines
			n, stop := startNodeWith(t, c.wrap, func(o *Options) {
				o.TrustedProxies = trustLoopback
				o.TokenHeader, o.ProjectHeader, o.DefaultProject = "token", "projectId", "shop"
				o.Log = slog.New(slog.NewTextHandler(&log, nil))
				if c.change != nil {
					c.change(o)
				}
			})
			defer stop()
			c.do(t, n, n.dial(t))
			log.wait(t, "reason="+c.why.String()+" ")
			if log.count(c.want) == 0 || log.count(secret) > 0 || n.refusals.Count(c.why) == 0 || log.count("msg=refused") != 1 {
				log.mu.Lock()
				defer log.mu.Unlock()
				t.Errorf("want one line with %q:\n%s", c.want, log.text.String())
			}
		})
	}
}
