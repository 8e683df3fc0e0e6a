package shard

import (
	"unsafe"

	"stentor/engine/deflate"
	"stentor/engine/fifo"
	"stentor/engine/history"
	"stentor/engine/session"
	"stentor/engine/websocket"
	"stentor/stomp"
)

// transfer is a large push on its way to one connection: a MESSAGE that does not fit into one write. It is still one frame,
// written in pieces straight from the encoding that all subscribers share, as fast as the socket takes them. Meanwhile the
// connection counts as blocked: all else that it gets waits, answers here, pushes where their subscriptions are.
//
// A transfer waits for its turn (queued), or for its socket. It needs neither its subscription nor its session. Until its
// first bytes are out it has had no effect: it ends silently when its push expires.
type transfer struct {
	conn    *Conn
	entry   *history.Entry // held
	project *project
	older   *transfer // of the tenant
	newer   *transfer
	lines   []byte // see sub.lines; a copy, for the subscription may end
	answers []byte // what the client gets behind it

	header  [15]byte // of the WebSocket frame, and what SockJS or a stored block puts before a message
	heads   uint8    // bytes of header
	version stomp.Version
	form    session.Form
	packed  bool // the compressed form of the push
	queued  bool // in project.transfers
	waited  bool // for the socket, since it was full
	reads   bool // the client reads: the socket took more after that
	watched bool // Config.Watch was asked

	sub     uint32 // until the first bytes are out: then it is told what lines say; 0 when it has ended
	dropped uint32 // what lines say
	gaps    uint16 // what lines say, see sub.gaps

	walk  escapedWalk // of SockJS
	size  int         // of the WebSocket frame, or the line of SockJS
	sent  int         // bytes of it that the kernel has
	moved uint32      // ms when it last took some
	tried uint32      // ms when it last was offered some
	wait  uint32      // ticks until the next try
	until uint32      // ms when a session that ends gives it up; 0 while the session stands
}

// transfers are a project's that wait for their turn.
type transfers struct {
	queue  fifo.List[Ref]
	queued bool
}

// underWay stands for them in their project's queue.
var underWay = &log{}

const (
	// pieceBytes is the size of a piece for a client that reads, and what a transfer may write in its turn. A client that
	// is not yet known to read gets pieces of writeBytes, and no more than the kernel has sent: the kernel would hold all
	// of a large piece for a client that does not read.
	pieceBytes = 64 << 10
	// pieceSlack is by how much a piece of SockJS may be longer, so that no escape is cut, and what it takes to write one.
	pieceSlack = 32
	// windowBytes is more than most clients' kernels take without being read.
	windowBytes = 192 << 10
	// unsentLow is how few unsent bytes the kernel must hold before it reports that a socket can be written to: less than
	// half of TCP_NOTSENT_LOWAT.
	unsentLow = 8 << 10
	// closingRate is how many bytes a second a client must take when its session ends within a large push.
	closingRate = 16 << 10
	// spareTransfers are kept for the next ones.
	spareTransfers = 64
)

// large reports whether e goes out as a transfer.
func large(e *history.Entry, escaped bool) bool { return frameLen(e, escaped) > writeBytes }

// holds is how many bytes t takes beside the push.
func (t *transfer) holds() int { return int(unsafe.Sizeof(*t)) + cap(t.lines) + cap(t.answers) }

// left is how many bytes the kernel has yet to take.
func (t *transfer) left() int { return t.size - t.sent }

