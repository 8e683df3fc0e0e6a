// Package clienttest is the server's side of a conversation, for tests of what uses package client: a test says which
// frames it expects and what it sends.
package clienttest

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http/httptest"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"stentor/engine/websocket"
	"stentor/stomp"
)

// patience bounds the wait for anything that the test expects.
const patience = 30 * time.Second

// Server accepts connections on loopback.
type Server struct {
	t        testing.TB
	listener net.Listener
	scheme   string
}

// NewServer starts a server that ends with the test.
func NewServer(t testing.TB) *Server {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &Server{t: t, listener: l, scheme: "ws"}
}

// NewTLSServer is NewServer with TLS, and the certificate that it shows, which is its own authority.
func NewTLSServer(t testing.TB) (*Server, *x509.Certificate) {
	web := httptest.NewUnstartedServer(nil)
	web.StartTLS() // for its certificate
	defer web.Close()
	s := NewServer(t)
	s.listener, s.scheme = tls.NewListener(s.listener, web.TLS.Clone()), "wss"
	return s, web.Certificate()
}

// URL returns the server's address for a client.
func (s *Server) URL() string { return s.scheme + "://" + s.listener.Addr().String() + "/ws" }

// Conn is one client's connection. Its methods fail the test when anything unexpected arrives, and so belong to the
// test's goroutine.
type Conn struct {
	t       testing.TB
	conn    net.Conn
	reader  websocket.Reader
	raw     []byte
	stream  []byte
	decoder stomp.Decoder
}

// Accept waits for the next connection. It answers the handshake with refusal, or accepts it if that is nil.
func (s *Server) Accept(refusal *websocket.Refusal) *Conn {
	s.t.Helper()
	conn, err := s.listener.Accept()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	c := &Conn{t: s.t, conn: conn}
	h := websocket.Handshaker{Check: func(*websocket.Request) *websocket.Refusal { return refusal }, Protocols: []string{stomp.V12.Subprotocol()}}
	for {
		n, _, answer, _ := h.Next(c.raw, 0, nil)
		if len(answer) > 0 {
			c.raw = c.raw[n:]
			c.write(answer)
			return c
		}
		c.read()
	}
}

// Connected accepts the next connection, and its CONNECT, which it returns. beat is the server's heart-beat header.
func (s *Server) Connected(beat string) (*Conn, map[string]string) {
	s.t.Helper()
	c := s.Accept(nil)
	connect := c.Expect("CONNECT")
	c.Send("CONNECTED", "", "version", "1.2", "heart-beat", beat, "session", "s-1", "user-name", "ann")
	return c, connect
}

