package shard

import (
	"stentor/engine/fifo"
	"stentor/engine/history"
)

// unicast is a project's pushes to users and sessions that wait for their turn, numbered from 0.
type unicast struct {
	entries fifo.List[*history.Entry]
	base    uint64 // number of the oldest
	begun   bool   // the oldest is being delivered
	at      uint32 // the next session of its user
	queued  bool
}

func (u *unicast) next() uint64 { return u.base + uint64(u.entries.Len()) }

// untouched is the number of the oldest push that nobody was given.
func (u *unicast) untouched() uint64 {
	if u.begun {
		return u.base + 1
	}
	return u.base
}

func (u *unicast) pop() {
	u.entries.Pop().Done()
	u.base++
	u.begun, u.at = false, 0
}

func (u *unicast) clear() {
	for u.entries.Len() > 0 {
		u.pop()
	}
}

// reachable reports whether someone on this shard may get e.
func (s *Shard) reachable(p *project, e *history.Entry) bool {
	if p.users[e.Destination] == nil {
		return false
	}
	if e.Session != "" {
		return s.addressee(p, e) != nil
	}
	return s.sessionsOf(p, e.User) != 0
}

// addressee is the session that e is for.
func (s *Shard) addressee(p *project, e *history.Entry) *Conn {
	index, ref, ok := ParseSessionID(e.Session, s.conf.Instance)
	if !ok || index != s.conf.Index {
		return nil
	}
	if c := s.find(ref); c != nil && c.project == p {
		return c
	}
	return nil
}

// unicast delivers pushes to users and sessions.
func (s *Shard) unicast(p *project, budget int) (used int, more bool) {
	u := &p.unicast
	for u.entries.Len() > 0 {
		e := u.entries.At(0)
		if e.Session != "" {
			used++
			if c := s.addressee(p, e); c != nil {
				used += s.deliverTo(c, e, u.base) - 1
			}
		} else if !u.begun {
			if u.begun, u.at = true, s.sessionsOf(p, e.User); u.at == 0 {
				used++
			}
		}
		for u.at != 0 {
			if used >= budget {
				return used, true
			}
			c := s.conns.at(u.at)
			u.at = c.userNext // forgetUser moves it on when that session leaves
			used += s.deliverTo(c, e, u.base)
		}
		if u.entries.Len() > 0 && u.entries.At(0) == e { // else the project's last session left during its write
			u.pop()
		}
		if used >= budget {
			break
		}
	}
	return used, u.entries.Len() > 0
}

// deliverTo gives e to the subscriptions of c that want it.
func (s *Shard) deliverTo(c *Conn, e *history.Entry, number uint64) (used int) {
	used = 1
	for i := c.subs; i != 0 && c.state == stateOpen; {
		b := s.subs.at(i)
		next := b.next
		if b.target.log == nil && b.target.name == e.Destination {
			used += s.give(c, i, e, number)
		}
		i = next
	}
	return used
}

// give writes e to a user's subscription at once, or puts it behind what already waits for it.
func (s *Shard) give(c *Conn, i uint32, e *history.Entry, number uint64) int {
	b := s.subs.at(i)
	if b.state.detached() && !b.wants(e, number) {
		return 1
	}
	if b.state == direct || b.state == following && number >= b.follow.from {
		e.AddMatched(1)
	}
	if b.state == direct && (s.blocked(c) > 0 || s.room(b) < 1) {
		s.enter(i, following)
	}
	if b.state.detached() {
		b.target.p.settings.History.Extend(&b.follow.past, e)
		return 1
	}
	f := &s.frames[c.sess.Form]
	if large(e, f.form.Escaped()) {
		used, _ := s.transfer(c, i, e)
		return used
	}
	f.begin()
	s.appendNoted(f, b, e, b.note())
	n := len(f.buf)
	e.AddSkipped(f.skipped, s.now)
	if n > 0 {
		s.told(b)
		s.sent(f, c.project)
		if s.write(c, f.buf) {
			e.AddWritten(1, s.now)
		} else {
			e.AddFailed(1, s.now)
		}
	}
	return cost(n)
}

// wants reports whether a push of the project's unicast queue is for a user's detached subscription. A push to its session
// before its resume is answered is; one to its user then is left for the resume to find.
func (b *sub) wants(e *history.Entry, number uint64) bool {
	f := b.follow
	if b.state == resuming {
		return e.Session != "" && number >= f.from && !has(f.resume.search.Seen(), e.Position)
	}
	if at := f.early; at != nil && number < at.until {
		return (number >= f.from || e.Session != "" && number >= at.from) && !has(at.seen, e.Position)
	}
	return number >= f.from
}

// queuePassed reports whether all pushes that are not for a user's detached subscription have left the queue, whose oldest
// is base.
func (f *follow) queuePassed(base uint64) bool {
	return base >= f.from && (f.early == nil || base >= f.early.until)
}
