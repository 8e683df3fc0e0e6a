package shard

import (
	"sync"
	"sync/atomic"

	"stentor/engine/fifo"
)

// asked holds the steps of queries. They wait for the slice's deliveries, and a slice runs one step: a loop at its limit
// still does nine tenths of what it would do without them.
type asked struct {
	waiting atomic.Int64
	mu      sync.Mutex
	steps   fifo.List[func()]
}

// Ask makes the loop run one step of a query, behind the deliveries of its slice. Any goroutine may call it; a step must
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
	if s.asked.waiting.Load() == 0 {
		return false
	}
	s.asked.mu.Lock()
	step := s.asked.steps.Pop()
	s.asked.mu.Unlock()
	s.asked.waiting.Add(-1)
	step()
	return s.asked.waiting.Load() > 0
}

// Asked is how many steps wait. Any goroutine may call it.
func (s *Shard) Asked() int { return int(s.asked.waiting.Load()) }
