package shard

import (
	"encoding/base32"
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/gobwas/ws"

	"stentor/engine/refusal"
	"stentor/engine/session"
)

// Conn is one connection. A million of them fit on a host because of what is not in here: what only some connections need
// is behind a pointer, while they need it. The times are milliseconds of the shard's clock and wrap; only their differences
// are used.
type Conn struct {
	socket  Socket
	sess    session.Session
	project *project
	rights  Rights
	user    string
	hello   *Admission // until CONNECTED
	timer   timer

	idx      uint32
	gen      uint32 // ordinal among the shard's connections: a released slot keeps no generation
	subs     uint32 // first subscription
	nsubs    uint32
	userNext uint32 // next and previous session of the same user
	userPrev uint32

	since     uint32 // unix seconds
	expires   uint32 // unix seconds; 0 never
	lastRead  uint32
	lastWrite uint32
	sends     uint32 // heart-beat intervals in ms; 0 none
	receives  uint32
	unread    uint32 // bytes of answers that wait behind what the kernel has not accepted
	frames    int32  // counted against the rate; below 0 while input that had to wait is handled
	held      uint32 // bytes counted in its pool
	second    uint16 // of the frame count; it wraps
	unchecked uint16 // bytes written since the kernel was last asked what it has sent, as far as they are counted
	port      uint16
	address   [16]byte
	state     connState
	stranger  bool // its CONNECT was never accepted
	proxied   bool // Introduce was called
	greeting  bool
	pings     uint8 // sent since something was read
	moves     bool  // a large push is under way, see Shard.moves
	linger    bool  // FIN was sent, its answer is awaited
	renews    bool  // its token is being renewed, see Shard.renewals
	noticed   bool  // it was told that its token is about to expire
	secure    bool  // over TLS: socket is a Holding
}

// connState is the life of the socket, beside the session's Phase.
type connState uint8

const (
	stateFree connState = iota
	stateOpen
	stateGone // closed; the slot is released when the turn ends
)

// Ref names a connection for other goroutines: it never names the next one in the same slot.
type Ref struct{ idx, gen uint32 }

func (c *Conn) ref() Ref { return Ref{c.idx, c.gen} }

// Numbers returns the slot, never 0, and the generation of r, as RefOf takes them.
func (r Ref) Numbers() (slot, gen uint32) { return r.idx, r.gen }

// RefOf makes a Ref of its Numbers.
func RefOf(slot, gen uint32) Ref { return Ref{slot, gen} }

// find returns the connection that r names, nil when it is gone.
func (s *Shard) find(r Ref) *Conn {
	if r.idx == 0 || r.idx > s.conns.used {
		return nil
	}
	c := s.conns.at(r.idx)
	if c.state != stateOpen || c.gen != r.gen {
		return nil
	}
	return c
}

// Open takes over a socket that was just accepted. peer is its other end, [::]:0 for a Unix socket. The caller keeps the
// Conn for Input and Gone.
func (s *Shard) Open(socket Socket, peer netip.AddrPort) *Conn {
	idx := s.conns.take()
	s.opened++
	c := s.conns.at(idx)
	*c = Conn{idx: idx, gen: s.opened, socket: socket, state: stateOpen, greeting: true, stranger: true}
	s.clock()
	c.lastRead, c.lastWrite = s.millis(), s.millis()
	c.address, c.port = peer.Addr().As16(), peer.Port()
	s.stats.Connections.Add(1)
	s.stats.Greeting.Add(1)
	s.stats.Accepted.Add(1)
	s.scheduleIn(c, s.env.Patience(s.conf.Limits.HandshakeTimeout))
	return c
}

// OpenSession is Open for a session that needs no handshake, since a was admitted otherwise. Its input is STOMP, and its form
// is a's. It may be gone when OpenSession returns.
func (s *Shard) OpenSession(socket Socket, a *Admission) *Conn {
	c := s.Open(socket, a.Address)
	c.hello = a
	s.machine.Open(&c.sess, a.Form)
	s.scheduleIn(c, s.env.Patience(s.conf.Limits.ConnectTimeout))
	if s.count(c) {
		s.afford(c)
	}
	s.flush(c)
	return c
}

// OpenSecure is Open for a socket over TLS. Its deadline is the handshake's of TLS until Secured.
func (s *Shard) OpenSecure(socket Holding, peer netip.AddrPort) *Conn {
	c := s.Open(socket, peer)
	c.secure = true
	return c
}

// Secured gives c the time for its WebSocket's handshake: that of TLS is done.
func (s *Shard) Secured(c *Conn) {
	if c.state == stateOpen && c.sess.Phase == session.Handshake {
		s.clock()
		s.scheduleIn(c, s.env.Patience(s.conf.Limits.HandshakeTimeout))
	}
}

