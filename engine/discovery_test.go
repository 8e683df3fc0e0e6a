package engine

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stentor/engine/bus"
	"stentor/engine/directory"
	"stentor/engine/refusal"
	"stentor/engine/shard"
	"stentor/engine/websocket"
)

const advertised = "wss://push-1.example.com/ws"

// viewOf is a directory of one node.
func viewOf(change func(*directory.Beat)) *directory.View {
	v := directory.New(directory.Options{Self: "push-1"})
	b := directory.Beat{State: directory.Up, Ready: true, Status: directory.Status{URLs: []string{advertised}, Capacity: 10}}
	change(&b)
	v.Own(b, time.Now())
	return v
}

func withDirectory(v *directory.View, burst int) func(*Options) {
	return func(o *Options) { o.Directory, o.Discovery = v, directory.NewLimiter(1, burst) }
}

// get sends a request that asks for no WebSocket, and reads its answer up to the end of the connection.
func (c *testClient) get(t *testing.T, target string, lines ...string) (*http.Response, string) {
	t.Helper()
	c.write(t, []byte("GET "+target+" HTTP/1.1\r\nHost: h\r\n"+strings.Join(append(lines, "\r\n"), "\r\n")))
	return c.answer(t)
}

func (c *testClient) answer(t *testing.T) (*http.Response, string) {
	t.Helper()
	in := bufio.NewReader(c.conn)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(in); len(rest) > 0 || err != nil {
		t.Errorf("behind the answer: %q, %v", rest, err)
	}
	_ = c.conn.Close()
	return resp, string(body)
}

// TestDiscovery: a client port says which nodes there are, to every page, and nobody keeps it.
func TestDiscovery(t *testing.T) {
	known := viewOf(func(*directory.Beat) {})
	full := viewOf(func(b *directory.Beat) { b.Connections = b.Capacity })
	const served = `{"endpoints":["` + advertised + `"],"ttl_ms":10000,"spread_ms":0}` + "\n"
	for _, c := range []struct {
		name, target string
		view         *directory.View
		change       func(testNode)
		status       int
		body, retry  string
	}{
		{name: "served", target: "/v1/endpoints", view: known, status: 200, body: served},
		{name: "of a number", target: "/v1/endpoints?a=b&n=10", view: known, status: 200, body: served},
		{name: "leaving", target: "/v1/endpoints", view: known, status: 200, body: served, change: func(n testNode) { n.draining.Store(true) }},
		{name: "of no number", target: "/v1/endpoints?n=11", view: known, status: 400, body: "n is how many"},
		{name: "no node", target: "/v1/endpoints", view: full, status: 503, body: "No node", retry: "2"},
		{name: "no directory", target: "/v1/endpoints", status: 426, body: "WebSocket"},
		{name: "another path", target: "/v1/endpoints/", view: known, status: 426, body: "WebSocket"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, stop := startNodeWith(t, nil, withDirectory(c.view, 10))
			defer stop()
			if c.change != nil {
				c.change(n)
			}
			resp, body := n.dial(t).get(t, c.target, "Origin: https://anywhere.example")
			if resp.StatusCode != c.status || !strings.Contains(body, c.body) || resp.Header.Get("Retry-After") != c.retry || !resp.Close {
				t.Errorf("%v %q", resp, body)
			}
			if h := resp.Header; c.status != 426 && (h.Get("Cache-Control") != "no-store" || h.Get("Access-Control-Allow-Origin") != "*") {
				t.Errorf("%v", h)
			}
			want := uint64(0)
			if c.status == 200 {
				want = 1
				if resp.Header.Get("Content-Type") != "application/json" {
					t.Errorf("%v", resp.Header)
				}
			}
			answered, refused := n.stat(func(s *shard.Stats) uint64 { return s.Answered.Load() }), n.stat(func(s *shard.Stats) uint64 { return s.Refused.Load() })
			if answered != want || refused != 1-want {
				t.Errorf("%d were answered and %d refused", answered, refused)
			}
			n.gone(t)
			n.nobodyCounted(t)
		})
	}
}

