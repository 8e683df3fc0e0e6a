package conformance

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"stentor/engine/certs"
	"stentor/engine/loop"
	"stentor/engine/testkit/certificate"
	"stentor/engine/testkit/ledger"
	"stentor/engine/tls13"
	"stentor/engine/websocket"
)

const maxMessage = 16 << 20

// patience is how long a test waits for something that is sure to come.
const patience = time.Minute

// over is what clients and a server talk over.
type over string

const (
	plain     over = "plain"
	records   over = "TLS, our records"
	cryptoTLS over = "TLS, crypto/tls"
	// With these the server compresses messages of clients that offer it.
	compressed    over = "compression"
	compressedTLS over = "compression, TLS, our records"
)

func (o over) compresses() bool { return o == compressed || o == compressedTLS }
func (o over) secure() bool     { return o != plain && o != compressed }

// shared are Echos that the tests share.
var shared = map[over]*echo{plain: {}, records: {}, cryptoTLS: {}, compressed: {}, compressedTLS: {}}

type echo struct {
	once sync.Once
	*loop.Echo
	err error
}

// server returns the address of a shared Echo without TLS.
func server(t testing.TB) string { return serverOver(t, plain) }

// serverOver returns the address of a shared Echo.
func serverOver(t testing.TB, o over) string {
	t.Helper()
	e := shared[o]
	e.once.Do(func() {
		if e.Echo, e.err = newEcho(o, maxMessage); e.err == nil {
			e.err = e.Start()
		}
		if e.err == nil && o.secure() {
			secure.Store(e.Addresses()[0].String(), true)
		}
	})
	if e.err != nil {
		t.Fatal(e.err)
	}
	return e.Addresses()[0].String()
}

// secure has the addresses whose server speaks TLS.
var secure sync.Map

// pair is the certificate of all servers, and in a file.
var pair = sync.OnceValues(func() (p struct {
	certificate.Pair
	file string
}, err error) {
	if p.Pair, err = certificate.New(); err != nil {
		return p, err
	}
	dir, err := os.MkdirTemp("", "echo-")
	if err != nil {
		return p, err
	}
	p.file, err = p.Write(dir)
	return p, err
})

func newEcho(o over, maxMessage int) (*loop.Echo, error) {
	opts := loop.EchoOptions{
		Listen: "127.0.0.1:0", MaxMessage: maxMessage, Log: slog.New(slog.DiscardHandler), Compress: o.compresses(),
		Linger: patience, // no client of a slow machine is cut while it writes
	}
	if o.secure() {
		p, err := pair()
		if err != nil {
			return nil, err
		}
		c, err := certs.Load(certs.Options{Pairs: []certs.Pair{{Cert: p.file, Key: p.file + ".key"}}, MinVersion: tls.VersionTLS12, Log: opts.Log})
		if err != nil {
			return nil, err
		}
		opts.TLS = &loop.TLS{Config: c.Clients(), Records: o != cryptoTLS, CipherBytes: 10_000}
	}
	return loop.NewEcho(opts)
}

