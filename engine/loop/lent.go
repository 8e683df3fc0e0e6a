package loop

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"

	"stentor/engine/refusal"
	"stentor/engine/shard"
)

// Lent is a connection that net/http serves: a stage whose input feeds a net.Conn, and what is written to it goes through the
// loop. Below it PROXY protocol and TLS are as for every connection. The loop owns the socket, and the shard goes on counting it.
//
// Nobody can stop gnet from reading. So what waits to be read is bounded, and what a client sends beyond is lost, with its connection. A
// Write returns once the kernel, or for the last 16 KiB gnet, has the bytes and can take more.
type Lent struct {
	loop   *Loop
	conn   *shard.Conn // the loop's
	socket shard.Socket
	peer   shard.Peer
	client netip.Addr // whose room it takes; zero for a proxy's
	gone   chan struct{}

	writes sync.Mutex // one Write at a time

	mu     sync.Mutex
	in     []byte   // what Read has yet to return
	held   int      // what Hold was told
	lost   int      // bytes that were dropped for lack of room: Read fails behind in
	deaf   bool     // what comes is dropped
	err    error    // the connection is gone
	closed bool     // by us
	read   waitSide // of Read
	write  waitSide // of Write
	out    []byte   // what the loop has yet to write
	taking bool     // the loop writes it
	full   bool     // the socket takes no more at the moment
}

// waitSide is where one side of the connection waits.
type waitSide struct {
	sync.Cond
	timer *time.Timer // of the deadline that holds; nil when there is none, or it has passed
	over  bool        // it has passed
}

// untimed ends the timer, which would keep the connection in memory for as long.
func (s *waitSide) untimed() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
}

// lentPiece is how much is handed to the loop at once.
const lentPiece = 16 << 10

// Lend implements shard.Env.
func (l *Loop) Lend(c *shard.Conn, socket shard.Socket, peer shard.Peer, in []byte) {
	h := &Lent{loop: l, conn: c, socket: socket, peer: peer, gone: make(chan struct{})}
	h.read.L, h.write.L = &h.mu, &h.mu
	if t := over(socket); t != nil {
		t.rare().lent = h
	} else {
		raw(socket).SetContext(h)
	}
	h.giveUpAfter(lentSilence)
	if answer, ok := l.server.conf.Host.Serve(h); !ok {
		h.refuse(answer)
	} else if !h.put(in) {
		l.Close(socket, refusal.None)
	}
}

// lentSilence is after how much time the kernel gives up a client that acknowledges nothing of what it was sent. Nobody answers a
// response that streams: without it, a client that has vanished would be there for a quarter of an hour.
const lentSilence = time.Minute

// giveUpAfter sets that time, 0 for the kernel's own. Unix sockets have none.
func (h *Lent) giveUpAfter(d time.Duration) {
	_ = unix.SetsockoptInt(raw(h.socket).Fd(), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds()))
}

// refuse answers and closes a connection that nobody serves.
func (h *Lent) refuse(answer []byte) {
	h.mu.Lock()
	h.closed = true
	h.drop()
	h.mu.Unlock()
	if _, err := h.loop.write(h.socket, answer); err == nil {
		h.post(func() { h.loop.shard.Finish(h.conn) }) // not within the turn of the shard, which would close at once what it finds closing
	}
}

// of implements stage.
func (h *Lent) of() *shard.Conn { return h.conn }

// input implements stage.
func (h *Lent) input(_ *Loop, _ gnet.Conn, in []byte) gnet.Action {
	if !h.put(in) {
		return gnet.Close
	}
	return gnet.None
}

// put keeps for Read what has come. When there is no room, it and all that follows is dropped, so that the request can still be
// answered by its head: it is too large. It reports false when the client goes on all the same.
func (h *Lent) put(in []byte) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || h.err != nil {
		return true
	}
	h.loop.shard.Stats().BytesIn.Add(uint64(len(in)))
	room := &h.loop.server.lent
	if h.deaf || h.lost > 0 || len(h.in)+len(in) > room.each || !room.take(h.client, len(h.in), len(in)) {
		h.lost += len(in)
		h.read.Broadcast()
		return h.lost <= room.each
	}
	h.in = append(h.in, in...)
	h.read.Broadcast()
	return true
}

