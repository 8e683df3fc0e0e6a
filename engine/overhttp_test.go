package engine

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"stentor/engine/bus"
	"stentor/engine/shard"
	"stentor/engine/testkit"
	"stentor/engine/websocket"
	"stentor/stomp"
)

// overHTTPNode is startNodeWith for a node whose endpoint has SockJS.
func overHTTPNode(t testing.TB, change func(*Options)) (n testNode, stop func()) {
	t.Helper()
	return startNodeWith(t, nil, func(o *Options) { withHTTP(o); change(o) })
}

func withHTTP(o *Options) {
	o.Endpoints[0].SockJS, o.Limits.SockJS = true, 1000
	o.expiry = time.Minute // tests that wait for it set it
	o.Shard.Heartbeat = time.Minute
	o.TokenHeader, o.ProjectHeader = "token", "project"
}

// browser is a client of SockJS over HTTP.
type browser struct {
	t    testing.TB
	http *http.Client
	url  string // of its session
}

var browsers int

// browser returns a client with a session of its own.
func (n testNode) browser(t testing.TB, trust *tls.Config) browser {
	t.Helper()
	browsers++
	scheme := "http"
	if trust != nil {
		scheme = "https"
	}
	transport := &http.Transport{TLSClientConfig: trust}
	t.Cleanup(transport.CloseIdleConnections)
	return browser{t, &http.Client{Transport: transport, Timeout: 30 * time.Second}, fmt.Sprintf("%s://%s/ws/000/session%d", scheme, n.Addresses()[0], browsers)}
}