// transfer begins to give e, a large push, to subscription i of c, which is not blocked. It reports false when the
// connection is gone, and the subscription with it; the push's report is up to date then.
func (s *Shard) transfer(c *Conn, i uint32, e *history.Entry) (used int, stands bool) {
	if e.Expired(s.now) {
		s.stats.Expired.Add(1)
		return 1, true
	}
	if !carries(c.sess.Form, e) {
		s.stats.Unsendable.Add(1)
		e.AddSkipped(1, s.now)
		return 1, true
	}
	b, t := s.subs.at(i), s.newTransfer()
	t.conn, t.entry, t.project, t.version = c, e, b.target.p, b.id.key.version
	t.form = c.sess.Form
	t.sub, t.gaps = i, b.target.lossCount()
	if b.follow != nil {
		t.dropped = b.follow.dropped
	}
	t.lines = append(t.lines[:0], s.lines(&s.frames[c.sess.Form], b, e, b.note())...)
	if t.form.Escaped() {
		t.beginEscaped()
	} else if !t.beginPacked() {
		n := e.Message.Len(t.version, len(t.lines))
		t.heads = uint8(len(websocket.AppendHeader(t.header[:0], opcode(e), n)))
		t.size = int(t.heads) + n
	}
	t.moved = s.millis()
	e.Hold()
	t.project.add(t)
	s.stats.Transfers.Add(1)
	s.moves[c.idx] = t
	s.most = max(s.most, len(s.moves))
	c.moves, c.unread = true, 0
	return s.carry(c)
}

// carry gives c's transfer its turn.
func (s *Shard) carry(c *Conn) (used int, stands bool) {
	t := s.moves[c.idx]
	if t.sent == 0 && t.entry.Expired(s.now) {
		s.stats.Expired.Add(1)
		return 1, s.goOn(c)
	}
	for turn := t.sent; t.sent < turn+pieceBytes; {
		p, end := t.next(s.pieces[:0])
		n, full, ok := s.offer(c, p)
		if used += cost(n); !ok {
			return used, false // t is another's
		}
		if n > 0 {
			if t.sent == 0 {
				s.begun(t)
			}
			t.move(n, len(p), end)
			t.wait, t.reads = 0, t.waited || t.sent >= windowBytes
			t.moved = s.millis()
			if c.receives == 0 { // a client that takes bytes is alive
				c.lastRead, c.pings = t.moved, 0
			}
		}
		switch {
		case t.left() == 0:
			return used, s.arrived(c)
		case full && !t.reads || n < len(p):
			s.waitForSocket(c)
			return used, true
		}
	}
	s.queueTransfer(t)
	return used, true
}

// begun is called when the first bytes of t are out.
func (s *Shard) begun(t *transfer) {
	if t.sub == 0 {
		return
	}
	b := s.subs.at(t.sub)
	t.sub = 0
	s.expect(b, t.entry)
	b.gaps = t.gaps
	if f := b.follow; f != nil {
		f.dropped -= t.dropped
		f.resumed = notResumed
		b.releaseFollow()
	}
}

// next returns what comes next, and where the walk of SockJS stands behind it.
func (t *transfer) next(buf []byte) (piece []byte, end escapedWalk) {
	if t.form.Escaped() {
		return t.escapedPiece(buf)
	}
	return t.piece(buf), escapedWalk{}
}

// move is called when the kernel has taken n bytes of a piece of so many, behind which the walk stands at end.
func (t *transfer) move(n, piece int, end escapedWalk) {
	switch {
	case n == piece:
		t.walk = end
	case t.form.Escaped():
		t.advance(n)
	}
	t.sent += n
}

// piece returns what comes next: a piece of the shared encoding, or, around the beginning, at most one write's worth built
// in buf.
func (t *transfer) piece(buf []byte) []byte {
	if t.reads && t.sent >= writeBytes {
		p := t.at(t.sent - int(t.heads))
		return p[:min(len(p), pieceBytes)]
	}
	for at := t.sent; len(buf) < writeBytes; {
		var p []byte
		if at < int(t.heads) {
			p = t.header[at:t.heads]
		} else {
			p = t.at(at - int(t.heads))
		}
		p = p[:min(len(p), writeBytes-len(buf))]
		at += len(p)
		if len(buf) == 0 && (len(p) == writeBytes || at == t.size) {
			return p
		}
		buf = append(buf, p...)
		if at == t.size {
			break
		}
	}
	return buf
}

// at returns what is behind the header from offset on, as far as it is contiguous in memory.
func (t *transfer) at(offset int) []byte {
	if t.packed {
		return t.entry.Message.PackedAt(t.version, t.lines, offset)
	}
	return t.entry.Message.At(t.version, t.lines, offset)
}