// start returns an Echo of the test's own.
func start(t *testing.T, maxMessage int) *loop.Echo {
	t.Helper()
	e, err := newEcho(plain, maxMessage)
	if err == nil {
		err = e.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func stop(t *testing.T, e *loop.Echo) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := e.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// TestMain ends the shared Echos: whoever is left over by then was lost by them.
func TestMain(m *testing.M) {
	code := ledger.Main(m, tls13.Observe)
	for _, e := range shared {
		if e.Echo == nil {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		if err := e.Stop(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		cancel()
	}
	if p, err := pair(); err == nil {
		_ = os.RemoveAll(filepath.Dir(p.file))
	}
	os.Exit(code)
}

// client is one WebSocket client that can send anything.
type client struct {
	t    testing.TB
	conn *net.TCPConn
	over net.Conn // conn, or TLS over it
	in   []byte   // read and not yet parsed
	r    websocket.ClientReader
	room []byte
}

func tcp(t testing.TB, address string) *client {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	c := &client{t: t, conn: conn.(*net.TCPConn), over: conn, room: make([]byte, 64<<10)}
	if _, ok := secure.Load(address); ok {
		p, err := pair()
		if err != nil {
			t.Fatal(err)
		}
		c.over = tls.Client(conn, p.Trusting())
	}
	return c
}

// dial returns a client whose WebSocket is open.
func dial(t testing.TB, address string) *client {
	t.Helper()
	c := tcp(t, address)
	key := websocket.NewKey()
	c.send(websocket.AppendRequest(nil, address, "/", key))
	for {
		n, _, err := websocket.ParseAnswer(c.in, key)
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			c.in = c.in[n:]
			return c
		}
		if err := c.fill(); err != nil {
			t.Fatalf("%v behind %q", err, c.in)
		}
	}
}

func (c *client) send(pieces ...[]byte) {
	c.t.Helper()
	for _, p := range pieces {
		if _, err := c.over.Write(p); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *client) fill() error {
	n, err := c.over.Read(c.room)
	c.in = append(c.in, c.room[:n]...)
	return err
}

// receive returns what the server sends next: "text ...", "binary ...", "pong ...", "close CODE", "FIN" or "RST".
func (c *client) receive() string {
	c.t.Helper()
	var message []byte
	for {
		ev, n, err := c.r.Next(c.in, maxMessage+1)
		if err != nil {
			c.t.Fatalf("the server breaks RFC 6455: %v", err)
		}
		if n == 0 {
			if err := c.fill(); err == nil {
				continue
			} else if len(c.in) == 0 && errors.Is(err, io.EOF) {
				return "FIN"
			} else if strings.Contains(err.Error(), "reset") {
				return "RST"
			} else {
				c.t.Fatalf("%v behind %.100q", err, c.in)
			}
		}
		c.in = c.in[n:]
		switch ev.Kind {
		case websocket.Data:
			message = append(message, ev.Payload...)
			if ev.Final {
				if ev.Packed {
					message = c.inflate(message)
				}
				return shown(ev.Op, message)
			}
		case websocket.Ping:
			return "ping " + string(ev.Payload)
		case websocket.Pong:
			return "pong " + string(ev.Payload)
		case websocket.Close:
			return fmt.Sprintf("close %d", ev.Code)
		}
	}
}

// expect receives what is wanted, in order.
func (c *client) expect(want ...string) {
	c.t.Helper()
	for i, w := range want {
		if got := c.receive(); got != w {
			c.t.Fatalf("answer %d is %.200q, want %.200q", i, got, w)
		}
	}
}

// bye closes as a client should and looks how the server does: it answers and ends the TCP connection first.
func (c *client) bye() {
	c.t.Helper()
	c.send(closing(1000, ""))
	c.expect("close 1000", "FIN")
}

// shown is a message in a test's expectations; a long one is abridged.
func shown(op ws.OpCode, payload []byte) string {
	name := "text "
	if op == ws.OpBinary {
		name = "binary "
	}
	if len(payload) > 200 {
		return fmt.Sprintf("%s%d bytes, %08x", name, len(payload), crc32.ChecksumIEEE(payload))
	}
	return name + string(payload)
}

func text(s string) string { return shown(ws.OpText, []byte(s)) }
func blob(s string) string { return shown(ws.OpBinary, []byte(s)) }

// frame is any frame of a client, right or wrong. first is its first byte.
func frame(first byte, payload string) []byte {
	b := websocket.AppendMasked(nil, ws.OpText, [4]byte{0xC3, 0x5A, 0x01, 0x7E}, []byte(payload))
	b[0] = first
	return b
}

// First bytes of frames.
const (
	fin        = 0x80
	opText     = 0x1
	opBinary   = 0x2
	opContinue = 0x0
	opClose    = 0x8
	opPing     = 0x9
	opPong     = 0xA
)

func message(s string) []byte { return frame(fin|opText, s) }
func ping(s string) []byte    { return frame(fin|opPing, s) }

func closing(code uint16, reason string) []byte {
	return frame(fin|opClose, string(binary.BigEndian.AppendUint16(nil, code))+reason)
}

// fragments is one message in frames of their own.
func fragments(op byte, parts ...string) (all [][]byte) {
	for i, part := range parts {
		first := byte(opContinue)
		if i == 0 {
			first = op
		}
		if i == len(parts)-1 {
			first |= fin
		}
		all = append(all, frame(first, part))
	}
	return all
}

func pieces(s string, n int) (all []string) {
	for len(s) > n {
		all, s = append(all, s[:n]), s[n:]
	}
	return append(all, s)
}

func chop(b []byte, n int) (all [][]byte) {
	for len(b) > n {
		all, b = append(all, b[:n]), b[n:]
	}
	return append(all, b)
}

// conversation is what a client sends, each element with a write of its own, and what it gets. One that does not say
// how it closes goes on after it.
type conversation struct {
	id   string
	send [][]byte
	want []string
}

func (c *conversation) closes() bool {
	return len(c.want) > 0 && strings.HasPrefix(c.want[len(c.want)-1], "close ")
}

// converse runs the conversations: as they are, and in one write; over TLS in one of both ways, with each kind of records.
func converse(t *testing.T, all []conversation) {
	for _, c := range all {
		joined := [][]byte{bytes.Join(c.send, nil)}
		for _, way := range []struct {
			name string
			over over
			send [][]byte
		}{
			{"", plain, c.send}, {"/one write", plain, joined}, {"/TLS", records, joined}, {"/TLS of crypto/tls", cryptoTLS, c.send},
		} {
			t.Run(c.id+way.name, func(t *testing.T) {
				t.Parallel()
				client := dial(t, serverOver(t, way.over))
				client.send(way.send...)
				client.expect(c.want...)
				if c.closes() {
					client.expect("FIN")
					return
				}
				client.send(message("still there?"))
				client.expect(text("still there?"))
				client.bye()
			})
		}
	}
}

// each is a conversation of whole messages that come back.
func each(id string, messages ...string) conversation {
	c := conversation{id: id}
	for _, m := range messages {
		c.send, c.want = append(c.send, message(m)), append(c.want, text(m))
	}
	return c
}

// failing is a conversation that a mistake ends with a code.
func failing(id string, code int, want []string, send ...[]byte) conversation {
	return conversation{id, send, append(slices.Clone(want), fmt.Sprintf("close %d", code))}
}