// TestDiscoveryHead: HEAD has the head of what GET has, here as on the API's port; of another path it is refused.
func TestDiscoveryHead(t *testing.T) {
	n, stop := startNodeWith(t, nil, withDirectory(viewOf(func(*directory.Beat) {}), 10))
	defer stop()
	get, body := n.dial(t).get(t, "/v1/endpoints")
	for target, status := range map[string]int{"/v1/endpoints": 200, "/v1/endpoints?n=0": 400, "/ws": 405} {
		c := n.dial(t)
		c.write(t, []byte("HEAD "+target+" HTTP/1.1\r\nHost: h\r\n\r\n"))
		all, err := io.ReadAll(c.conn)
		if err != nil {
			t.Fatal(err)
		}
		head, rest, _ := strings.Cut(string(all), "\r\n\r\n")
		if !strings.HasPrefix(head, fmt.Sprintf("HTTP/1.1 %d ", status)) || rest != "" {
			t.Errorf("%s: %q", target, all)
		}
		if status == 200 && (!strings.Contains(head, fmt.Sprintf("Content-Length: %d", len(body))) || get.ContentLength != int64(len(body))) {
			t.Errorf("%q for a body of %d bytes", head, len(body))
		}
	}
}

// TestDiscoveryBeforeReady: a node that is not ready tells of those that are.
func TestDiscoveryBeforeReady(t *testing.T) {
	n, stop := startNodeWith(t, func(b bus.Bus) bus.Bus { return unready{b} }, withDirectory(viewOf(func(*directory.Beat) {}), 10))
	defer stop()
	if resp, body := n.dial(t).get(t, "/v1/endpoints"); resp.StatusCode != 200 {
		t.Errorf("%v %q", resp, body)
	}
}

// TestDiscoveryInPieces: however the request comes, it has one answer; what follows it has none, and a WebSocket at that path is none.
func TestDiscoveryInPieces(t *testing.T) {
	n, stop := startNodeWith(t, nil, withDirectory(viewOf(func(*directory.Beat) {}), 100))
	defer stop()
	const request = "GET /v1/endpoints HTTP/1.1\r\nHost: h\r\n\r\n"
	for _, piece := range []int{1, 7, len(request) - 1} {
		c := n.dial(t)
		_ = c.conn.(*net.TCPConn).SetNoDelay(true)
		for rest := request; rest != ""; rest = rest[min(piece, len(rest)):] {
			c.write(t, []byte(rest[:min(piece, len(rest))]))
		}
		if resp, body := c.answer(t); resp.StatusCode != 200 || !strings.Contains(body, advertised) {
			t.Errorf("by %d: %v %q", piece, resp, body)
		}
	}
	c := n.dial(t)
	c.write(t, []byte(request+request))
	if resp, _ := c.answer(t); resp.StatusCode != 200 {
		t.Errorf("%v", resp)
	}
	c = n.dial(t)
	c.write(t, websocket.AppendRequest(nil, "h", "/v1/endpoints", websocket.NewKey()))
	c.until(t, "HTTP/1.1 404")
}

// TestDiscoveryRate: an address has its own rate, of which a trusted proxy's clients each have one.
func TestDiscoveryRate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	n, stop := startNodeWith(t, nil, func(o *Options) {
		withDirectory(viewOf(func(*directory.Beat) {}), 3)(o)
		o.Listen = []string{"127.0.0.1:0", "127.0.0.1:0 proxy_protocol", "unix:" + path}
		o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}
	})
	defer stop()
	refused := uint64(0)
	for name, get := range map[string]func(i int) (*http.Response, string){
		"itself": func(i int) (*http.Response, string) {
			return n.from(t, "127.0.0.1", 0).get(t, "/v1/endpoints", "X-Forwarded-For: 203.0.113."+fmt.Sprint(i)) // nobody trusts it
		},
		"X-Forwarded-For": func(int) (*http.Response, string) {
			return n.from(t, "127.0.0.2", 0).get(t, "/v1/endpoints", "X-Forwarded-For: 203.0.113.7")
		},
		"X-Forwarded-For, another": func(int) (*http.Response, string) {
			return n.from(t, "127.0.0.2", 0).get(t, "/v1/endpoints", "X-Forwarded-For: 203.0.113.10")
		},
		"X-Forwarded-For, local": func(int) (*http.Response, string) {
			return n.dialUnix(t, path, true).get(t, "/v1/endpoints", "X-Forwarded-For: 203.0.113.8")
		},
		"PROXY": func(i int) (*http.Response, string) {
			c := n.from(t, "127.0.0.2", 1)
			c.write(t, fmt.Appendf(nil, "PROXY TCP4 203.0.113.9 127.0.0.1 %d 443\r\n", 1000+i))
			return c.get(t, "/v1/endpoints")
		},
	} {
		status := 0
		for i := 0; i < 1000 && status != 429; i++ { // it may ask once more each second
			resp, body := get(i)
			if status = resp.StatusCode; i < 3 && status != 200 || resp.Header.Get("Access-Control-Allow-Origin") != "*" || status == 429 && resp.Header.Get("Retry-After") != "1" {
				t.Errorf("%s, request %d: %v %q", name, i, resp, body)
			}
		}
		if refused++; status != 429 || n.refusals.Count(refusal.DiscoveryRate) != refused {
			t.Errorf("%s: %d at last, %d are counted", name, status, n.refusals.Count(refusal.DiscoveryRate))
		}
	}
}

