package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"stentor/engine/bus"
	"stentor/engine/shard"
	"stentor/engine/sockjs"
	"stentor/engine/websocket"
)

// withSockJS serves SockJS at /ws, to pages of one origin, and not at /plain.
func withSockJS(t *testing.T, urls ...string) func(*Options) {
	origins, err := websocket.ParseOrigins([]string{"https://shop.example"})
	if err != nil {
		t.Fatal(err)
	}
	return func(o *Options) {
		o.Endpoints = []Endpoint{{Path: "/ws", Origins: origins, SockJS: true}, {Path: "/plain", Origins: origins}}
		o.AdvertisedURLs = urls
	}
}

// request sends a request without a body, and reads its answer up to the end of the connection.
func (c *testClient) request(t *testing.T, method, target string, lines ...string) (*http.Response, string) {
	t.Helper()
	c.write(t, []byte(method+" "+target+" HTTP/1.1\r\nHost: h\r\n"+strings.Join(append(lines, "\r\n"), "\r\n")))
	return c.answer(t)
}

func TestSockJSInfo(t *testing.T) {
	n, stop := startNodeWith(t, nil, withSockJS(t, "ws://plain.example/ws", "wss://push-1.example:8443/ws"))
	defer stop()
	const origin = "Origin: https://shop.example"
	entropies := map[uint32]bool{}
	for _, c := range []struct {
		name, target string
		lines        []string
		base, allow  string
	}{
		{"a program", "/ws/info", nil, "http://plain.example/ws", "*"},
		{"a page", "/ws/info", []string{origin}, "http://plain.example/ws", "https://shop.example"},
		{"with a query", "/ws/info?token=a%22b&projectId=shop", []string{origin}, "http://plain.example/ws?token=a%22b&projectId=shop", "https://shop.example"},
	} {
		resp, body := n.dial(t).request(t, "GET", c.target, c.lines...)
		var info struct {
			WebSocket    bool   `json:"websocket"`
			CookieNeeded *bool  `json:"cookie_needed"`
			Entropy      uint32 `json:"entropy"`
			BaseURL      string `json:"base_url"`
		}
		if err := json.Unmarshal([]byte(body), &info); err != nil || resp.StatusCode != 200 || !info.WebSocket || info.CookieNeeded == nil || *info.CookieNeeded || info.BaseURL != c.base {
			t.Errorf("%s: %d %s, %v", c.name, resp.StatusCode, body, err)
		}
		h, credentials := resp.Header, ""
		if c.allow != "*" {
			credentials = "true"
		}
		if h.Get("Access-Control-Allow-Origin") != c.allow || h.Get("Access-Control-Allow-Credentials") != credentials || h.Get("Vary") != "Origin" ||
			!strings.Contains(h.Get("Cache-Control"), "no-store") || h.Get("Content-Type") != "application/json; charset=UTF-8" || h.Get("Set-Cookie") != "" {
			t.Errorf("%s: %v", c.name, h)
		}
		entropies[info.Entropy] = true
	}
	if len(entropies) != 3 {
		t.Errorf("the entropies are %v", entropies)
	}
	resp, body := n.dial(t).request(t, "OPTIONS", "/ws/info", origin, "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: x-a, x-b")
	if h := resp.Header; h.Get("Access-Control-Allow-Headers") != "x-a, x-b" || h.Get("Cache-Control") != "public, max-age=31536000" || resp.StatusCode != 204 || body != "" || h.Get("Access-Control-Allow-Methods") != "OPTIONS, GET" || h.Get("Access-Control-Allow-Origin") != "https://shop.example" {
		t.Errorf("%v %q", resp, body)
	}
	n.gone(t)
	n.nobodyCounted(t)
}