// Recount counts what the socket of c holds, after it has changed without an Input.
func (s *Shard) Recount(c *Conn) {
	if c.state == stateOpen && s.count(c) {
		s.clock()
		s.reckon(c)
	}
}

// Hangup ends c, whose socket can no longer carry data: its last bytes are on their way.
func (s *Shard) Hangup(c *Conn) {
	if c.state == stateOpen {
		s.clock()
		s.end(c, session.CloseNormal, "")
	}
}

// Address is the client's, as far as it is known.
func (s *Shard) Address(c *Conn) netip.AddrPort { return c.addrPort() }

// Introduce names the client behind a trusted proxy. It is called before any Input.
func (s *Shard) Introduce(c *Conn, client netip.AddrPort) {
	c.proxied = true
	c.address, c.port = client.Addr().As16(), client.Port()
}

// Gone releases everything that c holds. The event loop calls it when the socket is closed, which may be inside a Write. A
// panic in it leaks only what it was about to release.
func (s *Shard) Gone(c *Conn) {
	if c.state != stateOpen {
		return
	}
	c.state = stateGone
	if !s.endures("leave", func() { s.depart(c) }) {
		s.tearOut(c)
	}
	s.endures("leave", func() { s.unschedule(c) })
	s.endures("leave", func() { s.env.Release(c.addrPort(), c.stranger) })
	s.stats.Connections.Add(-1)
	if c.moves {
		s.endures("leave", func() { s.breakOff(c) })
	}
	if c.renews {
		s.forgetRenewal(c)
	}
	c.socket, c.hello = nil, nil
	c.sess = session.Session{}
	s.endures("leave", func() { s.uncount(c) })
	if s.turn != c { // else Input still uses it
		s.free(c)
	}
}

// tearOut stands in for a depart that panicked: it leaves no subscription of c that a round could find.
func (s *Shard) tearOut(c *Conn) {
	for c.subs != 0 {
		i := c.subs
		s.endures("leave", func() { s.removeSub(c, i) })
		if c.subs == i {
			c.subs = s.subs.at(i).next
		}
	}
	s.endures("leave", func() { s.depart(c) })
}

// endures runs f and reports whether it did not panic. Nothing else is given up: f may run inside another connection's
// turn.
func (s *Shard) endures(where string, f func()) (ok bool) {
	defer func() {
		if reason := recover(); reason != nil {
			s.recovered(where, reason)
		}
	}()
	f()
	return true
}

func (s *Shard) free(c *Conn) {
	c.state = stateFree
	s.conns.release(c.idx)
}

// depart takes c out of the fan-out: its subscriptions, its user, its project.
func (s *Shard) depart(c *Conn) {
	s.greeted(c)
	for c.subs != 0 {
		s.removeSub(c, c.subs)
	}
	if p := c.project; p != nil {
		s.forgetUser(c)
		s.uncount(c)
		p.pool.leave()
		user := c.user
		c.project, c.rights, c.user = nil, nil, ""
		s.tally(p, c.sess.Form, -1)
		s.env.Leave(p.settings, user)
		s.dropProject(p)
	}
}

// greeted takes c out of the connections that are not authenticated yet.
func (s *Shard) greeted(c *Conn) {
	if c.greeting {
		c.greeting = false
		s.stats.Greeting.Add(-1)
	}
}

func (c *Conn) addrPort() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(c.address).Unmap(), c.port)
}

// shownAddress is the client's address; one from X-Forwarded-For has no port.
func (c *Conn) shownAddress() string {
	if c.address == [16]byte{} {
		return "unix"
	}
	if c.port == 0 {
		return c.addrPort().Addr().String()
	}
	return c.addrPort().String()
}

// sessionID is opaque to clients; it encodes process, shard and slot.
func (s *Shard) sessionID(c *Conn) string {
	var b [13]byte
	binary.BigEndian.PutUint32(b[0:], s.conf.Instance)
	b[4] = byte(s.conf.Index)
	binary.BigEndian.PutUint32(b[5:], c.idx)
	binary.BigEndian.PutUint32(b[9:], c.gen)
	return idEncoding.EncodeToString(b[:])
}

var idEncoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// ParseSessionID returns the shard of this process that a session is on, and its connection there.
func ParseSessionID(id string, instance uint32) (shard int, r Ref, ok bool) {
	var b [13]byte
	if idEncoding.DecodedLen(len(id)) != len(b) {
		return 0, Ref{}, false
	}
	if _, err := idEncoding.Decode(b[:], []byte(id)); err != nil || binary.BigEndian.Uint32(b[0:]) != instance {
		return 0, Ref{}, false
	}
	return int(b[4]), Ref{binary.BigEndian.Uint32(b[5:]), binary.BigEndian.Uint32(b[9:])}, true
}

