package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"stentor/clients/go/clienttest"
	"stentor/engine/websocket"
)

// dialed runs Dial while the test plays the server.
func dialed(t *testing.T, o Options, server func()) (*Conn, error) {
	t.Helper()
	type result struct {
		c   *Conn
		err error
	}
	done := make(chan result, 1)
	go func() {
		c, err := Dial(context.Background(), o)
		done <- result{c, err}
	}()
	server()
	r := <-done
	if r.c != nil {
		t.Cleanup(r.c.Close)
	}
	return r.c, r.err
}

func TestConversation(t *testing.T) {
	s := clienttest.NewServer(t)
	var server *clienttest.Conn
	var connect map[string]string
	c, err := dialed(t, Options{URL: s.URL(), Project: "shop", Token: "abc:def"}, func() { server, connect = s.Connected("0,0") })
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"accept-version": "1.2,1.1,1.0", "host": "127.0.0.1", "heart-beat": "0,0", "projectId": "shop", "token": "abc:def"}
	if !reflect.DeepEqual(connect, want) {
		t.Errorf("CONNECT %v", connect)
	}
	if c.Session != "s-1" || c.User != "ann" {
		t.Errorf("session %q, user %q", c.Session, c.User)
	}

	if err := c.Subscribe("sub-0", "/topic/shop/a:b", ""); err != nil {
		t.Fatal(err)
	}
	if h := server.Subscribed("position", "1-0-5"); h["destination"] != "/topic/shop/a:b" || h["id"] != "sub-0" || h["last-message-id"] != "" {
		t.Errorf("SUBSCRIBE %v", h)
	}
	_, r, err := c.Next()
	if err != nil || *r != (Receipt{ID: "sub-0", Position: "1-0-5"}) {
		t.Errorf("%+v, %v", r, err)
	}

	server.Ping("are you there")
	server.Message("/topic/shop/a:b", "1-0-6", "héllo\x00!", "content-type", "text/plain", "x", "1", "x", "2")
	m, _, err := c.Next()
	wantMessage := &Message{Destination: "/topic/shop/a:b", ID: "1-0-6", Subscription: "sub-0", ContentType: "text/plain",
		Headers: []Header{{"x", "1"}, {"x", "2"}}, Body: []byte("héllo\x00!")}
	if err != nil || !reflect.DeepEqual(m, wantMessage) {
		t.Errorf("%+v, %v", m, err)
	}
	server.ExpectPong("are you there")

	if err := c.Disconnect(); err != nil {
		t.Fatal(err)
	}
	h := server.Expect("DISCONNECT")
	server.Message("/topic/shop/a:b", "1-0-7", "on its way")
	server.Send("RECEIPT", "", "receipt-id", h["receipt"])
	if m, _, err := c.Next(); err != nil || m.ID != "1-0-7" {
		t.Errorf("%+v, %v", m, err)
	}
	if _, _, err := c.Next(); err != ErrEnded {
		t.Errorf("%v", err)
	}
	c.Close()
	c.Close()
	if code := server.ExpectClose(); code != 1000 {
		t.Errorf("close %d", code)
	}
}

// TestPieces has frames that come in many WebSocket fragments and TCP segments, and one larger than any buffer.
func TestPieces(t *testing.T) {
	s := clienttest.NewServer(t)
	var server *clienttest.Conn
	c, err := dialed(t, Options{URL: s.URL()}, func() { server, _ = s.Connected("0,0") })
	if err != nil {
		t.Fatal(err)
	}
	frame := []byte("MESSAGE\nmessage-id:1\n\nhello\x00")
	for i, b := range frame {
		op, fin := byte(ws.OpContinuation), byte(0)
		if i == 0 {
			op = byte(ws.OpBinary)
		}
		if i == len(frame)-1 {
			fin = 0x80
		}
		server.Raw([]byte{op | fin})
		server.Raw([]byte{1, b})
	}
	if m, _, err := c.Next(); err != nil || string(m.Body) != "hello" {
		t.Errorf("%+v, %v", m, err)
	}
	large := strings.Repeat("x", 3<<20)
	go server.Message("/topic/a", "2", large)
	if m, _, err := c.Next(); err != nil || string(m.Body) != large {
		t.Errorf("%d bytes, %v", len(m.Body), err)
	}
}

func TestHeartbeats(t *testing.T) {
	s := clienttest.NewServer(t)
	var server *clienttest.Conn
	c, err := dialed(t, Options{URL: s.URL(), Heartbeat: 20 * time.Millisecond}, func() { server, _ = s.Connected("20,20") })
	if err != nil {
		t.Fatal(err)
	}
	server.ExpectHeartbeat()
	server.ExpectHeartbeat()
	if _, _, err := c.Next(); err == nil || err.Error() != "the server has been silent for 60ms" {
		t.Errorf("%v", err)
	}
}

