package kafka

import (
	"fmt"
	"time"
)

// start decides when a starting node is ready. It waits for all of its projects, since a client that connects earlier would be
// told of a gap that does not exist. But a project without progress, such as one whose topic the node may not read, does not
// keep it from serving the others.
type start struct {
	patience time.Duration // for a project without progress
	waits    map[*life]wait
}

// wait is a project's last progress, and when it was seen.
type wait struct {
	at    progress
	since time.Time
}

// progress changes whenever a project gets further. Records from partitions that have caught up are no progress: other
// partitions of the topic may have no leader.
type progress struct {
	found  bool
	behind int64
	early  uint64
}

// patience is the default of start. It is longer than Kafka's controllers take to elect another leader for a partition.
const patience = 10 * time.Second

// look returns nil when the node can begin to serve clients, else why it cannot. away is why the brokers cannot be queried, nil
// when they can.
func (s *start) look(now time.Time, projects []wanted, away error) error {
	if s.waits == nil {
		s.waits = map[*life]wait{}
	}
	served, pending := 0, 0
	var partitions int64
	for _, p := range projects {
		if p.life.served.Load() {
			served++
			continue
		}
		if s.moves(now, p, away) {
			pending++
		}
		partitions += p.life.behind.Load()
	}
	switch {
	case away != nil:
		return away
	case pending == 0 && (served > 0 || len(projects) == 0):
		return nil
	}
	var all []error
	for _, p := range projects {
		if err := p.life.obstacle(); err != nil && !p.life.served.Load() {
			all = append(all, err)
		}
	}
	if partitions > 0 {
		all = append(all, fmt.Errorf("%d partitions are still being read", partitions))
	}
	if len(all) == 0 {
		return errNotFound
	}
	return some(all)
}

// moves reports whether a project made progress within patience.
func (s *start) moves(now time.Time, p wanted, away error) bool {
	at := progress{found: p.life.found.Load(), behind: p.life.behind.Load(), early: p.life.early.Load()}
	last, known := s.waits[p.life]
	if !known || away != nil || last.at != at {
		last = wait{at, now}
		s.waits[p.life] = last
	}
	return now.Sub(last.since) < s.patience
}
