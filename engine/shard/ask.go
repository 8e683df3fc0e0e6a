package shard

import (
	"sync"
	"sync/atomic"

	"stentor/engine/fifo"
	"stentor/engine/session"
)

// asked are steps of queries. They wait until the slice's deliveries are done, and a slice carries out one: so a loop
// that is at its limit still does nine tenths of what it would do without them.
type asked struct {
	waiting atomic.Int64
	mu      sync.Mutex
	steps   fifo.List[func()]
}

// Ask has the loop run one step of a query, behind the deliveries of its slice. Any goroutine may call it; a step must
// not take longer than 200 us or so.
func (s *Shard) Ask(step func()) {
	s.asked.mu.Lock()
	s.asked.steps.Push(step)
	s.asked.mu.Unlock()
	s.asked.waiting.Add(1)
	s.env.Wake()
}

// query runs one step and reports whether more wait.
func (s *Shard) query() (more bool) {
	if s.leavers.Len() > 0 {
		s.endLeavers()
	}
	if s.asked.waiting.Load() > 0 {
		s.asked.mu.Lock()
		step := s.asked.steps.Pop()
		s.asked.mu.Unlock()
		s.asked.waiting.Add(-1)
		step()
	}
	return s.leavers.Len() > 0 || s.asked.waiting.Load() > 0
}

// leaver is a project that was removed, whose sessions are being closed: all up to the slot are.
type leaver struct {
	p    *project
	slot uint32
}

// endLeavers closes sessions of a removed project, as many as one step can.
func (s *Shard) endLeavers() {
	one := s.leavers.Pop()
	room := stepUnits
	for ; one.slot < s.conns.used && one.p.counts.sessions.Load() > 0; one.slot++ {
		if room <= 0 {
			s.leavers.Push(one)
			return
		}
		room--
		if c := s.conns.at(one.slot + 1); c.state == stateOpen && c.project == one.p {
			room -= endUnits
			s.end(c, session.CloseTryLater, "the project is no longer served here")
		}
	}
}

// Asked is how many steps wait. Any goroutine may call it.
func (s *Shard) Asked() int { return int(s.asked.waiting.Load()) }
