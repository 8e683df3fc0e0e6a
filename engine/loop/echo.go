package loop

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
	"github.com/panjf2000/gnet/v2"

	"stentor/engine/deflate"
	"stentor/engine/session"
	"stentor/engine/websocket"
)

// Echo is a WebSocket server that sends every message back as it came, in one frame. It accepts, shakes hands, reads,
// frames, writes and closes as a Server does, so that the results of a conformance suite hold for a node. A single event
// loop runs it.
type Echo struct {
	net      network
	opts     EchoOptions
	capacity int
	wire     *session.Wire
	tls      *echoTLS // nil: plain
	packer   deflate.Packer
	packed   []byte // scratch: a compressed message
	leaving  atomic.Bool

	mu    sync.Mutex // guards conns only
	conns map[*echoConn]struct{}
}

// EchoOptions of an Echo. Listen, MaxMessage and Log are required.
type EchoOptions struct {
	Listen     string // host:port with a literal IP address; port 0 takes a free one
	MaxMessage int    // bytes of a message; a larger one is answered with 1009
	Log        *slog.Logger
	TLS        *TLS // nil: plain
	Compress   bool // messages of clients that offer it, both ways

	// Linger is how long a client that is being closed may take to read the last bytes, and then to end; 0: 2 s.
	Linger time.Duration
}

const (
	echoConnections = 10_000
	echoHandshake   = 8 << 10               // bytes
	echoLinger      = 2 * time.Second       // unless the options say otherwise
	echoRetry       = 10 * time.Millisecond // between two checks of a socket that has yet to take its last bytes
	echoScratch     = 256 << 10             // what the wire and a connection keep allocated for their next message
)

// unread is how many bytes wait for a client that does not read before it is closed: two messages and some answers.
func (o *EchoOptions) unread() int { return 2*o.MaxMessage + 64<<10 }

// NewEcho makes an Echo that does not listen yet.
func NewEcho(o EchoOptions) (*Echo, error) {
	e := &Echo{net: newNetwork(o.Log), opts: o, conns: map[*echoConn]struct{}{}}
	e.net.keepAlive = keepAliveTime
	e.opts.Linger = cmp.Or(o.Linger, echoLinger)
	check := func(r *websocket.Request) *websocket.Refusal {
		if o.Compress {
			r.Compress = websocket.CompressAlways
		}
		return nil
	}
	e.wire = session.NewWire(websocket.Handshaker{MaxHeader: echoHandshake, Check: check}, uint64(o.MaxMessage))
	if o.TLS != nil {
		e.tls = newEchoTLS(e, o.TLS)
	}
	var err error
	e.capacity, err = Capacity(echoConnections, 32)
	return e, err
}

// Start listens, and returns when clients can connect.
func (e *Echo) Start() error {
	l, err := ParseListener(e.opts.Listen)
	if err != nil {
		return err
	}
	if l.Path != "" || l.ProxyProtocol || l.TLS {
		return fmt.Errorf("listen on %q: allowed: host:port", e.opts.Listen)
	}
	if err := e.net.listen(e, []Listener{l}, 1, e.opts.Log); err != nil {
		return err
	}
	return e.net.accept()
}

// Addresses are where clients connect.
func (e *Echo) Addresses() []netip.AddrPort { return e.net.addresses() }

// Ended is closed when the event loop has ended, asked or not; Err says why.
func (e *Echo) Ended() <-chan struct{} { return e.net.ended }

// Err is why the event loop ended, after Ended.
func (e *Echo) Err() error {
	if err := e.net.failure(); err != nil || e.leaving.Load() {
		return err
	}
	return ErrEnded
}

// Stop closes all clients with 1001 and ends. When ctx ends first, what is left is cut.
func (e *Echo) Stop(ctx context.Context) error {
	e.leaving.Store(true)
	e.mu.Lock()
	for c := range e.conns {
		_ = c.socket.Wake(nil)
	}
	e.mu.Unlock()
	for e.count() > 0 && echoPause(ctx) {
	}
	left := e.count()
	stopping, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := e.net.close(stopping)
	if e.tls != nil {
		e.tls.loop.server.wg.Wait()
	}
	if left > 0 && err == nil {
		err = fmt.Errorf("%d connections were cut at the end", left)
	}
	return err
}

func echoPause(ctx context.Context) bool {
	select {
	case <-time.After(echoRetry):
		return true
	case <-ctx.Done():
		return false
	}
}

func (e *Echo) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.conns)
}

// echoConn is one client. It belongs to the event loop.
type echoConn struct {
	socket  gnet.Conn
	over    *secure  // its TLS; nil: plain
	tls     *echoTLS // what runs it
	sess    session.Session
	message []byte // the beginning of the message under way
	linger  time.Duration

	gone     bool
	fin      bool        // FIN was sent
	deadline time.Time   // of a client that is being closed
	timer    *time.Timer // checks such a client again
}

