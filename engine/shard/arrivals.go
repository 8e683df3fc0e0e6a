package shard

import "stentor/engine/history"

// Routing a push that matches many patterns takes as long as several writes, and a back end may publish ten thousand at
// once. So the pushes of a project with sessions are routed in the project's turns, like writes: other projects' pushes do
// not wait behind them in the inbox.

// arriving stands for a project's arrivals in its queue.
var arriving = &log{}

// arrival is a push, or a task to run between two of them.
type arrival struct {
	entry *history.Entry
	then  func()
}

// The cost of routing, in the steps of some 10 ns that pattern look-ups are counted in, see limits.pattern_steps.
const (
	routeSteps = 16
	matchSteps = 8   // to append to one log
	unitSteps  = 512 // of a turn's unit, a small write
)

// takeIn takes a push from the inbox.
func (s *Shard) takeIn(name string, e *history.Entry) {
	p := s.projects[name]
	if p == nil {
		s.take(name, e)
		return
	}
	p.arrivals.Push(arrival{entry: e})
	s.enqueue(p, arriving)
}

// afterArrivals has then run behind all pushes of the project that have arrived, or reports that there are none.
func (s *Shard) afterArrivals(name string, then func()) bool {
	p := s.projects[name]
	if p == nil || p.arrivals.Len() == 0 {
		return false
	}
	p.arrivals.Push(arrival{then: then})
	return true
}

// routeSome routes what has arrived for p.
func (s *Shard) routeSome(p *project, budget int) (used int, more bool) {
	steps := 0
	for p.arrivals.Len() > 0 && steps < budget*unitSteps {
		steps += s.arrive(p)
	}
	return steps / unitSteps, p.arrivals.Len() > 0
}

func (s *Shard) arrive(p *project) (steps int) {
	a := p.arrivals.Pop()
	switch name := p.settings.Name; {
	case a.entry != nil:
		return s.take(name, a.entry)
	case s.tenants[name] != nil:
		a.then()
	}
	return routeSteps
}

// routeAll is for a project without subscribers, or one that is no longer served: nothing is looked up.
func (s *Shard) routeAll(p *project) {
	for p.arrivals.Len() > 0 {
		s.arrive(p)
	}
}
