package jwks

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// MinPause is the time between the beginnings of two fetches, whoever asks. Tokens that no key verifies can be sent without end.
const MinPause = 10 * time.Second

// mostBackoff bounds the pauses between fetches that fail.
const mostBackoff = 2 * time.Minute

// Set is what one fetch found. It never changes.
type Set struct {
	Keys  []Key
	Begun time.Time // of the fetch
}

// Source has the keys of one provider. All methods may be called from any goroutine.
type Source struct {
	spec    Spec
	all     *Sources
	current atomic.Pointer[Set]
	version atomic.Uint32

	refreshed, failed atomic.Uint64

	mu       sync.Mutex
	asked    []asking // who waits for a fetch, in their order
	fetching bool
	begun    time.Time // of the last fetch; the zero time before the first
	ended    time.Time
	next     time.Time // when the next one is due
	failures int       // in a row
	err      error     // of the last one
	closed   bool

	wake chan struct{}
	stop context.CancelFunc // nil until it runs
}

// asking is somebody who waits for a fetch that begins later than at.
type asking struct {
	at   time.Time
	done func(error)
}

// ErrClosed answers those who ask a source that nobody uses any more.
var ErrClosed = errors.New("the keys of the identity provider are no longer fetched")

// Spec is where the keys are.
func (s *Source) Spec() Spec { return s.spec }

// Set is what is known of the keys: nil before the first fetch, and when the last one that succeeded is too old.
func (s *Source) Set() *Set { return s.current.Load() }

// Version changes whenever a key is gone: what was verified before may be no more.
func (s *Source) Version() uint32 { return s.version.Load() }

// Ask makes the source fetch the keys. done is called once, on any goroutine, also before Ask returns: with nil after a fetch
// that began after Ask was called, or with the error of one that failed. A provider that has just failed is not asked again.
func (s *Source) Ask(done func(error)) {
	s.mu.Lock()
	err := ErrClosed
	if !s.closed {
		if err = s.err; err == nil || s.fetching || time.Since(s.ended) >= MinPause {
			s.asked = append(s.asked, asking{time.Now(), done})
			s.mu.Unlock()
			s.rouse()
			return
		}
	}
	s.mu.Unlock()
	done(err)
}

func (s *Source) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run fetches until ctx ends.
func (s *Source) run(ctx context.Context) {
	for {
		s.forget()
		timer := time.NewTimer(s.pause())
		select {
		case <-ctx.Done():
			timer.Stop()
			s.close()
			return
		case <-s.wake:
			timer.Stop()
		case <-timer.C:
		}
		if s.due() {
			s.refresh(ctx)
		}
	}
}

// fetchAt is when the next fetch begins. The caller holds mu.
func (s *Source) fetchAt() time.Time {
	at := s.next
	if earliest := s.begun.Add(MinPause); len(s.asked) > 0 && at.After(earliest) {
		at = earliest
	}
	return at
}

// pause is how long nothing is to be done.
func (s *Source) pause() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.fetchAt()
	if set := s.Set(); set != nil {
		if old := set.Begun.Add(s.all.o.MaxAge); old.Before(at) {
			at = old
		}
	}
	return time.Until(at)
}

func (s *Source) due() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !time.Now().Before(s.fetchAt())
}

// forget lets go of keys that are too old.
func (s *Source) forget() {
	if set := s.Set(); set != nil && time.Since(set.Begun) >= s.all.o.MaxAge {
		s.all.o.Log.Error("the keys of an identity provider are too old: its clients are told to come back later", "provider", s.spec.Name(), "age", s.all.o.MaxAge)
		s.current.Store(nil)
		s.version.Add(1)
	}
}

// refresh fetches once, and answers who waits for it.
func (s *Source) refresh(ctx context.Context) {
	leave := s.all.enter(ctx, s.failing())
	s.mu.Lock()
	s.fetching, s.begun = true, time.Now()
	begun := s.begun
	s.mu.Unlock()
	keys, passed, err := fetch(ctx, s.all.client, s.spec)
	leave()
	if ctx.Err() != nil {
		return
	}
	if err == nil {
		s.take(&Set{Keys: keys, Begun: begun}, passed)
	}
	for _, a := range s.end(err) {
		a.done(err)
	}
}

func (s *Source) failing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failures > 0
}

// take stores what was fetched.
func (s *Source) take(set *Set, passed int) {
	old := s.Set()
	gone := 0
	if old != nil {
		for _, k := range old.Keys {
			if !slices.ContainsFunc(set.Keys, k.equal) {
				gone++
			}
		}
	}
	s.current.Store(set)
	if gone > 0 {
		s.version.Add(1) // only now: a reader that sees it sees the new keys
	}
	if old == nil || gone > 0 || len(old.Keys) != len(set.Keys) {
		s.all.o.Log.Info("keys of an identity provider", "provider", s.spec.Name(), "keys", len(set.Keys), "gone", gone, "not_usable", passed)
	}
}

// end notes how a fetch ended, and returns who waited for it. Those who asked while it was under way wait for the next one,
// unless it failed.
func (s *Source) end(err error) (answered []asking) {
	s.mu.Lock()
	defer s.mu.Unlock()
	recovered := s.failures > 0 && err == nil
	s.fetching, s.ended, s.err = false, time.Now(), err
	wait := s.all.o.Refresh
	if err == nil {
		s.failures = 0
		s.refreshed.Add(1)
	} else {
		s.failures++
		s.failed.Add(1)
		wait = min(wait, MinPause<<min(s.failures-1, 10), mostBackoff)
	}
	s.next = s.ended.Add(max(MinPause, wait*9/10+rand.N(wait/10)))
	s.report(recovered)
	n := len(s.asked)
	if err == nil {
		if late := slices.IndexFunc(s.asked, func(a asking) bool { return a.at.After(s.begun) }); late >= 0 {
			n = late
		}
	}
	answered, s.asked = s.asked[:n:n], slices.Clone(s.asked[n:])
	return answered
}

// report writes lines when a provider goes away, ever more rarely while it is away, and when it is back.
func (s *Source) report(recovered bool) {
	log := s.all.o.Log
	switch n := s.failures; {
	case recovered:
		log.Info("an identity provider answers again", "provider", s.spec.Name())
	case n > 0 && n&(n-1) == 0:
		log.Warn("the keys of an identity provider cannot be fetched", "provider", s.spec.Name(), "error", s.err, "failures", n)
	}
}

// close answers who still waits.
func (s *Source) close() {
	s.mu.Lock()
	s.closed = true
	asked := s.asked
	s.asked = nil
	s.mu.Unlock()
	for _, a := range asked {
		a.done(ErrClosed)
	}
}

// Stats counts what a source did.
type Stats struct {
	Provider          string
	Refreshed, Failed uint64
	Keys              int
	Age               time.Duration // of the keys; 0 without any
}

// Stats may be called from any goroutine.
func (s *Source) Stats() Stats {
	x := Stats{Provider: s.spec.Name(), Refreshed: s.refreshed.Load(), Failed: s.failed.Load()}
	if set := s.Set(); set != nil {
		x.Keys, x.Age = len(set.Keys), time.Since(set.Begun)
	}
	return x
}
