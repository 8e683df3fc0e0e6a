package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"stentor/engine/websocket"
	"stentor/stomp"
)

// A peer is a client over a plain socket: it sends what it is told to, right or wrong, and shows all that the server
// sends. It belongs to one goroutine, but one may send while another reads.
type peer struct {
	t    testing.TB
	conn net.Conn

	patience time.Duration // for one event
	pace     time.Duration // before each read: a slow link
	version  stomp.Version
	session  string // the server's name for it
	protocol string // the subprotocol that the server chose

	writing sync.Mutex
	mask    byte

	reader  websocket.ClientReader
	decoder stomp.Decoder
	raw     []byte // read and not yet consumed
	buffer  []byte
	message []byte // of the WebSocket message under way
}

type kind string

const (
	isFrame kind = "frame"
	isBeat  kind = "heart-beat"
	isPing  kind = "ping"
	isPong  kind = "pong"
	isClose kind = "close"
)

// An event is one thing that a server sends.
type event struct {
	kind    kind
	command stomp.Command
	headers map[string]string
	body    []byte
	binary  bool // the frame came in a binary message
	code    int  // of a close
	reason  string
}

func (e event) String() string {
	switch e.kind {
	case isFrame:
		return fmt.Sprintf("%s %q %.200q", e.command, e.headers, e.body)
	case isClose:
		return fmt.Sprintf("close %d %q", e.code, e.reason)
	}
	return string(e.kind)
}

