package shard

import "stentor/engine/session"

// quantum is how much one log, and one project, may write in its turn, in units of a small write: some 200 us.
const quantum = 32

// doing is what the loop works on, for the recovery from a panic.
type doing struct {
	log     *log
	unicast *project
	conn    *Conn
}

// enqueue queues l of p for its turns (nil: the unicast queue; underWay: the transfers; arriving: the arrivals).
func (s *Shard) enqueue(p *project, l *log) {
	queued := &p.unicast.queued
	switch l {
	case nil:
	case underWay:
		queued = &p.transfers.queued
	case arriving:
		queued = &p.routing
	default:
		queued = &l.queued
	}
	if *queued {
		return
	}
	*queued = true
	p.queue.Push(l)
	if !p.queued {
		p.queued = true
		s.ready.Push(p)
	}
}

// work delivers until the deadline and reports whether something is left. Projects take turns by deficit round-robin,
// and so do the logs of a project.
func (s *Shard) work(deadline int64) (more bool) {
	for s.ready.Len() > 0 {
		p := s.ready.At(0)
		p.deficit += quantum
		for p.deficit > 0 && p.queue.Len() > 0 {
			p.deficit -= s.serve(p, min(p.deficit, quantum))
		}
		s.ready.Pop()
		if p.queue.Len() > 0 {
			s.ready.Push(p)
		} else {
			p.queued = false
			p.deficit = 0
		}
		if s.clock() >= deadline {
			break
		}
	}
	return s.ready.Len() > 0
}

// serve gives the first in p's queue up to budget and returns what it used.
func (s *Shard) serve(p *project, budget int) (used int) {
	l := p.queue.At(0)
	var more bool
	switch l {
	case nil:
		s.doing = doing{unicast: p}
		used, more = s.unicast(p, budget)
		p.unicast.queued = more
	case underWay:
		used, more = s.moveOn(p, budget)
		p.transfers.queued = more
	case arriving:
		used, more = s.routeSome(p, budget)
		p.routing = more
	default:
		s.doing = doing{log: l}
		used, more = s.rounds(l, budget)
		l.queued = more
	}
	s.doing = doing{}
	p.queue.Pop()
	if more {
		p.queue.Push(l)
	}
	return max(used, 1)
}

// rounds works on the rounds of l.
func (s *Shard) rounds(l *log, budget int) (used int, more bool) {
	for {
		if !l.inRound() && !s.beginRound(l) {
			return used, false
		}
		for l.served < len(l.attached) {
			if used >= budget {
				s.report(l)
				return used, true
			}
			used += s.deliver(l, l.attached[l.served])
		}
		s.report(l)
		if l.inRound() { // else the last subscription left during its write, and the log with it
			l.advance(l.end)
		}
	}
}

// beginRound chooses the next range: what fits into one write, or one push.
func (s *Shard) beginRound(l *log) bool {
	tail := l.tail()
	if l.head == tail {
		return false
	}
	if len(l.attached) == 0 {
		l.advance(tail)
		return false
	}
	size := 0
	end := l.head
	escaped := l.p.escaping > 0 // subscriptions that come within the round begin behind it
	for end < tail {
		size += frameLen(l.at(end), escaped) + 4
		if size > writeBytes && end > l.head {
			break
		}
		end++
	}
	l.end = end
	l.large = size > writeBytes && large(l.at(l.head), escaped)
	s.forget()
	s.stats.Rounds.Add(1)
	return true
}

// deliver gives the subscription at the round's place its range, in one write. A subscription whose socket is full is detached.
func (s *Shard) deliver(l *log, i uint32) (used int) {
	b := s.subs.at(i)
	c := s.conns.at(b.conn)
	f := &s.frames[c.sess.Form]
	if s.blocked(c) > 0 || s.room(b) < int(l.end-l.head) {
		from := l.head
		s.enter(i, following)
		b.follow.cursor = from
		return 1
	}
	if l.large && large(l.at(l.head), f.form.Escaped()) {
		return s.deliverLarge(l, c, i)
	}
	out := s.roundFrames(f, l, b)
	if len(out) > 0 {
		s.told(b)
		s.sent(f, l.p)
		l.held = true
		stands := s.write(c, out)
		l.held = false
		if !stands {
			s.report(l) // before the log goes, when that was its last subscription
			l.failed(1, s.now)
			s.dropTarget(&l.target)
			return cost(len(out)) // c is gone, and with it the subscription: another has its place
		}
	}
	switch {
	case f.form.Escaped(): // what it was not given counts too
		l.wrote++
		l.skipped++
	case len(out) > 0:
		l.wrote++
	}
	l.served++
	return cost(len(out))
}

// deliverLarge is deliver for a push that is one range by itself. The transfer updates its report.
func (s *Shard) deliverLarge(l *log, c *Conn, i uint32) (used int) {
	l.held = true
	used, stands := s.transfer(c, i, l.at(l.head))
	l.held = false
	if !stands {
		s.dropTarget(&l.target)
		return used
	}
	l.served++
	return used
}

// report notes in the reports of the round under way how many were given its pushes since the last time.
func (s *Shard) report(l *log) {
	if l.wrote > 0 {
		for n := l.head; n < l.end; n++ {
			e, skipped := l.at(n), int32(0)
			if !carries(session.SockJS, e) {
				skipped = l.skipped
			}
			e.AddWritten(int(l.wrote-skipped), s.now)
			e.AddSkipped(int(skipped), s.now)
		}
		l.wrote, l.skipped = 0, 0
	}
}

// failed counts n subscriptions that were not given what the round under way brings.
func (l *log) failed(n int, now int64) {
	for i := l.head; i < l.end; i++ {
		l.at(i).AddFailed(n, now)
	}
}

// skip gives up what a panic interrupted. Subscribers that may have lost something are told.
func (s *Shard) skip() {
	at := s.doing
	s.doing = doing{}
	s.frames = newScratches()
	switch {
	case at.log != nil:
		l := at.log
		l.held = false
		s.report(l)
		if l.inRound() {
			l.failed(len(l.attached)-l.served, s.now)
			l.advance(l.end)
			l.gaps++
		}
	case at.unicast != nil:
		if u := &at.unicast.unicast; u.entries.Len() > 0 {
			e := u.entries.At(0)
			e.AddFailed(1, s.now)
			if t := at.unicast.users[e.Destination]; t != nil {
				t.gaps++
			}
			u.pop()
		}
	case at.conn != nil:
		s.drop(at.conn)
	}
}