// arrive implements host.
func (e *Echo) arrive(*arrival) (answer []byte, ok bool) {
	if e.count() >= e.capacity || e.leaving.Load() {
		return unavailable, false
	}
	return nil, true
}

// lost implements host.
func (e *Echo) lost(*arrival) {}

// short implements host.
func (e *Echo) short(netip.AddrPort) {}

// open implements host.
func (e *Echo) open(_ int, socket gnet.Conn, _ *arrival) {
	c := &echoConn{socket: socket, tls: e.tls, linger: e.opts.Linger}
	e.mu.Lock()
	e.conns[c] = struct{}{}
	e.mu.Unlock()
	if e.tls != nil {
		socket.SetContext(e.tls.open(c))
		return
	}
	socket.SetContext(c)
}

// of is whose connection a socket is; nil when it is nobody's.
func (e *Echo) of(socket gnet.Conn) *echoConn {
	switch at := socket.Context().(type) {
	case *echoConn:
		return at
	case *secure:
		return e.tls.conns[at.conn]
	}
	return nil
}

// onClose implements host. It may run inside a Write.
func (e *Echo) onClose(socket gnet.Conn) {
	c := e.of(socket)
	if c == nil {
		return
	}
	if c.over != nil {
		e.tls.gone(c.over)
	}
	c.gone, c.message, c.sess = true, nil, session.Session{Phase: session.Closing}
	if c.timer != nil {
		c.timer.Stop()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.conns, c)
}

// onTraffic implements host. It is also called when the timer of c, or Stop, wakes it.
func (e *Echo) onTraffic(_ int, socket gnet.Conn) gnet.Action {
	in, err := socket.Next(-1)
	c := e.of(socket)
	if c == nil || err != nil {
		return gnet.None
	}
	if c.over != nil {
		return e.tls.traffic(c.over, in)
	}
	e.turn(c, in)
	return gnet.None
}

// turn handles what c has sent.
func (e *Echo) turn(c *echoConn, in []byte) {
	if e.leaving.Load() {
		e.wire.Close(&c.sess, ws.StatusGoingAway, "")
	}
	e.wire.Begin(&c.sess, in)
	for more := true; more; {
		more = e.next(c)
	}
	e.wire.End(&c.sess)
	e.flush(c)
}

// next handles one event, and reports whether there may be another.
func (e *Echo) next(c *echoConn) bool {
	kind, failure := e.wire.Next(&c.sess)
	switch kind {
	case session.More:
		return false
	case session.Data:
		e.echo(c)
	case session.Failed:
		e.wire.Close(&c.sess, failure.Close, failure.Text)
	}
	return true
}

// echo takes a piece of a message, and sends the message back when it is the last.
func (e *Echo) echo(c *echoConn) {
	p := &e.wire.Piece
	if len(c.message)+len(p.Payload) > e.opts.MaxMessage {
		c.message = nil
		e.wire.Close(&c.sess, session.CloseTooLarge, "message is larger than the limit")
		return
	}
	if !p.Final {
		c.message = append(c.message, p.Payload...)
		return
	}
	if c.sess.Form == session.Deflated {
		e.packed = e.packer.Pack(e.packed[:0], c.message, p.Payload)
		e.wire.Out = websocket.AppendPackedHeader(e.wire.Out, p.Op, len(e.packed))
		e.wire.Out = append(e.wire.Out, e.packed...)
	} else {
		e.wire.Out = websocket.AppendHeader(e.wire.Out, p.Op, len(c.message)+len(p.Payload))
		e.wire.Out = append(append(e.wire.Out, c.message...), p.Payload...)
	}
	if c.message = c.message[:0]; cap(c.message) > echoScratch {
		c.message = nil
	}
}

// flush writes the answers of this turn and, when they were the last, begins to close.
func (e *Echo) flush(c *echoConn) {
	out := e.wire.Out
	if e.wire.Out = out[:0]; cap(out) > echoScratch {
		e.wire.Out = nil
	}
	if len(out) > 0 {
		if c.socket.OutboundBuffered()+len(out) > e.opts.unread() {
			_ = c.socket.EventLoop().Close(c.socket)
			return
		}
		if err := c.write(out); err != nil || c.gone {
			return
		}
	}
	if c.sess.Phase == session.Closing {
		c.closing()
	}
}

// closing ends c: what is left to write, FIN, and some time for the client to read it and to send its own. Closing at
// once with unread input would reset the connection, and could destroy the last bytes on their way.
func (c *echoConn) closing() {
	now := time.Now()
	if c.deadline.IsZero() {
		c.message = nil
		c.deadline = now.Add(c.linger)
		c.timer = time.AfterFunc(echoRetry, func() { _ = c.socket.Wake(nil) })
	}
	switch {
	case !now.Before(c.deadline):
		_ = c.socket.EventLoop().Close(c.socket)
	case c.socket.OutboundBuffered() > 0:
		c.timer.Reset(echoRetry)
	case !c.fin:
		c.fin = true
		c.end()
		c.deadline = now.Add(c.linger)
		c.timer.Reset(c.linger)
	}
}
