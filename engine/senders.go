package engine

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"stentor/engine/shard"
)

// senders are the holders whose sessions sent to a project lately. Each has a part of the project's pushes a second, on all
// loops together.
type senders struct {
	limit rate.Limit
	burst int

	mu             sync.Mutex
	lately, before map[shard.Holder]*rate.Limiter
	turned         time.Time
}

const (
	// senderPart is which part of a project's pushes a second one sender may take: half of what its clients may.
	senderPart = 4
	// forgetAfter is how long senders are known, or up to twice as long. A bucket is full again after a second.
	forgetAfter = 2 * time.Second
)

func newSenders(pushes rate.Limit) *senders {
	if pushes == rate.Inf {
		return &senders{limit: rate.Inf}
	}
	part := pushes / senderPart
	return &senders{limit: part, burst: max(1, int(part)), lately: map[shard.Holder]*rate.Limiter{}}
}

// allow reports whether h may send n more now, and counts them. More at once than h may send in a second uses up the whole
// second.
func (s *senders) allow(h shard.Holder, n int, now time.Time) bool {
	if s.limit == rate.Inf {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.turned) > forgetAfter {
		s.before, s.lately, s.turned = s.lately, map[shard.Holder]*rate.Limiter{}, now
	}
	l := s.lately[h]
	if l == nil {
		if l = s.before[h]; l == nil {
			l = rate.NewLimiter(s.limit, s.burst)
		}
		s.lately[h] = l
	}
	return l.AllowN(now, min(n, s.burst))
}