// drop forgets what waits. The caller has mu.
func (h *Lent) drop() {
	h.loop.server.lent.give(h.client, len(h.in), len(h.in))
	h.loop.server.lent.give(h.client, h.held, h.held)
	h.in, h.held = nil, 0
}

// Read implements net.Conn.
func (h *Lent) Read(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.in) == 0 && len(p) > 0 && !h.read.over && !h.closed && h.err == nil && h.lost == 0 {
		h.read.Wait()
	}
	switch {
	case h.closed:
		return 0, net.ErrClosed
	case h.read.over:
		return 0, os.ErrDeadlineExceeded
	case len(h.in) > 0:
	case h.lost > 0:
		return 0, errLost
	default:
		return 0, h.err
	}
	n := copy(p, h.in)
	h.loop.server.lent.give(h.client, len(h.in), n)
	if h.in = h.in[n:]; len(h.in) == 0 {
		h.in = nil
	}
	return n, nil
}

var errLost = errors.New("the client sent more than it may")

// Write implements net.Conn.
func (h *Lent) Write(p []byte) (n int, err error) {
	h.writes.Lock()
	defer h.writes.Unlock()
	for n < len(p) && err == nil {
		piece := p[n:min(len(p), n+lentPiece)]
		if err = h.hand(piece); err == nil {
			n += len(piece)
		}
	}
	return n, err
}

// hand has the loop write p, and waits until the socket takes more.
func (h *Lent) hand(p []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.unwritable(); err != nil {
		return err
	}
	h.out = p
	h.loop.above.Post(h.pass)
	for h.taking || (h.out != nil || h.full) && h.unwritable() == nil {
		h.write.Wait()
	}
	h.out = nil
	return h.unwritable()
}

// unwritable is why nothing can be written. The caller has mu.
func (h *Lent) unwritable() error {
	switch {
	case h.closed:
		return net.ErrClosed
	case h.err != nil:
		return h.err
	case h.write.over:
		return os.ErrDeadlineExceeded
	}
	return nil
}

// pass writes what hand left, in the loop. The lock is free meanwhile: a failing write closes the connection inside.
func (h *Lent) pass() {
	h.mu.Lock()
	out := h.out
	if h.taking = out != nil && h.err == nil; !h.taking {
		h.mu.Unlock()
		return
	}
	h.mu.Unlock()
	_, err := h.loop.write(h.socket, out)
	h.loop.shard.Stats().BytesOut.Add(uint64(len(out)))
	h.mu.Lock()
	defer h.mu.Unlock()
	h.taking, h.out = false, nil
	if h.full = err == nil && h.err == nil && h.socket.OutboundBuffered() > 0; h.full {
		h.loop.waitFor(h)
	}
	h.write.Broadcast()
}

// waitFor has drained called when the socket takes more.
func (l *Loop) waitFor(h *Lent) {
	if l.full == nil {
		l.full = map[shard.Ref]*Lent{}
	}
	l.full[h.conn.Ref()] = h
	l.waits.Store(true) // before the watcher can tell
	if !l.watcher.watch(h.socket, h.conn.Ref()) {
		l.shard.Post(func() { l.Close(h.socket, refusal.None) }) // not within a Write, which has the lock
	}
}

// writable is told of sockets that take more; the shard wants to know it too. Any goroutine may call it.
func (l *Loop) writable(all []shard.Ref) {
	l.shard.Writable(all)
	if !l.waits.Load() {
		return
	}
	l.shard.Post(func() {
		for _, r := range all {
			if h := l.full[r]; h != nil {
				h.drained()
			}
		}
	})
}

// waitsNoMore is called when a connection no longer waits for its socket, or never did.
func (l *Loop) waitsNoMore(h *Lent) {
	delete(l.full, h.conn.Ref())
	l.waits.Store(len(l.full) > 0)
}

// drained lets Write go on.
func (h *Lent) drained() {
	if h.socket.OutboundBuffered() > 0 { // gnet has yet to write it
		h.loop.watcher.watch(h.socket, h.conn.Ref())
		return
	}
	h.loop.waitsNoMore(h)
	h.loop.watcher.unwatch(h.socket)
	h.mu.Lock()
	h.full = false
	h.write.Broadcast()
	h.mu.Unlock()
}

// fail is called in the loop when the connection is gone, or is not net/http's any more.
func (h *Lent) fail(err error) {
	h.loop.waitsNoMore(h)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		h.err = err
		close(h.gone)
	}
	if err != io.EOF {
		h.drop()
	}
	h.letGo()
}

