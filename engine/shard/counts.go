package shard

import "sync/atomic"

// counts are kept of a project, so that nobody has to walk over what it has. The loop writes them; any goroutine may
// read them.
type counts struct {
	sessions      atomic.Int64
	subscriptions atomic.Int64
	deliveries    atomic.Uint64
}

// ProjectCounts are what a project has and did on a shard.
type ProjectCounts struct {
	Sessions, Subscriptions int
	Deliveries              uint64
}

// Counts tells of a project on this shard. Any goroutine may call it, and the loop does not notice.
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
