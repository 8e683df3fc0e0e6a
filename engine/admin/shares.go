package admin

import (
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// shares bounds how much of something all owners hold together, and how much one of them: at most so many times what is
// then left for the others. So even if some hold all that they may, something is left for a newcomer (dynamic thresholds,
// as switches share their buffers among ports). An owner that holds nothing may have all that is left. Methods may be
// called from any goroutine.
type shares struct {
	limit int64
	times int64 // what one may hold, as a multiple of what is left
	what  string
	key   string // in the configuration

	crowded, full prometheus.Counter // refusals

	mu   sync.Mutex
	held int64
	of   map[string]int64 // by owner; owners that hold nothing are not in it
}

// newShares counts what it refuses in refused, whose label is the reason.
func newShares(limit, times int64, what, key string, refused *prometheus.CounterVec) *shares {
	return &shares{limit: limit, times: times, what: what, key: key, of: map[string]int64{},
		crowded: refused.WithLabelValues("share"), full: refused.WithLabelValues("full")}
}

// take lets owner hold n more, or returns the problem to answer with.
func (s *shares) take(owner string, n int64) *problem {
	s.mu.Lock()
	defer s.mu.Unlock()
	own, left := s.of[owner], s.limit-s.held-n
	switch {
	case own+n <= s.times*left, own == 0 && left >= 0:
		s.held += n
		s.of[owner] = own + n
		return nil
	case own > 0 && left >= 0:
		s.crowded.Inc()
		return newProblem(http.StatusTooManyRequests, codeLimit,
			"the requests of this key's owner use up their share of the API's %s: try again after Retry-After seconds, send fewer at a time, or raise limits.%s", s.what, s.key)
	}
	s.full.Inc()
	return newProblem(http.StatusServiceUnavailable, codeBusy,
		"other requests use up the API's %s: try again after Retry-After seconds, or raise limits.%s", s.what, s.key)
}

// give undoes a take.
func (s *shares) give(owner string, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held -= n
	if s.of[owner] -= n; s.of[owner] == 0 {
		delete(s.of, owner)
	}
}