// dial opens a socket to a server, which is closed at the end of the test.
func dial(t testing.TB, address string) *peer {
	t.Helper()
	p, err := open(t, &net.Dialer{Timeout: patience}, address)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func open(t testing.TB, d *net.Dialer, address string) (*peer, error) {
	conn, err := d.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	p := &peer{t: t, conn: conn, patience: patience, buffer: make([]byte, 16<<10)}
	t.Cleanup(p.close)
	return p, nil
}

func (p *peer) close() { _ = p.conn.Close() }

// reset closes the socket so that the server sees a reset.
func (p *peer) reset() {
	_ = p.conn.(*net.TCPConn).SetLinger(0)
	p.close()
}

// write sends bytes as they are.
func (p *peer) write(b []byte) error {
	p.writing.Lock()
	defer p.writing.Unlock()
	_ = p.conn.SetWriteDeadline(time.Now().Add(p.patience))
	_, err := p.conn.Write(b)
	return err
}

// upgrade opens the WebSocket. The error of a refusal is a *websocket.AnswerError.
func (p *peer) upgrade(path string, header ...string) error {
	key := websocket.NewKey()
	if err := p.write(websocket.AppendRequest(nil, "stentor.test", path, key, header...)); err != nil {
		return err
	}
	return p.answer(key)
}

// answer reads the answer to a handshake.
func (p *peer) answer(key string) error {
	for {
		n, protocol, err := websocket.ParseAnswer(p.raw, key)
		if err != nil {
			return err
		}
		if n > 0 {
			p.protocol = string(protocol)
			p.raw = p.raw[n:]
			return nil
		}
		if err := p.read(); err != nil {
			return err
		}
	}
}

func (p *peer) read() error {
	time.Sleep(p.pace)
	_ = p.conn.SetReadDeadline(time.Now().Add(p.patience))
	n, err := p.conn.Read(p.buffer)
	p.raw = append(p.raw[:len(p.raw):len(p.raw)], p.buffer[:n]...)
	if n > 0 {
		return nil
	}
	return err
}

// masked is a client's WebSocket frame.
func (p *peer) masked(op ws.OpCode, payload []byte) []byte {
	p.mask++
	return websocket.AppendMasked(nil, op, [4]byte{p.mask, 2, 3, 4}, payload)
}

// frame is a STOMP frame as it stands in a message. header has names and values in turn.
func frame(v stomp.Version, c stomp.Command, body []byte, header ...string) []byte {
	f := stomp.Frame{Command: c, Body: body}
	for i := 0; i+1 < len(header); i += 2 {
		f.Headers = append(f.Headers, stomp.Header{Name: []byte(header[i]), Value: []byte(header[i+1])})
	}
	return stomp.AppendFrame(nil, v, &f)
}

// send sends one STOMP frame as one text message.
func (p *peer) send(c stomp.Command, body []byte, header ...string) error {
	return p.write(p.masked(ws.OpText, frame(p.version, c, body, header...)))
}

// text sends a text message.
func (p *peer) text(s string) error { return p.write(p.masked(ws.OpText, []byte(s))) }

// event waits for the next thing that the server sends. It checks what has to hold of every message: it is one whole
// STOMP frame, and a text message exactly when it is UTF-8.
func (p *peer) event() (event, error) {
	for {
		ev, n, err := p.reader.Next(p.raw, 64<<20)
		if err != nil {
			return event{}, fmt.Errorf("the server breaks RFC 6455: %w", err)
		}
		p.raw = p.raw[n:]
		switch ev.Kind {
		case websocket.Ping:
			return event{kind: isPing}, p.write(p.masked(ws.OpPong, ev.Payload))
		case websocket.Pong:
			return event{kind: isPong, body: bytes.Clone(ev.Payload)}, nil
		case websocket.Close:
			return event{kind: isClose, code: int(ev.Code), reason: string(ev.Reason)}, nil
		case websocket.Data:
			p.message = append(p.message, ev.Payload...)
			if ev.Final {
				whole := p.message
				p.message = nil
				return p.parse(whole, ev.Op == ws.OpBinary)
			}
		}
		if n == 0 {
			if err := p.read(); err != nil {
				return event{}, err
			}
		}
	}
}

func (p *peer) parse(whole []byte, binary bool) (event, error) {
	if string(whole) == "\n" {
		return event{kind: isBeat}, nil
	}
	var f stomp.Frame
	var progress stomp.Progress
	n, err := p.decoder.Decode(whole, p.version, &stomp.Limits{}, &progress, &f)
	if err != nil || n != len(whole) {
		return event{}, fmt.Errorf("a message is not one whole STOMP frame (%v): %.100q", err, whole)
	}
	if binary == validText(whole) {
		return event{}, fmt.Errorf("binary is %v for %.100q", binary, whole)
	}
	e := event{kind: isFrame, command: f.Command, headers: map[string]string{}, body: bytes.Clone(f.Body), binary: binary}
	for _, h := range f.Headers {
		if _, twice := e.headers[string(h.Name)]; !twice {
			e.headers[string(h.Name)] = string(h.Value)
		}
	}
	return e, nil
}

func validText(b []byte) bool { return strings.ToValidUTF8(string(b), "") == string(b) }

// next is event that has to come, without heart-beats and pings.
func (p *peer) next() event {
	p.t.Helper()
	for {
		e, err := p.event()
		if err != nil {
			p.t.Fatalf("instead of an event: %v", err)
		}
		if e.kind != isBeat && e.kind != isPing {
			return e
		}
	}
}

// want is next that has to be a frame with this command.
func (p *peer) want(c stomp.Command) event {
	p.t.Helper()
	e := p.next()
	if e.kind != isFrame || e.command != c {
		p.t.Fatalf("got %v, want %s", e, c)
	}
	return e
}

// wantMessage is a MESSAGE with this body.
func (p *peer) wantMessage(body string) event {
	p.t.Helper()
	e := p.want(stomp.MessageCommand)
	if string(e.body) != body {
		p.t.Fatalf("got %v, want the body %.100q", e, body)
	}
	return e
}

// wantReceipt is the RECEIPT with this id.
func (p *peer) wantReceipt(id string) event {
	p.t.Helper()
	e := p.want(stomp.Receipt)
	if e.headers["receipt-id"] != id {
		p.t.Fatalf("got %v, want the receipt %s", e, id)
	}
	return e
}

// wantError is an ERROR with this code, whose message contains text, then a close with this status and the end.
func (p *peer) wantError(code, text string, status int) event {
	p.t.Helper()
	e := p.want(stomp.ErrorCommand)
	if e.headers["code"] != code || !strings.Contains(e.headers["message"], text) {
		p.t.Fatalf("got %v, want the code %s and %q in the message", e, code, text)
	}
	p.wantClose(status)
	return e
}

// wantClose is a close frame with this status, and then the end.
func (p *peer) wantClose(status int) event {
	p.t.Helper()
	e := p.next()
	if e.kind != isClose || e.code != status {
		p.t.Fatalf("got %v, want a close with %d", e, status)
	}
	p.wantEnd()
	return e
}

// wantEnd is the end of the stream, not a reset.
func (p *peer) wantEnd() {
	p.t.Helper()
	if e, err := p.event(); !errors.Is(err, io.EOF) {
		p.t.Fatalf("got %v and %v, want the end of the stream", e, err)
	}
}

// connect sends CONNECT with these headers and waits for CONNECTED.
func (p *peer) connect(header ...string) event {
	p.t.Helper()
	p.sendConnect(header...)
	e := p.want(stomp.Connected)
	p.agreed(e)
	return e
}

func (p *peer) sendConnect(header ...string) {
	p.t.Helper()
	if err := p.send(stomp.Connect, nil, append([]string{"accept-version", "1.0,1.1,1.2"}, header...)...); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) agreed(e event) {
	p.session = e.headers["session"]
	p.version, _ = stomp.Negotiate([]byte(e.headers["version"]), true)
}

// join is a client of s with CONNECTED.
func (s *server) join(t testing.TB, header ...string) *peer {
	t.Helper()
	p := s.greet(t)
	p.connect(header...)
	return p
}

// greet is a client of s with an open WebSocket.
func (s *server) greet(t testing.TB) *peer {
	t.Helper()
	p := dial(t, s.Client)
	if err := p.upgrade("/ws"); err != nil {
		t.Fatal(err)
	}
	return p
}

// subscribe subscribes and waits for the receipt, which it returns.
func (p *peer) subscribe(id, destination string, header ...string) event {
	p.t.Helper()
	header = append([]string{"id", id, "destination", destination, "receipt", "r-" + id}, header...)
	if err := p.send(stomp.Subscribe, nil, header...); err != nil {
		p.t.Fatal(err)
	}
	return p.wantReceipt("r-" + id)
}

// must fails the test when sending did.
func (p *peer) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}