func TestDialErrors(t *testing.T) {
	for _, one := range []struct {
		name   string
		server func(*clienttest.Server)
		want   string
	}{
		{"refused", func(s *clienttest.Server) {
			s.Accept(&websocket.Refusal{Status: http.StatusForbidden, Text: "no origin like this"}).Close(0)
		}, "403 Forbidden: no origin like this"},
		{"ERROR", func(s *clienttest.Server) {
			c := s.Accept(nil)
			c.Expect("CONNECT")
			c.Send("ERROR", "", "message", "Failed to send message: the token has expired", "code", "expired")
		}, "Failed to send message: the token has expired (expired)"},
		{"closed", func(s *clienttest.Server) {
			c := s.Accept(nil)
			c.Expect("CONNECT")
			c.Close(1013)
		}, "the server closed the connection: 1013, try again later"},
		{"gone", func(s *clienttest.Server) { s.Accept(nil).Close(0) }, ""},
		{"not STOMP", func(s *clienttest.Server) {
			c := s.Accept(nil)
			c.Raw(websocket.AppendFrame(nil, ws.OpText, []byte("hello")))
		}, "the server does not speak STOMP: Unknown command"},
		{"not CONNECTED", func(s *clienttest.Server) { s.Accept(nil).Send("RECEIPT", "", "receipt-id", "1") }, "the server answered CONNECT with RECEIPT"},
	} {
		t.Run(one.name, func(t *testing.T) {
			s := clienttest.NewServer(t)
			c, err := dialed(t, Options{URL: s.URL()}, func() { one.server(s) })
			if c != nil || err == nil || one.want != "" && err.Error() != one.want {
				t.Errorf("%v, %v", c, err)
			}
		})
	}
	for _, url := range []string{"", "127.0.0.1:8080", "http://127.0.0.1:8080/ws", "ws:///ws", "ws://%"} {
		if _, err := Dial(context.Background(), Options{URL: url}); err == nil || !strings.HasSuffix(err.Error(), "allowed: ws://host:port/path or wss://host/path") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func TestDialCanBeInterrupted(t *testing.T) {
	s := clienttest.NewServer(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		_, err := Dial(ctx, Options{URL: s.URL()})
		done <- err
	}()
	s.Accept(nil).Expect("CONNECT")
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestTLS(t *testing.T) {
	s, certificate := clienttest.NewTLSServer(t)
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	o := Options{URL: s.URL(), TLS: &tls.Config{RootCAs: roots}}
	if _, err := dialed(t, o, func() { s.Connected("0,0") }); err != nil {
		t.Error(err)
	}
}

// following runs a Client while the test plays the server.
type following struct {
	*Client
	messages chan string
	notices  chan string
	waits    chan int
	done     chan error
	cancel   context.CancelFunc
}

func follow(t *testing.T, s *clienttest.Server, destinations ...string) *following {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	f := &following{messages: make(chan string, 100), notices: make(chan string, 100), waits: make(chan int, 100), done: make(chan error, 1), cancel: cancel}
	f.Client = &Client{FailFast: true,
		Options:      Options{URL: s.URL()},
		Destinations: destinations,
		Message:      func(m *Message) bool { f.messages <- string(m.Body); return string(m.Body) != "last" },
		Notice:       func(text string) { f.notices <- text },
		Backoff:      func(attempt int) time.Duration { f.waits <- attempt; return time.Millisecond },
	}
	go func() { f.done <- f.Run(ctx) }()
	return f
}

func (f *following) end(t *testing.T) {
	t.Helper()
	if err := <-f.done; err != nil {
		t.Error(err)
	}
}

func TestClientResumes(t *testing.T) {
	s := clienttest.NewServer(t)
	f := follow(t, s, "/topic/a", "/topic/b", "/topic/c")

	c, _ := s.Connected("0,0")
	for _, want := range []string{"/topic/a", "/topic/b", "/topic/c"} {
		if h := c.Subscribed("position", "1-0-10"); h["destination"] != want || h["last-message-id"] != "" {
			t.Errorf("first %v", h)
		}
		if text := <-f.notices; text != want+": subscribed" {
			t.Errorf("notice %q", text)
		}
	}
	c.Message("/topic/a", "1-0-12", "one")
	<-f.messages
	c.Close(1012)
	if text := <-f.notices; text != "the server closed the connection: 1012, the node is leaving; connecting again in 1ms" {
		t.Errorf("notice %q", text)
	}

	c, _ = s.Connected("0,0")
	if text := <-f.notices; text != "connected again" {
		t.Errorf("notice %q", text)
	}
	// a: behind its message; b: behind the receipt's position. Both are still owed what comes next when the line breaks.
	for i, want := range []string{"1-0-12", "1-0-10", "1-0-10"} {
		more := []string{"position", "1-0-20"}
		if i == 2 {
			more = append(more, "resumed", "false")
		}
		if h := c.Subscribed(more...); h["last-message-id"] != want {
			t.Errorf("second %d: %v", i, h)
		}
	}
	if text := <-f.notices; text != "/topic/c: messages may be missing: the server no longer has everything since the last one" {
		t.Errorf("notice %q", text)
	}
	c.Message("/topic/a", "1-1-3", "two") // of another partition
	<-f.messages
	c.Close(0)

	c, _ = s.Connected("0,0")
	for i, want := range []string{"1-0-12,1-1-3", "1-0-10", "1-0-20"} {
		if h := c.Subscribed(); h["last-message-id"] != want {
			t.Errorf("third %d: %v", i, h)
		}
	}
	f.cancel()
	c.Disconnected()
	f.end(t)
}

// A destination that the server refuses is told of; when it refuses all there is nothing to wait for.
func TestClientNotSubscribed(t *testing.T) {
	s := clienttest.NewServer(t)
	f := follow(t, s, "/topics/a", "/topic/b")
	c, _ := s.Connected("0,0")
	c.Subscribed("subscribed", "false", "reason", "not-served")
	c.Subscribed("position", "1-0-1")
	if text := <-f.notices; text != "/topics/a: not subscribed: the project does not serve this destination; see subscribe and destinations of the project" {
		t.Errorf("notice %q", text)
	}
	c.Message("/topic/b", "1", "last")
	c.Disconnected()
	f.end(t)

	f = follow(t, s, "/topics/a", "/topics/b")
	c, _ = s.Connected("0,0")
	c.Subscribed("subscribed", "false", "reason", "not-served")
	c.Subscribed("subscribed", "false")
	if err := <-f.done; !errors.Is(err, ErrNotSubscribed) {
		t.Error(err)
	}
}

func TestClientBacksOff(t *testing.T) {
	s := clienttest.NewServer(t)
	f := follow(t, s, "/topic/a")
	for range 2 { // not ready yet, which is no reason to give up
		s.Accept(&websocket.Refusal{Status: http.StatusServiceUnavailable, Text: "starting"}).Close(0)
	}
	c, _ := s.Connected("0,0")
	c.Subscribed()
	c.Close(0)
	for range 2 {
		s.Accept(nil).Close(0)
	}
	c, _ = s.Connected("0,0")
	c.Subscribed()
	for _, want := range []int{1, 2, 1, 2, 3} {
		if got := <-f.waits; got != want {
			t.Errorf("attempt %d, want %d", got, want)
		}
	}
	c.Message("/topic/a", "1", "last")
	c.Disconnected()
	f.end(t)
}

func TestClientGivesUp(t *testing.T) {
	for _, one := range []struct {
		name   string
		server func(*clienttest.Server)
		want   string
	}{
		{"first connection", func(s *clienttest.Server) { s.Accept(nil).Close(0) }, ""},
		{"refused", func(s *clienttest.Server) { s.Accept(&websocket.Refusal{Status: 404, Text: "no such path"}).Close(0) }, "404 Not Found: no such path"},
		{"forbidden", func(s *clienttest.Server) {
			c, _ := s.Connected("0,0")
			c.Expect("SUBSCRIBE")
			c.Send("ERROR", "", "message", "Failed to send message: not yours", "code", "forbidden")
		}, "Failed to send message: not yours (forbidden)"},
	} {
		t.Run(one.name, func(t *testing.T) {
			s := clienttest.NewServer(t)
			f := follow(t, s, "/topic/a")
			one.server(s)
			if err := <-f.done; err == nil || one.want != "" && err.Error() != one.want {
				t.Errorf("%v, want %s", err, one.want)
			}
		})
	}
}

func noWait(int) time.Duration { return 0 }

func TestBackoff(t *testing.T) {
	for attempt, most := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 6: 30 * time.Second, 1000: 30 * time.Second} {
		for range 20 {
			if d := backoff(attempt); d < most/2 || d >= most {
				t.Errorf("attempt %d: %v", attempt, d)
			}
		}
	}
}
