package result

import (
	"errors"
	"fmt"
	"slices"
)

// Add adds the counts of p.
func (t *Totals) Add(p *Totals) {
	t.Opened += p.Opened
	t.Dropped += p.Dropped
	t.Left += p.Left
	t.Pushed += p.Pushed
	t.PushesRetried += p.PushesRetried
	t.Delivered += p.Delivered
	t.HeartbeatsMissed += p.HeartbeatsMissed
	t.Resumed += p.Resumed
	t.NotResumed += p.NotResumed
	t.Order.Add(p.Order)
	for cause, n := range p.Failures {
		if t.Failures == nil {
			t.Failures = map[string]int64{}
		}
		t.Failures[cause] += n
	}
}

// Total adds up all phases.
func (r *Result) Total() (t Totals) {
	for i := range r.Phases {
		t.Add(&r.Phases[i].Totals)
	}
	return t
}

// Merge combines the results of several generators that ran the same phases at the same time. Phases and seconds are matched
// by index.
func Merge(all []*Result) (*Result, error) {
	if len(all) == 0 {
		return nil, errors.New("there is no result to merge")
	}
	m := *all[0]
	m.Generators, m.Phases, m.Series, m.Notes, m.Verdict = nil, nil, nil, nil, Verdict{Good: true, Problems: []string{}}
	for _, r := range all {
		if r.Format != Format {
			return nil, fmt.Errorf("a result has format %d, not %d", r.Format, Format)
		}
		m.Seconds = max(m.Seconds, r.Seconds)
		if r.Started.Before(m.Started) {
			m.Started = r.Started
		}
		m.Generators = append(m.Generators, r.Generators...)
		if m.Before == nil { // all generators see the same servers
			m.Before = r.Before
		}
		m.Verdict.Good = m.Verdict.Good && r.Verdict.Good
		for _, text := range r.Notes {
			if !slices.Contains(m.Notes, text) {
				m.Notes = append(m.Notes, text)
			}
		}
		for _, p := range r.Verdict.Problems {
			m.Verdict.Problems = append(m.Verdict.Problems, r.host()+": "+p)
		}
		if err := m.mergePhases(r); err != nil {
			return nil, err
		}
		if err := m.mergeSeries(r); err != nil {
			return nil, err
		}
	}
	for _, r := range all {
		m.hold(r)
	}
	return &m, nil
}

// heldFor is by how many seconds the ends of generators that end together may differ.
const heldFor = 2

// hold adds r's connections to the last seconds of m after r's own end: they were open nearly to the end.
func (m *Result) hold(r *Result) {
	n := len(r.Series)
	if n == 0 || len(m.Series)-n > heldFor {
		return
	}
	last := &r.Series[n-1]
	for i := n; i < len(m.Series); i++ {
		m.Series[i].Connected += last.Connected
		m.Series[i].Slow += last.Slow
		m.Series[i].Opening += last.Opening
	}
}

// host names the generator of a result that one generator made.
func (r *Result) host() string {
	if len(r.Generators) == 1 {
		return r.Generators[0].Host
	}
	return "several hosts"
}

func (m *Result) mergePhases(r *Result) error {
	for i, p := range r.Phases {
		if i == len(m.Phases) {
			m.Phases = append(m.Phases, Phase{Name: p.Name, Begin: p.Begin})
		}
		to := &m.Phases[i]
		if to.Name != p.Name {
			return fmt.Errorf("phase %d is %s on one generator and %s on another", i+1, to.Name, p.Name)
		}
		to.Begin, to.Seconds = min(to.Begin, p.Begin), max(to.Seconds, p.Seconds)
		to.Totals.Add(&p.Totals)
		if err := errors.Join(to.Latency.merge(&p.Latency), to.Connecting.merge(&p.Connecting)); err != nil {
			return fmt.Errorf("phase %s: %w", p.Name, err)
		}
	}
	return nil
}

func (m *Result) mergeSeries(r *Result) error {
	for i, s := range r.Series {
		if i == len(m.Series) {
			m.Series = append(m.Series, Second{At: s.At})
		}
		to := &m.Series[i]
		to.Connected += s.Connected
		to.Slow += s.Slow
		to.Opening += s.Opening
		to.Totals.Add(&s.Totals)
		if to.Server == nil { // all generators see the same servers
			to.Server = s.Server
		}
		if err := to.Latency.merge(&s.Latency); err != nil {
			return fmt.Errorf("second %d: %w", i+1, err)
		}
	}
	return nil
}

// Judge sets the verdict; more are problems that the counts do not show.
func (r *Result) Judge(more ...string) {
	t := r.Total()
	problems := slices.Clone(more)
	add := func(n int64, what string) {
		if n != 0 {
			problems = append(problems, fmt.Sprintf("%d messages %s", n, what))
		}
	}
	add(t.Order.Lost, "lost")
	add(t.Order.Repeated, "repeated")
	add(t.Order.Reordered, "out of order")
	add(t.Order.Corrupted, "corrupted")
	add(t.Order.Misrouted, "delivered to the wrong project, user, destination or subscription")
	r.Verdict = Verdict{Good: len(problems) == 0, Problems: append([]string{}, problems...)}
}