// do makes a request and returns the response with its body unread.
func (p browser) do(method, transport, body string, header ...string) *http.Response {
	p.t.Helper()
	r, err := http.NewRequest(method, p.url+transport, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	response, err := p.http.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	return response
}

// answer reads the whole response.
func (p browser) answer(r *http.Response) string {
	p.t.Helper()
	defer r.Body.Close()
	all, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(all)
}

// poll is one request of xhr.
func (p browser) poll() string { return p.answer(p.do("POST", "/xhr", "")) }

// polls is poll in another goroutine. The channel is closed when there is no answer.
func (p browser) polls() <-chan string {
	answer := make(chan string, 1)
	go func() {
		defer close(answer)
		answer <- p.poll()
	}()
	return answer
}

// sends sends STOMP frames, whose parts are separated by |.
func (p browser) sends(frames ...string) {
	p.t.Helper()
	var all []string
	for _, f := range frames {
		all = append(all, `"`+strings.ReplaceAll(f, "|", `\n`)+`\u0000"`)
	}
	r := p.do("POST", "/xhr_send", "["+strings.Join(all, ",")+"]")
	if text := p.answer(r); r.StatusCode != http.StatusNoContent {
		p.t.Fatalf("xhr_send: %d %q", r.StatusCode, text)
	}
}

const (
	connectFrame   = "CONNECT|accept-version:1.2||"
	subscribeFrame = "SUBSCRIBE|id:1|destination:/topic/shop/a|receipt:r||"
)

// connect opens the session by polls, and subscribes.
func (p browser) connect() {
	p.t.Helper()
	if got := p.poll(); got != "o\n" {
		p.t.Fatalf("%q", got)
	}
	p.sends(connectFrame, subscribeFrame)
	for got := ""; !strings.Contains(got, "RECEIPT"); {
		next := p.poll()
		if got += next; !strings.HasPrefix(next, "a[") {
			p.t.Fatalf("%q", got)
		}
	}
}

// says publishes a body to the topic that pages subscribe to.
func (n testNode) says(t testing.TB, body string) {
	t.Helper()
	done := make(chan error, 1)
	n.Publish(&bus.Record{Project: "shop", Destination: "/topic/shop/a", Body: []byte(body), Time: time.Now()}, func(_ bus.Position, err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// eventually waits for a state that stays.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	testkit.Eventually(t, 30*time.Second, func() string { return what }, ok)
}

// left waits until a node has no client any more, nor counts one.
func (n testNode) left(t testing.TB) {
	t.Helper()
	eventually(t, "clients are still counted", func() bool {
		sum := n.sockets.Load() + int64(n.addresses.count()) + int64(n.http.conns.count()) + int64(n.http.places.count()) + int64(n.http.requests.count()) + n.http.all.Load()
		for _, s := range n.shards {
			sum += s.Stats().Connections.Load() + s.Stats().Greeting.Load() + s.Stats().Sessions.Load()
		}
		return sum == 0 && n.http.server.Conns() == 0 && n.http.sessions.Len() == 0 && n.server.Lent() == 0
	})
}

// TestPolling is the life of a session by polls, over plain sockets, TLS and the PROXY protocol.
func TestPolling(t *testing.T) {
	life := func(t *testing.T, n testNode, p browser) {
		p.connect()
		n.says(t, "hello")
		if got := p.poll(); !strings.HasPrefix(got, `a["MESSAGE\n`) || !strings.HasSuffix(got, "hello\\u0000\"]\n") {
			t.Errorf("%q", got)
		}
		waits := p.polls()
		n.says(t, "later")
		if got := <-waits; !strings.Contains(got, "later") {
			t.Errorf("%q", got)
		}
		p.sends("DISCONNECT|receipt:bye||")
		got := p.poll()
		for !strings.Contains(got, "c[") {
			got += p.poll()
		}
		if !strings.Contains(got, `RECEIPT\nreceipt-id:bye`) || !strings.HasSuffix(got, "c[1000,\"\"]\n") {
			t.Errorf("%q", got)
		}
		if got := p.poll(); got != "c[1000,\"\"]\n" {
			t.Errorf("a session that is over: %q", got)
		}
	}
	t.Run("plain", func(t *testing.T) {
		n, stop := overHTTPNode(t, func(*Options) {})
		defer stop()
		life(t, n, n.browser(t, nil))
	})
	t.Run("TLS", func(t *testing.T) {
		for _, ours := range []bool{true, false} {
			n, trust, stop := startSecure(t, ours, withHTTP)
			life(t, n, n.browser(t, trust))
			stop()
		}
	})
	t.Run("PROXY", func(t *testing.T) {
		n, stop := overHTTPNode(t, func(o *Options) {
			o.Listen, o.TrustedProxies = []string{"127.0.0.1:0 proxy_protocol"}, trustLoopback
		})
		defer stop()
		p := n.browser(t, nil)
		p.http.Transport.(*http.Transport).DialContext = func(context.Context, string, string) (net.Conn, error) {
			c, err := net.Dial("tcp", n.Addresses()[0].String())
			if err == nil {
				_, err = c.Write([]byte(line4))
			}
			return c, err
		}
		p.connect()
		if got := n.sessionAddresses(t); len(got) != 1 || !strings.HasPrefix(got[0], "203.0.113.7") {
			t.Errorf("%v", got)
		}
	})
}

// streamed is a response that streams.
type streamed struct {
	*http.Response
	lines *bufio.Reader
}

func (p browser) stream(transport string) streamed {
	p.t.Helper()
	method := "POST"
	if transport == "/eventsource" {
		method = "GET"
	}
	r := p.do(method, transport, "")
	p.t.Cleanup(func() { _ = r.Body.Close() })
	return streamed{r, bufio.NewReader(r.Body)}
}

func (s streamed) line(t testing.TB) string {
	t.Helper()
	l, err := s.lines.ReadString('\n')
	if err != nil {
		t.Fatal(l, err)
	}
	return l
}

func TestStreaming(t *testing.T) {
	n, stop := overHTTPNode(t, func(o *Options) { o.Session.FrameBytes = 64 << 10 })
	defer stop()
	for _, c := range []struct{ transport, prelude, head, tail, contentType string }{
		{"/xhr_streaming", strings.Repeat("h", 2048) + "\n", "", "\n", "application/javascript; charset=UTF-8"},
		{"/eventsource", "\r\n", "data: ", "\r\n\r\n", "text/event-stream; charset=UTF-8"},
	} {
		p := n.browser(t, nil)
		s := p.stream(c.transport)
		next := func() string {
			t.Helper()
			l := s.line(t)
			if c.tail != "\n" {
				if blank := s.line(t); blank != "\r\n" {
					t.Fatalf("%q behind %q", blank, l)
				}
				l = strings.TrimSuffix(l, "\r\n") + "\n"
			}
			rest, ok := strings.CutPrefix(l, c.head)
			if !ok {
				t.Fatalf("%q", l)
			}
			return rest
		}
		if got := s.line(t); got != c.prelude || s.Header.Get("Content-Type") != c.contentType {
			t.Fatalf("%q, %v", got, s.Header)
		}
		if got := next(); got != "o\n" {
			t.Fatalf("%q", got)
		}
		p.sends(connectFrame, subscribeFrame)
		if got := next(); !strings.HasPrefix(got, `a["CONNECTED`) {
			t.Fatalf("%q", got)
		}
		if got := next(); !strings.HasPrefix(got, `a["RECEIPT`) {
			t.Fatalf("%q", got)
		}
		// A response ends once it has carried enough, and the next one goes on where it ended.
		body := strings.Repeat("x", 5000)
		for i := range 60 {
			n.says(t, fmt.Sprint(i, body))
			l, err := s.lines.Peek(1)
			if err == io.EOF {
				s = p.stream(c.transport)
				if got := s.line(t); got != c.prelude {
					t.Fatalf("%q", got)
				}
			} else if err != nil {
				t.Fatal(l, err)
			}
			if got := next(); !strings.Contains(got, fmt.Sprint(`\n\n`, i, "x")) {
				t.Fatalf("%d: %.200q", i, got)
			}
		}
		_ = s.Body.Close()
	}
	if lent := n.stat(func(s *shard.Stats) uint64 { return s.Lent.Load() }); lent == 0 {
		t.Error("no connection was lent")
	}
}

// A push that is larger than what waits for a receiver comes whole, by a poll and by a stream.
func TestLargePushOverHTTP(t *testing.T) {
	n, stop := overHTTPNode(t, func(o *Options) { o.History.Bytes, o.Limits.PendingBytes = 16<<20, 16<<20 })
	defer stop()
	large := strings.Repeat("0123456789", 60_000)
	polls, streams := n.browser(t, nil), n.browser(t, nil)
	polls.connect()
	streams.connect()
	s := streams.stream("/xhr_streaming")
	s.line(t)
	for range 2 {
		n.says(t, large)
		if got := polls.poll(); !strings.HasSuffix(got, large+"\\u0000\"]\n") {
			t.Errorf("a poll: %d bytes", len(got))
		}
		if got := s.line(t); !strings.HasSuffix(got, large+"\\u0000\"]\n") {
			t.Errorf("a stream: %d bytes", len(got))
		}
		if rest, err := io.ReadAll(s.lines); len(rest) > 0 || err != nil { // this one had enough
			t.Fatalf("%.100q, %v", rest, err)
		}
		s = streams.stream("/xhr_streaming")
		s.line(t)
	}
	_ = s.Body.Close()
}

// TestRequestsOverHTTP is a table of what goes wrong, and of what pages of other origins may see.
func TestRequestsOverHTTP(t *testing.T) {
	n, stop := overHTTPNode(t, func(o *Options) {
		var err error
		if o.Endpoints[0].Origins, err = websocket.ParseOrigins([]string{"https://shop.example"}); err != nil {
			t.Fatal(err)
		}
	})
	defer stop()
	p := n.browser(t, nil)
	p.connect()
	for _, c := range []struct {
		name, method, transport, body string
		header                        []string
		status                        int
		text                          string
	}{
		{"broken JSON", "POST", "/xhr_send", `["x`, nil, 500, "Broken JSON encoding.\n"},
		{"not an array", "POST", "/xhr_send", `{"x":1}`, nil, 500, "Broken JSON encoding.\n"},
		{"not UTF-8", "POST", "/xhr_send", "[\"\xff\"]", nil, 500, "Broken JSON encoding.\n"},
		{"no body", "POST", "/xhr_send", "", nil, 500, "Payload expected.\n"},
		{"white space", "POST", "/xhr_send", " \n", nil, 500, "Payload expected.\n"},
		{"no messages", "POST", "/xhr_send", "[]", nil, 204, ""},
		{"an EOL", "POST", "/xhr_send", `["\n"]`, nil, 204, ""},
		{"another type", "POST", "/xhr_send", `["\n"]`, []string{"Content-Type", "application/xml"}, 204, ""},
		{"an allowed origin", "POST", "/xhr_send", `["\n"]`, []string{"Origin", "https://shop.example"}, 204, ""},
		{"another origin", "POST", "/xhr_send", `["\n"]`, []string{"Origin", "https://evil.example"}, 403, websocket.Forbidden.Text + "\n"},
		{"another origin receives", "POST", "/xhr", "", []string{"Origin", "https://evil.example"}, 403, websocket.Forbidden.Text + "\n"},
		{"another origin asks", "OPTIONS", "/xhr", "", []string{"Origin", "https://evil.example"}, 403, websocket.Forbidden.Text + "\n"},
		{"a script of another site", "GET", "/eventsource", "", []string{"Sec-Fetch-Site", "cross-site"}, 403, websocket.Forbidden.Text + "\n"},
		{"the site itself", "POST", "/xhr_send", `["\n"]`, []string{"Sec-Fetch-Site", "same-origin"}, 204, ""},
		{"two origins", "POST", "/xhr_send", `["\n"]`, []string{"Origin", "https://shop.example", "Origin", "https://shop.example"}, 400, "The headers Origin and Authorization must come once.\n"},
		{"another session", "POST", "x/xhr_send", `["\n"]`, nil, 404, ""},
		{"other credentials", "POST", "/xhr_send?token=x", `["\n"]`, nil, 404, ""},
		{"a cache buster", "POST", "/xhr_send?t=123", `["\n"]`, nil, 204, ""},
		{"too large", "POST", "/xhr_send", `["` + strings.Repeat("x", 100_000) + `"]`, nil, 413, "The body is larger than the limits of a frame (limits.client_frame_bytes).\n"},
		{"GET", "GET", "/xhr_send", "", nil, 405, ""},
		{"GET of a poll", "GET", "/xhr", "", nil, 405, ""},
		{"POST of events", "POST", "/eventsource", "", nil, 405, ""},
		{"options", "OPTIONS", "/xhr_send", "", []string{"Origin", "https://shop.example", "Access-Control-Request-Headers", "a, b"}, 204, ""},
		{"options of events", "OPTIONS", "/eventsource", "", nil, 204, ""},
		{"a short id", "POST", "/../short/xhr", "", nil, 404, "The id of a session has to have 8 to 128 characters, chosen at random.\n"},
	} {
		q := p
		if c.name == "a short id" {
			q.url, c.transport = strings.TrimSuffix(p.url, p.url[strings.LastIndexByte(p.url, '/'):]), "/short/xhr"
		}
		r := q.do(c.method, c.transport, c.body, c.header...)
		if text := q.answer(r); r.StatusCode != c.status || text != c.text {
			t.Errorf("%s: %d %q", c.name, r.StatusCode, text)
		}
		origin, credentials := "*", ""
		if c.status == 403 || c.name == "two origins" {
			origin = ""
		} else if len(c.header) > 1 && c.header[0] == "Origin" {
			origin, credentials = c.header[1], "true"
		}
		h := r.Header
		if h.Get("Access-Control-Allow-Origin") != origin || h.Get("Access-Control-Allow-Credentials") != credentials || h.Get("Vary") != "Origin" {
			t.Errorf("%s: %v", c.name, h)
		}
		if asks := c.method == "OPTIONS" && c.status == 204; asks != (h.Get("Access-Control-Max-Age") != "") || asks == strings.Contains(h.Get("Cache-Control"), "no-store") {
			t.Errorf("%s: %v", c.name, h)
		}
	}
	if p.sends(); n.stat(func(s *shard.Stats) uint64 { return s.Panics.Load() }) > 0 {
		t.Error("a panic")
	}
}

// One session has one receiver.
func TestSecondReceiver(t *testing.T) {
	n, stop := overHTTPNode(t, func(*Options) {})
	defer stop()
	p := n.browser(t, nil)
	p.connect()
	first := p.stream("/xhr_streaming")
	first.line(t)
	if got := p.poll(); got != "c[2010,\"Another connection still open\"]\n" {
		t.Errorf("%q", got)
	}
	if got := p.answer(p.stream("/xhr_streaming").Response); got != strings.Repeat("h", 2048)+"\nc[2010,\"Another connection still open\"]\n" {
		t.Errorf("%q", got)
	}
	n.says(t, "still here")
	if got := first.line(t); !strings.Contains(got, "still here") {
		t.Errorf("%q", got)
	}
	_ = first.Body.Close()
}

// A receiver that breaks off may have lost what it was given: its session is over, at once.
func TestAbortedReceiver(t *testing.T) {
	for _, transport := range []string{"/xhr", "/xhr_streaming", "/eventsource"} {
		n, stop := overHTTPNode(t, func(*Options) {})
		p := n.browser(t, nil)
		p.connect()
		method := "POST"
		if transport == "/eventsource" {
			method = "GET"
		}
		c := n.dial(t)
		c.write(t, fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: h\r\n\r\n", method, p.url[strings.Index(p.url, "/ws"):]+transport))
		eventually(t, "it is no receiver", func() bool { return n.http.sessions.Receivers() == 1 })
		_ = c.conn.Close()
		eventually(t, "it is still a receiver", func() bool { return n.http.sessions.Receivers() == 0 })
		if got := p.poll(); got != "c[1002,\"Connection interrupted\"]\n" {
			t.Errorf("%s: %q", transport, got)
		}
		eventually(t, "the session is still there", func() bool { return n.stat(func(s *shard.Stats) uint64 { return uint64(s.Sessions.Load()) }) == 0 })
		stop()
	}
}

// A session without a receiver ends, and its name means another one then.
func TestExpiredSession(t *testing.T) {
	n, stop := overHTTPNode(t, func(o *Options) { o.expiry = 50 * time.Millisecond })
	defer stop()
	p := n.browser(t, nil)
	if got := p.poll(); got != "o\n" {
		t.Fatalf("%q", got)
	}
	eventually(t, "it does not expire", func() bool { return n.http.sessions.Len() == 0 })
	if r := p.do("POST", "/xhr_send", `["\n"]`); r.StatusCode != http.StatusNotFound {
		t.Errorf("%d", r.StatusCode)
	}
	if got := p.poll(); got != "o\n" {
		t.Fatalf("%q", got)
	}
	p.http.CloseIdleConnections()
	n.left(t)
}

// What is not for a transport over HTTP goes back to the loop: a WebSocket, and what the loop answers itself.
func TestGivenBack(t *testing.T) {
	n, stop := overHTTPNode(t, func(*Options) {})
	defer stop()
	for _, connected := range []bool{false, true} {
		p := n.browser(t, nil)
		c := n.dial(t)
		path := p.url[strings.Index(p.url, "/ws"):]
		c.write(t, fmt.Appendf(nil, "POST %s/xhr HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", path))
		c.until(t, "o\n")
		if connected {
			p.sends(connectFrame)
			c.write(t, fmt.Appendf(nil, "POST %s/xhr HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", path))
			c.until(t, "CONNECTED")
			c.until(t, "\n")
			body := `["\n"]`
			c.write(t, fmt.Appendf(nil, "POST %s/xhr_send HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body))
			c.until(t, "\r\n\r\n")
		}
		c.connect(t)
		c.send(t, stomp.Subscribe, "id", "1", "destination", "/topic/shop/a", "receipt", "r")
		c.until(t, "RECEIPT")
		n.says(t, "over a WebSocket")
		c.until(t, "over a WebSocket")
		_ = c.conn.Close()
		if connected {
			p.sends("DISCONNECT||")
		}
		p.http.CloseIdleConnections()
	}
	c := n.dial(t)
	c.write(t, []byte("OPTIONS /ws/000/abcdefgh/xhr HTTP/1.1\r\nHost: h\r\n\r\n"))
	c.until(t, "204")
	c.write(t, []byte("GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n"))
	c.until(t, "426")
	c.end(t)
}

// A node that stops tells clients over HTTP as it tells others.
func TestDrainOverHTTP(t *testing.T) {
	n, stop := overHTTPNode(t, func(*Options) {})
	polls, streams, idle := n.browser(t, nil), n.browser(t, nil), n.browser(t, nil)
	for _, p := range []browser{polls, streams, idle} {
		p.connect()
	}
	s := streams.stream("/xhr_streaming")
	s.line(t)
	waits := polls.polls()
	eventually(t, "it is no receiver", func() bool { return n.http.sessions.Receivers() == 2 })
	began := time.Now()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		stop()
	}()
	if got := <-waits; !strings.HasPrefix(got, `c[1012,"retry=`) {
		t.Errorf("%q", got)
	}
	if got := s.line(t); !strings.HasPrefix(got, `c[1012,"retry=`) {
		t.Errorf("%q", got)
	}
	if rest, err := io.ReadAll(s.lines); len(rest) > 0 || err != nil {
		t.Errorf("%q, %v", rest, err)
	}
	<-stopped
	t.Log("the node stopped within", time.Since(began))
}

// An operator closes a session over HTTP like others, and sees how it is connected.
func TestKickOverHTTP(t *testing.T) {
	n, stop := overHTTPNode(t, func(*Options) {})
	defer stop()
	p := n.browser(t, nil)
	p.connect()
	var list []shard.SessionInfo
	_, err := n.Sessions(context.Background(), shard.SessionQuery{Project: "shop", Limit: 10}, func(more []shard.SessionInfo) error {
		list = append(list, more...)
		return nil
	})
	if err != nil || len(list) != 1 || list[0].Transport != "xhr" {
		t.Fatalf("%+v, %v", list, err)
	}
	if ok, err := n.Kick(context.Background(), "shop", list[0].ID, "you know why"); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if got := p.poll(); got != "c[1008,\"closed by an operator: you know why\"]\n" {
		t.Errorf("%q", got)
	}
}

// What a client sends counts whole or not at all, wherever it breaks off, and leaves nothing behind.
func TestBrokenOffOverHTTP(t *testing.T) {
	n, stop := overHTTPNode(t, func(o *Options) {
		o.expiry = 20 * time.Millisecond
		o.Limits.UnauthenticatedPerAddress = o.Limits.Unauthenticated // it does not wait for the connections to be gone
	})
	defer stop()
	p := n.browser(t, nil)
	path := p.url[strings.Index(p.url, "/ws"):]
	requests := fmt.Sprintf("POST %s/xhr HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", path)
	chunked := requests + fmt.Sprintf("POST %s/xhr_send HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n[\"\\n\r\n2\r\n\"]\r\n0\r\n\r\n", path) // its last one
	requests += fmt.Sprintf("POST %s/xhr_send HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\n[\"\\n\"]", path)
	requests += fmt.Sprintf("POST %s/xhr_streaming HTTP/1.1\r\nHost: h\r\n\r\n", path)
	for at := range (len(requests) + len(chunked)) / 3 {
		requests, end := requests, 3*at+1
		if end > len(requests) {
			requests, end = chunked, end-len(requests)
		}
		c := n.dial(t)
		_ = c.conn.(*net.TCPConn).SetNoDelay(true)
		for i := 0; i < end; i += 97 {
			c.write(t, []byte(requests[i:min(i+97, end)]))
		}
		if end%2 == 0 {
			_ = c.conn.(*net.TCPConn).SetLinger(0)
		}
		_ = c.conn.Close()
	}
	n.left(t)
	// Byte by byte. No session has to live without a receiver meanwhile: each request has one of its own.
	streams := n.browser(t, nil)
	kept := streams.stream("/xhr_streaming")
	kept.line(t)
	requests = strings.Replace(requests, path+"/xhr_send", streams.url[strings.Index(streams.url, "/ws"):]+"/xhr_send", 1)
	requests = strings.Replace(requests, path+"/xhr_streaming", path+"-2/xhr_streaming", 1)
	c := n.dial(t)
	for i := range requests {
		c.write(t, []byte{requests[i]})
	}
	c.until(t, "o\n")
	c.until(t, "204 No Content")
	c.until(t, strings.Repeat("h", 2048))
	c.until(t, "o\n")
	_ = c.conn.Close()
	_ = kept.Body.Close()
	n.left(t)
	if n.stat(func(s *shard.Stats) uint64 { return s.Panics.Load() }) > 0 {
		t.Error("a panic")
	}
}

// HTTP/1.0, as a proxy may speak it.
func TestOldHTTP(t *testing.T) {
	n, stop := overHTTPNode(t, func(*Options) {})
	defer stop()
	p := n.browser(t, nil)
	path := p.url[strings.Index(p.url, "/ws"):]
	c := n.dial(t)
	c.write(t, fmt.Appendf(nil, "POST %s/xhr_streaming HTTP/1.0\r\nHost: h\r\n\r\n", path))
	c.until(t, "\r\n\r\n"+strings.Repeat("h", 2048)+"\no\n")
	p.sends("SEND||")
	c.until(t, "c[1002")
	c.end(t)
	if bytes.Contains(c.seen, []byte("chunked")) {
		t.Errorf("%q", c.seen)
	}
}