// A client that came with TLS is not sent away from it.
func TestSockJSInfoOverTLS(t *testing.T) {
	n, trust, stop := startSecure(t, true, withSockJS(t, "ws://plain.example/ws", "wss://push-1.example:8443/front/ws"))
	defer stop()
	resp, body := n.dial(t).over(trust).request(t, "GET", "/ws/info")
	if resp.StatusCode != 200 || !strings.Contains(body, `"base_url":"https://push-1.example:8443/front/ws"`) {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

func TestSockJSPaths(t *testing.T) {
	n, stop := startNodeWith(t, nil, withSockJS(t))
	defer stop()
	for _, c := range []struct {
		method, target string
		status         int
		body           string
	}{
		{"GET", "/ws", 200, sockjs.GreetingText}, {"GET", "/ws/", 200, sockjs.GreetingText}, {"GET", "/ws/websocket", 426, "WebSocket"},
		{"GET", "/ws/0/abc/websocket", 426, "WebSocket"}, {"OPTIONS", "/ws", 405, "GET"}, {"GET", "/ws/info", 200, `"cookie_needed":false`},
		{"GET", "/ws/iframe.html", 404, "are not served"}, {"GET", "/ws/0/abc/htmlfile", 404, "are not served"}, {"GET", "/ws/0/abc/jsonp", 404, "are not served"},
		{"GET", "/plain", 426, "WebSocket"}, {"GET", "/plain/", 426, "WebSocket"}, {"GET", "/plain/info", 404, "sockjs in the configuration"},
		{"GET", "/plain/0/abc/xhr", 404, "sockjs in the configuration"}, {"OPTIONS", "/plain/info", 404, "sockjs in the configuration"}, {"GET", "/elsewhere/info", 426, "WebSocket"},
		{"PUT", "/ws/info", 405, "GET"}, {"GET", "/ws/a", 404, "No endpoint"}, {"GET", "/ws//", 404, "No endpoint"}, {"GET", "/ws/a.html", 404, "No endpoint"},
		{"GET", "/ws/a/a/", 404, "No endpoint"}, {"GET", "/wss", 426, "WebSocket"},
	} {
		if resp, body := n.dial(t).request(t, c.method, c.target); resp.StatusCode != c.status || !strings.Contains(body, c.body) {
			t.Errorf("%s %s: %d %q", c.method, c.target, resp.StatusCode, body)
		}
	}
	for _, target := range []string{"/ws/info", "/ws/0/abc/websocket"} {
		lines := []string{"Origin: https://evil.example"}
		if target != "/ws/info" {
			lines = append(lines, "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
		}
		if resp, body := n.dial(t).request(t, "GET", target, lines...); resp.StatusCode != 403 || resp.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %d %q", target, resp.StatusCode, body)
		}
	}
	for path, want := range map[string]string{
		"/ws": "101 ", "/ws/websocket": "101 ", "/ws/0/abc/websocket": "101 ", "/ws/": "404", "/ws/0/abc/xhr": "404", "/ws/0/a.c/websocket": "404", "/ws/info": "404",
		"/plain": "101 ", "/plain/websocket": "404", "/plain/0/abc/websocket": "404",
	} {
		c := n.dial(t)
		c.write(t, websocket.AppendRequest(nil, "h", path, websocket.NewKey()))
		c.until(t, "HTTP/1.1 "+want)
	}
}

// TestSockJSBeforeReady: a node that is not ready, or leaves, sends nobody to itself.
func TestSockJSBeforeReady(t *testing.T) {
	n, stop := startNodeWith(t, func(b bus.Bus) bus.Bus { return unready{b} }, withSockJS(t))
	defer stop()
	if resp, body := n.dial(t).request(t, "GET", "/ws/info"); resp.StatusCode != 503 {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
	n.draining.Store(true)
	if resp, body := n.dial(t).request(t, "GET", "/ws/info"); resp.StatusCode != 503 {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
}

// sockClient is a client of SockJS over WebSocket.
type sockClient struct {
	*testClient
	reader websocket.ClientReader
	in     []byte
	open   []byte // of a message
}

func (n testNode) sockJSClient(t *testing.T, c *testClient) *sockClient {
	t.Helper()
	c.write(t, websocket.AppendRequest(nil, "h", "/ws/000/abcdef/websocket", websocket.NewKey()))
	c.until(t, "\r\n\r\n")
	k := &sockClient{testClient: c, in: bytes.Clone(c.seen)}
	if got := k.frame(t); got != "o" {
		t.Fatalf("%q", got)
	}
	k.stomp(t, "CONNECT", "accept-version:1.2", "heart-beat:0,0")
	k.message(t, "CONNECTED")
	return k
}

// stomp sends a STOMP frame in an array.
func (k *sockClient) stomp(t *testing.T, command string, lines ...string) {
	t.Helper()
	array, err := json.Marshal([]string{command + "\n" + strings.Join(lines, "\n") + "\n\n\x00"})
	if err != nil {
		t.Fatal(err)
	}
	k.write(t, websocket.AppendMasked(nil, ws.OpText, [4]byte{1, 2, 3, 4}, array))
}

// frame is the next frame of SockJS, or close with the code of the WebSocket.
func (k *sockClient) frame(t *testing.T) string {
	t.Helper()
	var buf [64 << 10]byte
	for {
		for len(k.in) > 0 {
			ev, n, err := k.reader.Next(k.in, 64<<20)
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				break
			}
			k.in = k.in[n:]
			switch ev.Kind {
			case websocket.Close:
				return fmt.Sprint("close ", ev.Code)
			case websocket.Data:
				if k.open = append(k.open, ev.Payload...); ev.Final {
					frame := string(k.open)
					k.open = nil
					return frame
				}
			}
		}
		n, err := k.conn.Read(buf[:])
		if err != nil {
			t.Fatal(err)
		}
		k.in = append(k.in, buf[:n]...)
	}
}

// message is the next message, which begins with a command.
func (k *sockClient) message(t *testing.T, command string) string {
	t.Helper()
	frame := k.frame(t)
	var all []string
	if frame[0] != 'a' || json.Unmarshal([]byte(frame[1:]), &all) != nil || len(all) != 1 || !strings.HasPrefix(all[0], command+"\n") {
		t.Fatalf("%.300q, want %s", frame, command)
	}
	return all[0]
}

// TestSockJSSession: a session of SockJS is like the others, over TLS too: pushes, large ones, what
// is not text, a listing, its end.
func TestSockJSSession(t *testing.T) {
	for name, secure := range map[string]bool{"plain": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			change := withSockJS(t)
			var (
				n    testNode
				stop func()
				c    *testClient
			)
			if secure {
				node, trust, end := startSecure(t, true, change)
				n, stop = node, end
				c = n.dial(t).over(trust)
			} else {
				n, stop = startNodeWith(t, nil, change)
				c = n.dial(t)
			}
			defer stop()
			k := n.sockJSClient(t, c)
			k.stomp(t, "SUBSCRIBE", "id:0", "destination:/topic/shop/a", "receipt:r")
			k.message(t, "RECEIPT")
			k.stomp(t, "SUBSCRIBE", "id:1", "destination:/topic/shop/b", "receipt:r")
			k.message(t, "RECEIPT")
			push := func(destination string, body []byte) {
				t.Helper()
				done := make(chan error, 1)
				n.bus.Publish(&bus.Record{Project: "shop", Destination: destination, Body: body}, func(_ bus.Position, err error) { done <- err })
				if err := <-done; err != nil {
					t.Fatal(err)
				}
			}
			large := strings.Repeat("{\"ü\":\"😀\u2028\\\"}", 20_000)
			push("/topic/shop/a", []byte("\xff"))
			push("/topic/shop/a", []byte(large))
			push("/topic/shop/b", []byte("small\x00"))
			for _, want := range []string{large, "small\x00"} {
				if got := k.message(t, "MESSAGE"); !strings.HasSuffix(got, "\n\n"+want+"\x00") {
					t.Fatalf("%d bytes: %.200q", len(got), got)
				}
			}
			var infos []shard.SessionInfo
			if _, err := n.Sessions(context.Background(), shard.SessionQuery{Project: "shop", Limit: 10}, func(page []shard.SessionInfo) error {
				infos = append(infos, page...)
				return nil
			}); err != nil || len(infos) != 1 || infos[0].Transport != "sockjs-websocket" || len(infos[0].Subscriptions) != 2 {
				t.Fatalf("%+v, %v", infos, err)
			}
			if n.counted(t, "stentor_sessions_by_transport", "sockjs-websocket") != 1 || n.counted(t, "stentor_sessions_by_transport", "websocket") != 0 || n.counted(t, "stentor_unsendable_total", "") != 1 {
				t.Error("the metrics do not count the session, or the push that is no text")
			}
			if ok, err := n.Kick(context.Background(), "shop", infos[0].ID, "so"); !ok || err != nil {
				t.Fatal(ok, err)
			}
			if got := k.frame(t); !strings.HasPrefix(got, "c[") || !strings.Contains(got, "so") {
				t.Errorf("%q", got)
			}
			if got := k.frame(t); !strings.HasPrefix(got, "close ") {
				t.Errorf("%q", got)
			}
			_ = k.conn.Close()
			n.gone(t)
			if got := n.counted(t, "stentor_sessions_by_transport", "sockjs-websocket"); got != 0 {
				t.Errorf("%v sessions are still counted", got)
			}
		})
	}
}