// offer writes as much of p as the socket takes at once, and says when it is full. A panic of the socket closes this
// connection only.
func (s *Shard) offer(c *Conn, p []byte) (n int, full, stands bool) {
	defer func() {
		if reason := recover(); reason != nil {
			s.recovered("write", reason)
			s.drop(c)
			stands = false
		}
	}()
	n, err := s.conf.Offer(c.socket, p)
	if err != nil || c.state != stateOpen {
		return n, false, false
	}
	if n > 0 {
		c.lastWrite = s.millis()
		s.stats.BytesOut.Add(uint64(n))
		s.stats.Pieces.Add(1)
	}
	return n, s.conf.Unsent(c.socket) >= unsentLow, true
}

// offerWhole is Config.Offer for sockets that take only whole writes.
func offerWhole(k Socket, p []byte) (int, error) {
	if k.OutboundBuffered() > 0 {
		return 0, nil
	}
	return k.Write(p)
}

// queueTransfer queues t for its turn.
func (s *Shard) queueTransfer(t *transfer) {
	if t.queued {
		return
	}
	t.queued = true
	p := t.project
	p.transfers.queue.Push(t.conn.ref())
	s.enqueue(p, underWay)
}

// moveOn gives the transfers of p their turns.
func (s *Shard) moveOn(p *project, budget int) (used int, more bool) {
	q := &p.transfers.queue
	for q.Len() > 0 && used < budget {
		c := s.find(q.Pop())
		if c == nil || !c.moves || !s.moves[c.idx].queued {
			continue
		}
		s.moves[c.idx].queued = false
		s.doing = doing{conn: c}
		n, _ := s.carry(c)
		s.doing = doing{}
		used += n
	}
	return used, q.Len() > 0
}

// arrived ends a transfer whose last byte the kernel has, and reports whether the connection still stands.
func (s *Shard) arrived(c *Conn) (stands bool) {
	t := s.moves[c.idx]
	t.entry.AddArrived(s.now)
	t.project.counts.deliveries.Add(1)
	s.stats.Deliveries.Add(1)
	s.stats.Writes.Add(1)
	if t.packed {
		s.stats.Saved.Add(uint64(t.entry.Message.Len(t.version, len(t.lines)) - (t.size - int(t.heads) + deflate.StoredHeader)))
	}
	return s.goOn(c)
}

// goOn ends a transfer, and gives the client what waited behind it. It reports whether the connection still stands.
func (s *Shard) goOn(c *Conn) (stands bool) {
	t := s.moves[c.idx]
	if t.watched {
		s.conf.Unwatch(c.socket)
	}
	answers := t.answers
	s.endTransfer(c)
	s.count(c)
	c.unchecked = unsentBytes
	if len(answers) > 0 && !s.write(c, answers) {
		return false
	}
	if c.sess.Phase == session.Closing {
		s.closing(c)
		return c.state == stateOpen
	}
	s.followAgain(c)
	return true
}

// breakOff ends the transfer of a connection that is gone.
func (s *Shard) breakOff(c *Conn) {
	s.moves[c.idx].entry.AddBroken()
	s.endTransfer(c)
}

func (s *Shard) endTransfer(c *Conn) {
	t := s.moves[c.idx]
	c.moves = false
	if delete(s.moves, c.idx); len(s.moves) == 0 && s.most > spareTransfers {
		s.moves, s.most = map[uint32]*transfer{}, 0 // a map keeps room for as many as it had
	}
	t.entry.Release()
	t.project.remove(t)
	s.stats.Transfers.Add(-1)
	lines := t.lines
	*t = transfer{}
	if len(s.spare) < spareTransfers {
		t.lines = lines
		s.spare = append(s.spare, t)
	}
}

func (s *Shard) newTransfer() *transfer {
	if s.pieces == nil {
		s.pieces = make([]byte, 0, writeBytes+pieceSlack)
	}
	last := len(s.spare) - 1
	if last < 0 {
		return &transfer{}
	}
	t := s.spare[last]
	s.spare = s.spare[:last]
	return t
}
