package load

import (
	"context"
	"sync"
	"time"

	"stentor/bench/gen/client"
	"stentor/bench/gen/measure"
	"stentor/bench/gen/push"
	"stentor/bench/gen/result"
	"stentor/engine/testkit/proc"
)

// stock records what happened in each phase and each second of a run. Its methods may be called from any goroutine.
type stock struct {
	run   *run
	began time.Time
	cpu   time.Duration // that this process had used by then
	ended chan struct{} // a second has ended; one place

	mu      sync.Mutex
	counted result.Totals // what all phases have together
	missing int64         // never came
	phases  []*phase
	second  second
	series  []result.Second
	server  *result.Server // what the last look said, nil when it failed
	first   *result.Server // what the look before the run said
	most    int            // connections
	rss     int64          // of this process
	base    int64          // that it had before the connections
	err     error          // of encoding a histogram
}

// The current phase and second, with their growing latencies.
type phase struct {
	result.Phase
	latency, connecting *measure.Latency
}

type second struct {
	result.Totals
	latency *measure.Latency
}

func newStock(r *run) *stock {
	base, _ := proc.OwnRSS() // 0 when it cannot be read
	return &stock{run: r, began: time.Now(), cpu: proc.OwnCPU(), base: base, ended: make(chan struct{}, 1), second: second{latency: measure.NewLatency()}}
}

func (s *stock) since() float64 { return time.Since(s.began).Seconds() }

// phase ends the phase before and begins one.
func (s *stock) phase(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.take()
	s.endPhase()
	s.phases = append(s.phases, &phase{result.Phase{Name: name, Begin: s.since()}, measure.NewLatency(), measure.NewLatency()})
}

func (s *stock) endPhase() {
	if n := len(s.phases); n > 0 {
		p := s.phases[n-1]
		p.Seconds = s.since() - p.Begin
		s.encode(&p.Latency, p.latency)
		s.encode(&p.Connecting, p.connecting)
		p.latency, p.connecting = nil, nil
	}
}

func (s *stock) encode(to *result.Latency, from *measure.Latency) {
	var err error
	if *to, err = result.NewLatency(from); err != nil {
		s.err = err
	}
}

// lost counts messages that never came.
func (s *stock) lost(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.missing += n
}

// take adds what is new to the phase and the second. mu is held.
func (s *stock) take() {
	latency, connecting := measure.NewLatency(), measure.NewLatency()
	now := totals(s.run.clients.Take(latency, connecting), s.run.pusher.Counts())
	now.Order.Lost += s.missing
	fresh := difference(&now, &s.counted)
	s.counted = now
	s.second.Add(&fresh)
	s.second.latency.Merge(latency)
	if n := len(s.phases); n > 0 {
		p := s.phases[n-1]
		p.Totals.Add(&fresh)
		p.latency.Merge(latency)
		p.connecting.Merge(connecting)
	}
}

// every ends a second each second, until ctx ends.
func (s *stock) every(ctx context.Context) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			s.endSecond()
		case <-ctx.Done():
			return
		}
	}
}

func (s *stock) endSecond() {
	rss, err := proc.OwnRSS()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.rss = max(s.rss, rss)
	}
	s.take()
	c := s.run.clients.Counts()
	s.most = max(s.most, c.Reading+c.Silent+c.Slow)
	e := result.Second{At: s.since(), Connected: c.Reading, Slow: c.Silent + c.Slow, Opening: c.Opening, Totals: s.second.Totals, Server: s.server}
	s.encode(&e.Latency, s.second.latency)
	s.series = append(s.series, e)
	s.second.Totals = result.Totals{}
	s.second.latency.Reset()
	select {
	case s.ended <- struct{}{}:
	default:
	}
}

// held returns how many connections the servers' metrics last reported, 0 when reading them failed.
func (s *stock) held() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil {
		return 0
	}
	return s.server.Connections
}

// look returns how long the run has lasted, the name of the phase, all totals so far and the last whole second.
func (s *stock) look() (at float64, name string, totals result.Totals, last result.Second) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.phases); n > 0 {
		name = s.phases[n-1].Name
	}
	if n := len(s.series); n > 0 {
		last = s.series[n-1]
	}
	totals.Add(&s.counted)
	return s.since(), name, totals, last
}

// after returns the seconds after the first n.
func (s *stock) after(n int) []result.Second {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.series[n:len(s.series):len(s.series)]
}

// result ends the last second and the last phase.
func (s *stock) result() *result.Result {
	s.endSecond()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endPhase()
	r := &result.Result{Format: result.Format, Started: s.began.UTC(), Seconds: s.since(), Series: s.series, Before: s.first}
	for _, p := range s.phases {
		r.Phases = append(r.Phases, p.Phase)
	}
	r.Generators = []result.Generator{generator(s.most, s.rss, s.base, proc.OwnCPU()-s.cpu)}
	if s.err != nil {
		s.run.problems = append(s.run.problems, s.err.Error())
	}
	return r
}

// totals puts the counts of clients and pushes into the result's form.
func totals(c client.Counts, p push.Counts) result.Totals {
	t := result.Totals{
		Opened: c.Opened, Dropped: c.Dropped, Left: c.Left, Pushed: p.Pushed, PushesRetried: p.Retried, Delivered: c.Delivered,
		HeartbeatsMissed: c.HeartbeatsMissed, Resumed: c.Resumed, NotResumed: c.Gaps,
		Failures: map[string]int64{}, Order: c.Order,
	}
	slow := c.SlowOrder
	slow.Lost = 0 // the server may leave messages out for who does not read
	t.Order.Add(slow)
	for cause, n := range c.Failures {
		t.Failures[cause] += int64(n)
	}
	for cause, n := range c.Ended {
		t.Failures["slow: "+cause] += int64(n)
	}
	for cause, n := range p.Failed {
		t.Failures[cause] += n
	}
	return t
}

// difference is now minus before.
func difference(now, before *result.Totals) result.Totals {
	d := result.Totals{
		Opened: now.Opened - before.Opened, Dropped: now.Dropped - before.Dropped, Left: now.Left - before.Left, Pushed: now.Pushed - before.Pushed,
		PushesRetried: now.PushesRetried - before.PushesRetried, Delivered: now.Delivered - before.Delivered,
		HeartbeatsMissed: now.HeartbeatsMissed - before.HeartbeatsMissed, Resumed: now.Resumed - before.Resumed,
		NotResumed: now.NotResumed - before.NotResumed, Order: now.Order,
	}
	b := before.Order
	d.Order.Add(measure.Order{Lost: -b.Lost, Repeated: -b.Repeated, Reordered: -b.Reordered, Corrupted: -b.Corrupted, Misrouted: -b.Misrouted})
	for cause, n := range now.Failures {
		if n -= before.Failures[cause]; n != 0 {
			if d.Failures == nil {
				d.Failures = map[string]int64{}
			}
			d.Failures[cause] = n
		}
	}
	return d
}
