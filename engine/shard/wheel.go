package shard

// tick is the wheel's resolution. It is also how often blocked subscriptions are tried again.
const (
	tickMillis = 20
	wheelSlots = 4096 // about 82 s a turn; later deadlines go round again
)

// timer is a connection's place in the wheel. Each connection has one: for the nearest of its deadlines.
type timer struct {
	next, prev uint32
	due        uint32 // tick number, which wraps after 2.7 years; 0 not in the wheel
}

// wheel is a hashed timing wheel over the connections of a shard.
type wheel struct {
	slots [wheelSlots]uint32
	now   uint32 // the tick whose slot is being worked through
	due   uint32 // head of what is left of that slot
}

func (s *Shard) schedule(c *Conn, tick uint32) {
	s.unschedule(c)
	if int32(tick-s.wheel.now) <= 0 {
		tick = s.wheel.now + 1
	}
	if tick == 0 { // the number has wrapped, and 0 means none
		tick = 1
	}
	c.timer.due = tick
	s.link(c, &s.wheel.slots[tick%wheelSlots])
}

// scheduleAfter counts from the time of this turn: when the loop has stood still, the wheel is behind it.
func (s *Shard) scheduleAfter(c *Conn, millis uint32) {
	s.schedule(c, uint32(s.now/1e6/tickMillis)+millis/tickMillis+1)
}

func (s *Shard) link(c *Conn, head *uint32) {
	c.timer.prev, c.timer.next = 0, *head
	if *head != 0 {
		s.conns.at(*head).timer.prev = c.idx
	}
	*head = c.idx
}

func (s *Shard) unschedule(c *Conn) {
	t := &c.timer
	if t.due == 0 {
		return
	}
	if t.next != 0 {
		s.conns.at(t.next).timer.prev = t.prev
	}
	switch {
	case t.prev != 0:
		s.conns.at(t.prev).timer.next = t.next
	case s.wheel.due == c.idx:
		s.wheel.due = t.next
	default:
		s.wheel.slots[t.due%wheelSlots] = t.next
	}
	*t = timer{}
}

// expire fires what is due up to tick until the deadline, and reports whether some is left.
func (s *Shard) expire(tick uint32, deadline int64) (more bool) {
	w := &s.wheel
	for n := 1; ; n++ {
		if w.due == 0 {
			if int32(w.now-tick) >= 0 {
				return false
			}
			w.now++
			slot := &w.slots[w.now%wheelSlots]
			w.due, *slot = *slot, 0
			continue
		}
		c := s.conns.at(w.due)
		due := c.timer.due
		s.unschedule(c)
		if int32(due-w.now) > 0 {
			c.timer.due = due
			s.link(c, &w.slots[due%wheelSlots])
			continue
		}
		s.timeout(c)
		if n%16 == 0 && s.clock() >= deadline {
			return true
		}
	}
}
