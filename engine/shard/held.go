package shard

import (
	"unsafe"

	"stentor/engine/bus"
	"stentor/engine/refusal"
	"stentor/engine/session"
)

// What subscriptions cost beside the bytes of their names. Maps take some 64 bytes for a name.
const (
	subCost     = int(unsafe.Sizeof(sub{})) + 8 // and its place in its log
	idCost      = int(unsafe.Sizeof(subID{})) + int(unsafe.Sizeof(subKey{})) + 64
	targetCost  = int(unsafe.Sizeof(target{})) + 64 + 16 // and its place among the names
	logCost     = int(unsafe.Sizeof(log{})) + 64 + 16    // of a target with its log
	patternCost = 512                                    // who pays for it
	ackCost     = int(unsafe.Sizeof(bus.Position{}))
)

// cost is what an id holds that is not another's.
func (id *subID) cost() int { return idCost + len(id.key.id) + len(id.wire) + len(id.lines) }

// cost is what a target holds beside its subscriptions and pushes.
func (t *target) cost() int {
	switch pattern := t.pattern(); {
	case t.log == nil:
		return targetCost + len(t.name)
	case pattern != nil:
		return logCost + patternCost + len(t.name) + pattern.Bytes()
	default:
		return logCost + len(t.name)
	}
}

// pool is where c's bytes are counted: in its project's pool, or in that of all connections without one.
func (s *Shard) pool(c *Conn) *pool {
	if c.project != nil {
		return &c.project.pool
	}
	return &s.strangers
}

// holds is how many bytes c takes beside itself and its subscriptions.
func (c *Conn) holds() int {
	n := c.sess.Held()
	if h := c.hello; h != nil {
		n += int(unsafe.Sizeof(*h)) + len(h.Token) + len(h.Project)
	}
	if c.secure && c.socket != nil {
		n += c.socket.(Holding).Held()
	}
	if c.rights != nil {
		n += c.rights.Bytes() // others with the same claim may share them
	}
	return n
}

// count updates the bytes that are counted for c. It reports whether they have grown.
func (s *Shard) count(c *Conn) (grew bool) {
	held := uint32(c.holds())
	if c.moves {
		held += uint32(s.moves[c.idx].holds())
	}
	if held == c.held {
		return false
	}
	grew = held > c.held
	s.pool(c).add(int(held) - int(c.held))
	c.held = held
	return grew
}

// uncount removes c from its pool.
func (s *Shard) uncount(c *Conn) {
	s.pool(c).add(-int(c.held))
	c.held = 0
}

var tooMuchHeld = &session.Failure{
	Reason: refusal.SessionBytes, Code: session.CodeLimit, Text: "the session holds more than its share of the memory for all sessions (limits.session_bytes)",
	Close: session.CloseTryLater,
}

// afford ends the session of c when what it holds has grown above its share. Shared names of destinations and ids count in
// full here: this only decides which session takes most.
func (s *Shard) afford(c *Conn) {
	held := int(c.held)
	for i := c.subs; i != 0; {
		b := s.subs.at(i)
		held += subCost + b.id.cost() + b.target.cost() + b.window() + b.resumes()
		i = b.next
	}
	if s.pool(c).tooMuch(held) {
		s.fail(c, tooMuchHeld)
	}
}

// reckon is afford outside a turn of c, for memory that pushes make it hold.
func (s *Shard) reckon(c *Conn) {
	if s.afford(c); c.sess.Phase == session.Closing {
		s.flush(c)
	}
}

// resumes is what b holds while its resume is not answered.
func (b *sub) resumes() int {
	if b.state != resuming || b.follow.resume == nil {
		return 0
	}
	return int(unsafe.Sizeof(resume{})) + cap(b.follow.resume.search.Seen())*ackCost
}