// TestDiscoveryAllocates: to ask often makes no garbage.
func TestDiscoveryAllocates(t *testing.T) {
	n, stop := startNodeWith(t, nil, withDirectory(viewOf(func(*directory.Beat) {}), 1<<30))
	defer stop()
	r, peer := &websocket.Request{Path: "/v1/endpoints"}, shard.Peer{Address: netip.MustParseAddrPort("192.0.2.1:1")}
	var answer []byte
	if got := testing.AllocsPerRun(100, func() { answer, _, _ = n.plain(r, peer, answer[:0]) }); got != 0 || len(answer) == 0 {
		t.Errorf("%v allocations for %d bytes", got, len(answer))
	}
}

// benchEnv is the node without a loop.
type benchEnv struct {
	*env
	closed int
}

func (e *benchEnv) Wake()                              {}
func (e *benchEnv) CloseWrite(shard.Socket)            { e.closed++ }
func (e *benchEnv) Close(shard.Socket, refusal.Reason) {}

type benchSocket struct{ written int }

func (s *benchSocket) Write(p []byte) (int, error) { s.written += len(p); return len(p), nil }
func (s *benchSocket) OutboundBuffered() int       { return 0 }

// BenchmarkDiscovery is what a loop has to do for one client, from its first byte to its end: one that asks for endpoints, of a
// cluster of 200 nodes, and for comparison one whose handshake is refused.
func BenchmarkDiscovery(b *testing.B) {
	key, now := []byte("0123456789abcdef0123456789abcdef"), time.Now()
	v := directory.New(directory.Options{Key: key})
	for i := range 200 {
		id := fmt.Sprint("push-", i)
		beat := directory.Encode(directory.Beat{Instance: id, State: directory.Up, Ready: true, At: now.UnixMilli(), Status: directory.Status{
			URLs: []string{"wss://" + id + ".example.com/ws"}, Capacity: 1_000_000, Connections: int64(i) * 1000,
		}}, id, key)
		if _, _, why := v.Hear(id, beat, true, now); why != directory.Followed {
			b.Fatal(why)
		}
	}
	n, stop := startNodeWith(b, nil, func(o *Options) { o.Directory, o.Discovery = v, directory.NewLimiter(1<<30, 1<<30) })
	defer stop()
	const headers = "Host: push.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36\r\n" +
		"Accept-Encoding: gzip, deflate, br\r\nAccept-Language: en\r\n"
	for name, request := range map[string]string{
		"served":  "GET /v1/endpoints HTTP/1.1\r\n" + headers + "Origin: https://shop.example.com\r\n\r\n",
		"refused": "GET /other HTTP/1.1\r\n" + headers + "Origin: https://shop.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
	} {
		b.Run(name, func(b *testing.B) {
			e := &benchEnv{env: &env{node: n.Node}}
			s := shard.New(shard.Config{Session: n.opts.Session, Limits: n.opts.Shard, Now: n.now, Wall: time.Now}, e)
			k, in := &benchSocket{}, make([]byte, len(request))
			peer := netip.MustParseAddrPort("192.0.2.1:1")
			b.ReportAllocs()
			for b.Loop() {
				gate{n.Node}.Arrive(peer, false)
				c := s.Open(k, peer)
				copy(in, request)
				s.Input(c, in)
				gate{n.Node}.Gone()
				s.Gone(c)
			}
			if k.written == 0 || e.closed == 0 {
				b.Error("nothing was answered")
			}
		})
	}
}
