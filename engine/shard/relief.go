package shard

import (
	"slices"
	"strings"

	"stentor/engine/refusal"
)

// relieve closes clients in the middle of pushes that history has evicted, while these hold more memory than their project
// may. The client that has been receiving for the longest time is closed first. It reports whether it has more to check.
func (s *Shard) relieve(deadline int64) (more bool) {
	if !s.relieving {
		return false
	}
	s.relieving = false
	crowded := s.crowded[:0]
	for _, n := range s.tenants {
		if s.crowds(n) {
			crowded = append(crowded, n)
		}
	}
	slices.SortFunc(crowded, func(a, b *tenant) int { return strings.Compare(a.settings.Name, b.settings.Name) })
	for _, n := range crowded {
		s.relieving = s.relieving || s.thin(n, deadline)
	}
	clear(crowded)
	s.crowded = crowded
	return s.relieving
}

func (s *Shard) crowds(n *tenant) bool {
	return n.oldest != nil && n.settings.History.Held() > s.conf.Limits.SlowBytes
}

func (s *Shard) thin(n *tenant, deadline int64) (more bool) {
	steps := 0
	for t := n.oldest; t != nil && s.crowds(n); {
		if steps++; steps%16 == 0 && s.clock() >= deadline {
			return true
		}
		c, evicted := t.conn, t.entry.Evicted()
		if t = t.newer; evicted {
			s.stats.SlowCloses.Add(1)
			s.cut(c, refusal.SlowBytes, "the client is still receiving a push that left history")
		}
	}
	return false
}

func (n *tenant) add(t *transfer) {
	if t.older = n.newest; t.older != nil {
		t.older.newer = t
	} else {
		n.oldest = t
	}
	n.newest = t
}

func (n *tenant) remove(t *transfer) {
	if t.older != nil {
		t.older.newer = t.newer
	} else {
		n.oldest = t.newer
	}
	if t.newer != nil {
		t.newer.older = t.older
	} else {
		n.newest = t.older
	}
}
