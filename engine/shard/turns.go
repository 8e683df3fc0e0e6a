package shard

// Detached subscriptions are tried in turns, so that no client's resumes or slowness delay others: projects take turns of
// followTurn, within a project its sessions and subscriptions do, and a session whose tries have taken sessionShare of a
// tick waits for the next.
const (
	followTurn   = slice / 10
	followLeast  = slice / 40    // however little the rounds have left
	sessionShare = tickTime / 10 // ns of a loop's time in a tick
)

// tickTime is the time between two ticks in ns.
const tickTime = tickMillis * 1_000_000

// followSoon has c's detached subscriptions tried again after this turn. It is no task of the inbox: when thousands of
// clients resume at once, pushes would wait behind them.
func (s *Shard) followSoon(c *Conn) {
	p := c.project
	p.soon.Push(c.ref())
	if p.named {
		return
	}
	p.named = true
	s.soon.Push(p)
	if s.soon.Len() == 1 {
		s.env.Wake()
	}
}

// followAgain is called when c can be given something again.
func (s *Shard) followAgain(c *Conn) {
	some := false
	for i := c.subs; i != 0; i = s.subs.at(i).next {
		if b := s.subs.at(i); b.state.detached() {
			b.follow.next, b.follow.wait = s.tick, 0
			some = true
		}
	}
	if some {
		s.followSoon(c)
	}
}

// followNamed tries those that followSoon named.
func (s *Shard) followNamed(deadline int64) (more bool) {
	deadline = max(deadline, s.clock()+followLeast)
	for s.soon.Len() > 0 && s.clock() < deadline {
		p := s.soon.At(0)
		for turn := s.now + followTurn; p.soon.Len() > 0 && s.clock() < min(turn, deadline); {
			c := s.find(p.soon.Pop())
			if c != nil && c.project == p && s.followSome(c, min(turn, deadline)) {
				p.soon.Push(c.ref())
			}
		}
		s.soon.Pop()
		if p.soon.Len() > 0 {
			s.soon.Push(p)
		} else {
			p.named = false
		}
	}
	return s.soon.Len() > 0
}

// followSome tries some of c's detached subscriptions, and reports whether one of them has yet to find what it may be
// given. The others have their turn with the next tick: this must not outgrow a slice.
func (s *Shard) followSome(c *Conn, deadline int64) (more bool) {
	tries, idle := 8, 0
	for i := c.subs; i != 0 && tries > 0 && c.state == stateOpen && s.now < deadline; {
		b := s.subs.at(i)
		next := b.next
		if b.state.detached() && s.followOne(i) {
			tries--
			more = more || s.unfinished
		} else if idle++; idle%64 == 0 {
			s.clock()
		}
		i = next
	}
	return more
}

// walkSoon queues p for a walk over the detached subscriptions that this tick's walk has not reached.
func (s *Shard) walkSoon(p *project) {
	if !p.walking {
		p.walking = true
		s.walks.Push(p)
	}
}

// walkAgain begins the walks of a new tick, where those of the last are finished.
func (s *Shard) walkAgain() {
	s.clearShares()
	for _, p := range s.followed {
		if p.walked >= len(p.detached) {
			p.walked = 0
		}
		s.walkSoon(p)
	}
}

// clearShares begins the shares of a new tick. A map keeps the room for as many as it ever had, and clearing it takes time
// for all: after a burst it is replaced.
func (s *Shard) clearShares() {
	const keep = 1024
	n := len(s.shares)
	s.sharers = max(s.sharers, n)
	switch {
	case s.sharers > keep && n < s.sharers/8:
		s.shares, s.sharers = map[uint32]int64{}, 0
	case n > 0:
		clear(s.shares)
	}
}

// followAll tries the detached subscriptions again, from where the last slice stopped.
func (s *Shard) followAll(deadline int64) (more bool) {
	deadline = max(deadline, s.clock()+followLeast)
	for s.walks.Len() > 0 && s.clock() < deadline {
		p := s.walks.At(0)
		s.walk(p, min(s.now+followTurn, deadline))
		s.walks.Pop()
		if p.walked < len(p.detached) {
			s.walks.Push(p)
		} else {
			p.walking = false
		}
	}
	return s.walks.Len() > 0
}

func (s *Shard) walk(p *project, deadline int64) {
	for idle := 0; p.walked < len(p.detached) && s.now < deadline; {
		i := p.detached[p.walked]
		c := s.conns.at(s.subs.at(i).conn)
		if tried := s.followOne(i); !tried {
			if idle++; idle%64 == 0 {
				s.clock()
			}
		} else if s.unfinished && c.project == p {
			s.followSoon(c) // its share is not used up by one step
		}
		if p.walked < len(p.detached) && p.detached[p.walked] == i {
			p.walked++
		}
	}
}

// followOne moves a detached subscription on as far as its client takes it, and reports whether it was its turn. The time
// is charged to its session.
func (s *Shard) followOne(i uint32) (tried bool) {
	b := s.subs.at(i)
	s.unfinished = false
	if int32(s.tick-b.follow.next) < 0 {
		return false
	}
	if s.shares[b.conn] >= sessionShare {
		s.stats.Paused.Add(1)
		return false
	}
	began := s.now
	conn := b.conn
	c := s.conns.at(conn)
	s.doing = doing{conn: c}
	s.move(c, i)
	s.doing = doing{} // not deferred: a panic must find it
	if took := s.clock() - began; took > 0 {
		s.shares[conn] += took
	}
	return true
}
