package shard

import "sync/atomic"

// counts are a project's running totals, so that nobody has to walk over all that it has. The loop writes them; any
// goroutine may read them.
type counts struct {
	sessions      atomic.Int64
	subscriptions atomic.Int64
	deliveries    atomic.Uint64
}

// ProjectCounts are the gauges and counters of a project on a shard.
type ProjectCounts struct {
	Sessions, Subscriptions int
	Deliveries              uint64
}

// Counts returns the counts of a project on this shard. Any goroutine may call it without disturbing the loop.
func (s *Shard) Counts(project string) ProjectCounts {
	v, ok := s.counts.Load(project)
	if !ok {
		return ProjectCounts{}
	}
	c := v.(*counts)
	return ProjectCounts{
		Sessions: int(c.sessions.Load()), Subscriptions: int(c.subscriptions.Load()), Deliveries: c.deliveries.Load(),
	}
}
