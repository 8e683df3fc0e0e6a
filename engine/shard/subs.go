package shard

import (
	"stentor/engine/session"
	"stentor/stomp"
)

// sub is one subscription.
type sub struct {
	target *target
	id     *subID
	follow *follow // see releaseFollow; nil while it is neither detached nor windowed, and has nothing to announce
	conn   uint32
	next   uint32 // of the connection
	place  uint32 // in log.attached, or in project.detached
	ack    session.AckMode
	state  state
	gaps   uint16 // lossCount of the target when it was last told
}

// subID is a subscription's id as its client chose it, shared by all who chose the same.
type subID struct {
	key   subKey
	lines []byte // its header line, ready for the wire; empty for a 1.0 subscription without id
	wire  string // its escaped text
	refs  int
}

type subKey struct {
	version stomp.Version
	id      string
}

func (p *project) internID(v stomp.Version, id []byte) *subID {
	if known := p.ids[subKey{v, string(id)}]; known != nil {
		known.refs++
		return known
	}
	n := &subID{key: subKey{v, string(id)}, refs: 1}
	if len(id) > 0 && id[0] != 0 {
		n.wire = string(stomp.AppendEscaped(nil, v, id))
		n.lines = stomp.AppendHeader(nil, v, "subscription", id)
	}
	p.ids[n.key] = n
	p.pool.add(n.cost())
	return n
}

func (p *project) releaseID(id *subID) {
	if id.refs--; id.refs == 0 {
		delete(p.ids, id.key)
		p.pool.add(-id.cost())
	}
}

// findSub is the number of c's subscription with this id, 0 for none.
func (s *Shard) findSub(c *Conn, id []byte) uint32 {
	for i := c.subs; i != 0; {
		b := s.subs.at(i)
		if b.id.key.id == string(id) {
			return i
		}
		i = b.next
	}
	return 0
}

// addSub subscribes c. From the RECEIPT's position on it gets every push.
func (s *Shard) addSub(c *Conn, t *target, id []byte, ev *session.Event) {
	i := s.subs.take()
	b := s.subs.at(i)
	*b = sub{target: t, id: t.p.internID(c.sess.Version, id), conn: c.idx, next: c.subs, ack: ev.Ack, gaps: t.lossCount()}
	c.subs = i
	c.nsubs++
	s.more = true
	t.p.pool.add(subCost)
	s.stats.Subscriptions.Add(1)
	t.p.counts.subscriptions.Add(1)
	if b.ack != session.AckAuto && t.p.settings.AckWindow > 0 {
		b.follow = &follow{}
	}
	if t.pattern() != nil {
		t.log.charge(s.holder(c))
	}
	if len(ev.Resume) > 0 {
		s.resume(c, i, ev)
		return
	}
	s.beginNow(i)
	if ev.HasReceipt {
		s.machine.Receipt(&c.sess, ev.Receipt, positionLine(t.p.applied))
	}
}

// beginNow starts a new subscription with what comes from now on: it follows while others have yet to be given what came
// before.
func (s *Shard) beginNow(i uint32) {
	b := s.subs.at(i)
	switch l, u := b.target.log, &b.target.p.unicast; {
	case l == nil && u.entries.Len() == 0:
		s.enter(i, direct)
	case l == nil:
		s.enter(i, following)
		b.follow.from = u.next()
	case !s.join(i, l.tail()):
		s.enter(i, following)
		b.follow.cursor = l.tail()
	}
}

// removeSub ends a subscription: nothing is sent for it from now on.
func (s *Shard) removeSub(c *Conn, i uint32) {
	b := s.subs.at(i)
	t := b.target
	s.enter(i, none)
	if c.moves && s.moves[c.idx].sub == i {
		s.moves[c.idx].sub = 0
	}
	if c.renews && s.renewals[c.idx].at == i {
		s.renewals[c.idx].at = b.next
	}
	if t.pattern() != nil {
		t.log.discharge(s.holder(c))
	}
	for p := &c.subs; ; p = &s.subs.at(*p).next {
		if *p == i {
			*p = b.next
			break
		}
	}
	c.nsubs--
	t.p.releaseID(b.id)
	b.forgive()
	t.p.pool.add(-subCost)
	*b = sub{}
	s.subs.release(i)
	s.stats.Subscriptions.Add(-1)
	t.p.counts.subscriptions.Add(-1)
	if t.log != nil {
		t.log.trim()
	}
	s.dropTarget(t)
}