// letGo ends what Read and Write wait for. The caller has mu.
func (h *Lent) letGo() {
	for _, s := range []*waitSide{&h.read, &h.write} {
		s.untimed()
		s.Broadcast()
	}
}

// Close implements net.Conn. What was written before reaches the client, if it reads.
func (h *Lent) Close() error {
	h.shut(func() { h.loop.shard.Finish(h.conn) })
	return nil
}

// Deafen drops what the client sends from now on, and closes the connection when that is much: nobody reads it.
func (h *Lent) Deafen() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.deaf = true
	h.drop()
}

// Abort closes the connection at once.
func (h *Lent) Abort() { h.shut(func() { h.loop.Close(h.socket, refusal.None) }) }

// shut makes Read and Write fail, and has the loop do the rest.
func (h *Lent) shut(then func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	h.closed = true
	h.drop()
	h.letGo()
	h.post(then)
}

// post runs a task in the loop, unless the connection is gone by then.
func (h *Lent) post(task func()) {
	h.loop.shard.Post(func() {
		select {
		case <-h.gone:
		default:
			task()
		}
	})
}

// Lent is how many bytes the clients of lent connections have sent beyond their allowances.
func (s *Server) Lent() int64 { return s.lent.taken() }

// GiveBack makes it a connection of the shard's again, whose next bytes are in and what has yet to be read. It must not be
// used afterwards.
func (h *Lent) GiveBack(in []byte) {
	h.post(func() {
		h.mu.Lock()
		in = append(in, h.in...)
		whole := h.lost == 0
		h.mu.Unlock()
		if !whole {
			h.loop.Close(h.socket, refusal.None) // what comes next would seem to follow what did not
			return
		}
		h.fail(errGivenBack)
		h.giveUpAfter(0)
		if t := over(h.socket); t != nil {
			t.some.lent = nil
			t.tidy()
		} else {
			raw(h.socket).SetContext(h.conn)
		}
		h.loop.shard.GiveBack(h.conn, in)
	})
}

var errGivenBack = errors.New("the connection is the shard's again")

// Vouch reports that the connection works for a session that is authenticated.
func (h *Lent) Vouch() { h.post(func() { h.loop.shard.Vouch(h.conn) }) }

// Hold says how many bytes of the client's are kept in memory after Read has returned them, and reports false when there is no
// room for so many.
func (h *Lent) Hold(bytes int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	room := &h.loop.server.lent
	if bytes > h.held {
		if !room.take(h.client, h.held, bytes-h.held) {
			return false
		}
	} else {
		room.give(h.client, h.held, h.held-bytes)
	}
	h.held = bytes
	return true
}

// Charge names the client whose room the connection takes. It is called within Host.Serve.
func (h *Lent) Charge(client netip.Addr) { h.client = client }

// Peer is who is at the other end.
func (h *Lent) Peer() shard.Peer { return h.peer }

// Gone is closed when the connection is gone.
func (h *Lent) Gone() <-chan struct{} { return h.gone }

// LocalAddr implements net.Conn; nobody asks for it.
func (h *Lent) LocalAddr() net.Addr { return &net.TCPAddr{} }

// RemoteAddr implements net.Conn.
func (h *Lent) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(h.peer.Address) }

// SetDeadline implements net.Conn.
func (h *Lent) SetDeadline(t time.Time) error {
	h.until(&h.read, t)
	h.until(&h.write, t)
	return nil
}

// SetReadDeadline implements net.Conn.
func (h *Lent) SetReadDeadline(t time.Time) error {
	h.until(&h.read, t)
	return nil
}

// SetWriteDeadline implements net.Conn.
func (h *Lent) SetWriteDeadline(t time.Time) error {
	h.until(&h.write, t)
	return nil
}

func (h *Lent) until(s *waitSide, t time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.untimed()
	s.over = false
	switch left := time.Until(t); {
	case t.IsZero() || h.closed || h.err != nil: // nothing waits any more
	case left <= 0:
		s.over = true
		s.Broadcast()
	default:
		var timer *time.Timer
		timer = time.AfterFunc(left, func() {
			h.mu.Lock()
			defer h.mu.Unlock()
			if s.timer == timer {
				s.timer, s.over = nil, true
				s.Broadcast()
			}
		})
		s.timer = timer
	}
}