// unsentBytes is how much the kernel may hold unsent for a client before it counts as blocked, and also how much is
// written to it between two questions to the kernel. TCP_NOTSENT_LOWAT does not bound it: the kernel goes on filling
// its last segment, up to 64 KiB or half of the client's window.
const unsentBytes = 4 << 10

// blocked is how many bytes wait for the client to read on, 0 when it can be given more.
func (s *Shard) blocked(c *Conn) int {
	if c.moves {
		return s.moves[c.idx].left()
	}
	if n := c.socket.OutboundBuffered(); n > 0 || c.unchecked < unsentBytes {
		return n
	}
	if n := s.conf.Unsent(c.socket); n >= unsentBytes {
		return n
	}
	c.unchecked = 0
	return 0
}

// write hands p to the socket and reports whether the connection still stands. A panic of the socket closes this connection
// only.
func (s *Shard) write(c *Conn, p []byte) (stands bool) {
	defer func() {
		if reason := recover(); reason != nil {
			s.recovered("write", reason)
			s.drop(c)
			stands = false
		}
	}()
	c.lastWrite = s.millis()
	c.unchecked = uint16(min(int(c.unchecked)+len(p), unsentBytes))
	s.stats.BytesOut.Add(uint64(len(p)))
	_, err := s.conf.Write(c.socket, p)
	return err == nil && c.state == stateOpen
}

// drop closes c after a panic, without a close frame: it is unknown what was written.
func (s *Shard) drop(c *Conn) {
	if c.state == stateOpen {
		s.env.Close(c.socket, refusal.None)
	}
}

func (s *Shard) recovered(where string, reason any) {
	s.stats.Panics.Add(1)
	s.env.Panicked(where, reason)
}

// flush writes the answers of this turn and, when they were the last, begins to close.
func (s *Shard) flush(c *Conn) {
	out := s.machine.Out
	s.machine.Out = out[:0]
	const keep = 256 << 10
	if cap(out) > keep {
		s.machine.Out = nil
	}
	if len(out) > 0 && !s.answer(c, out) {
		return
	}
	if c.sess.Phase == session.Closing {
		s.closing(c)
	}
}

// answer writes answers, behind what waits for the client, and reports whether the connection still stands.
func (s *Shard) answer(c *Conn, out []byte) (stands bool) {
	if !c.moves && c.socket.OutboundBuffered() == 0 {
		c.unread = 0
	} else if c.unread += uint32(len(out)); int(c.unread) > s.conf.Limits.ReplyBytes {
		s.cut(c, refusal.ReplyBytes, "the client does not read its answers")
		return false
	}
	if t := s.moves[c.idx]; t != nil {
		t.answers = append(t.answers, out...)
		return true
	}
	return s.write(c, out)
}

// lingerTime is how long a client has to read the last bytes and close, before its socket is closed for it. Closing
// at once with unread input would reset the connection and could destroy the ERROR on its way.
const lingerTime = 2 * time.Second

// closing is called when the last bytes were written, and by the wheel until the socket is closed.
func (s *Shard) closing(c *Conn) {
	s.depart(c)
	waited := s.millis() - c.lastWrite
	switch {
	case c.linger, waited > uint32(lingerTime.Milliseconds()) && !s.grace.lasts, c.moves && s.overdue(s.moves[c.idx]):
		s.env.Close(c.socket, refusal.None)
	case c.moves: // a close frame goes behind it, not into it
		s.schedule(c, s.wheel.now+1)
		s.retryTransfer(c)
	case c.socket.OutboundBuffered() > 0:
		if left := uint32(c.socket.OutboundBuffered()); left != c.unread {
			c.unread, c.lastWrite = left, s.millis() // it is reading: its time starts again
		}
		s.schedule(c, s.wheel.now+1)
	default:
		c.linger = true
		s.env.CloseWrite(c.socket)
		if c.state == stateOpen {
			s.scheduleIn(c, lingerTime)
		}
	}
}

// end closes c with a close frame, without an ERROR.
func (s *Shard) end(c *Conn, code ws.StatusCode, reason string) {
	if c.sess.Phase == session.Closing {
		return
	}
	s.depart(c)
	s.machine.Close(&c.sess, code, reason)
	s.flush(c)
}

func (s *Shard) scheduleIn(c *Conn, d time.Duration) {
	s.scheduleAfter(c, uint32(d.Milliseconds()))
}