func (c *Conn) write(b []byte) {
	c.t.Helper()
	if _, err := c.conn.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

func (c *Conn) read() {
	c.t.Helper()
	b := make([]byte, 4096)
	c.conn.SetReadDeadline(time.Now().Add(patience))
	n, err := c.conn.Read(b)
	if err != nil {
		c.t.Fatalf("waiting for the client: %v", err)
	}
	c.raw = append(c.raw, b[:n]...)
}

// event waits for the next WebSocket event that is not an empty piece.
func (c *Conn) event() websocket.Event {
	c.t.Helper()
	for {
		ev, n, err := c.reader.Next(c.raw, 1<<20)
		if err != nil {
			c.t.Fatal(err)
		}
		c.raw = c.raw[n:]
		if ev.Kind != 0 {
			return ev
		}
		if n == 0 {
			c.read()
		}
	}
}

// frame waits for the next frame, which may be a heart-beat.
func (c *Conn) frame() *stomp.Frame {
	c.t.Helper()
	for {
		var f stomp.Frame
		var p stomp.Progress
		n, err := c.decoder.Decode(c.stream, stomp.V12, new(stomp.Limits), &p, &f)
		if err != nil {
			c.t.Fatal(err)
		}
		c.stream = c.stream[n:]
		if n > 0 {
			return &f
		}
		switch ev := c.event(); ev.Kind {
		case websocket.Data:
			c.stream = append(c.stream, ev.Payload...)
		case websocket.Close:
			c.t.Fatalf("the client closed: %d %s", ev.Code, ev.Reason)
		}
	}
}

// Expect waits for a frame that is not a heart-beat, and returns its headers.
func (c *Conn) Expect(command string) map[string]string {
	c.t.Helper()
	f := c.frame()
	for f.Command == stomp.None {
		f = c.frame()
	}
	if f.Command.String() != command {
		c.t.Fatalf("the client sent %s, not %s", f.Command, command)
	}
	headers := make(map[string]string)
	for _, h := range f.Headers {
		headers[string(h.Name)] = string(h.Value)
	}
	return headers
}

// ExpectHeartbeat waits for a heart-beat.
func (c *Conn) ExpectHeartbeat() {
	c.t.Helper()
	if f := c.frame(); f.Command != stomp.None {
		c.t.Fatalf("the client sent %s", f.Command)
	}
}

// ExpectPong waits for the answer to a ping.
func (c *Conn) ExpectPong(payload string) {
	c.t.Helper()
	if ev := c.event(); ev.Kind != websocket.Pong || string(ev.Payload) != payload {
		c.t.Fatalf("the client sent %+v", ev)
	}
}

// ExpectClose waits for the close frame and returns its code.
func (c *Conn) ExpectClose() uint16 {
	c.t.Helper()
	for {
		if ev := c.event(); ev.Kind == websocket.Close {
			return uint16(ev.Code)
		}
	}
}

// Subscribed expects a SUBSCRIBE and answers it with a receipt that also has the headers more. It returns the headers of the
// SUBSCRIBE.
func (c *Conn) Subscribed(more ...string) map[string]string {
	c.t.Helper()
	h := c.Expect("SUBSCRIBE")
	c.Send("RECEIPT", "", append([]string{"receipt-id", h["receipt"]}, more...)...)
	return h
}

// Disconnected expects a DISCONNECT, confirms it, and expects the close.
func (c *Conn) Disconnected() {
	c.t.Helper()
	h := c.Expect("DISCONNECT")
	c.Send("RECEIPT", "", "receipt-id", h["receipt"])
	if code := c.ExpectClose(); code != 1000 {
		c.t.Errorf("closed with %d", code)
	}
}

// Send sends a frame as one message. headers are names and values in turn.
func (c *Conn) Send(command, body string, headers ...string) {
	c.t.Helper()
	var f stomp.Frame
	for _, candidate := range []stomp.Command{stomp.Connected, stomp.MessageCommand, stomp.Receipt, stomp.ErrorCommand} {
		if candidate.String() == command {
			f.Command = candidate
		}
	}
	f.Body = []byte(body)
	for i := 0; i < len(headers); i += 2 {
		f.Headers = append(f.Headers, stomp.Header{Name: []byte(headers[i]), Value: []byte(headers[i+1])})
	}
	op := ws.OpText
	if !utf8.ValidString(body) {
		op = ws.OpBinary
	}
	c.write(websocket.AppendFrame(nil, op, stomp.AppendFrame(nil, stomp.V12, &f)))
}

// Message sends a MESSAGE of the first subscription.
func (c *Conn) Message(destination, id, body string, more ...string) {
	c.t.Helper()
	c.Send("MESSAGE", body, append([]string{"destination", destination, "message-id", id, "subscription", "sub-0"}, more...)...)
}

// Ping sends a ping.
func (c *Conn) Ping(payload string) { c.write(websocket.AppendFrame(nil, ws.OpPing, []byte(payload))) }

// Raw sends bytes as they are.
func (c *Conn) Raw(b []byte) { c.write(b) }

// Close sends a close frame and ends the connection; with the code 0 there is no close frame.
func (c *Conn) Close(code uint16) {
	if code != 0 {
		c.write(websocket.AppendClose(nil, ws.StatusCode(code), ""))
	}
	c.conn.Close()
}
