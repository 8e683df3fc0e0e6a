package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"stentor/bench/gen/load"
	"stentor/bench/gen/result"
)

// Run runs s on all agents and merges their results. With an error, too, it returns the result so far. When an agent was
// lost during the run, the verdict is bad and names the agent.
func Run(ctx context.Context, s *load.Spec, agents []string, token string, out load.Output) (*result.Result, error) {
	if len(agents) == 0 {
		return nil, errors.New("no agent is named")
	}
	seen := map[string]bool{}
	for _, address := range agents {
		if seen[address] {
			return nil, fmt.Errorf("agent %s is named twice", address)
		}
		seen[address] = true
	}
	return newController(s, agents, token, out).run(ctx)
}

func newController(s *load.Spec, agents []string, token string, out load.Output) *controller {
	c := &controller{
		id: rand.Uint32(), spec: s, out: out, quiet: silence, alive: aliveEvery,
		transport: &http.Transport{MaxIdleConnsPerHost: 2, ResponseHeaderTimeout: answerTimeout},
		happened:  make(chan happening), stopped: make(chan struct{}),
	}
	for _, address := range agents {
		c.agents = append(c.agents, &member{
			remote: remote{address, token, &http.Client{Transport: c.transport}}, said: make(chan say, sayings),
		})
	}
	return c
}

// sayAgain is the pause before a message is sent again.
const sayAgain = 100 * time.Millisecond

// sayings is how many messages to an agent may be pending: one point, one stop.
const sayings = 4

// controller is a run on several agents.
type controller struct {
	id     uint32
	spec   *load.Spec
	agents []*member
	out    load.Output
	quiet  time.Duration // see silence
	alive  time.Duration // see aliveEvery

	transport *http.Transport
	happened  chan happening
	stopped   chan struct{} // closed when nobody listens to happened any more
	stop      string        // why the agents were told to stop

	mu    sync.Mutex // for the progress
	began time.Time
}

// member is an agent of a run. Only Run's goroutine uses the fields after said, except the progress.
type member struct {
	remote
	said chan say

	done   bool // it has ended its part
	over   bool // there is nothing to come from it
	at     *point
	result *result.Result
	err    error
	clock  string
	latest *progress
}

// happening is an event of an agent, or its end.
type happening struct {
	from *member
	event
	over bool
	err  error
}

func (c *controller) run(ctx context.Context) (*result.Result, error) {
	defer c.transport.CloseIdleConnections()
	spec, err := c.spec.Encode()
	if err != nil {
		return nil, err
	}
	if err := c.greet(ctx); err != nil {
		return nil, err
	}
	// Agents stop by a message, so that they send their results; this ends the requests that then still hang.
	working, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)
	c.began = time.Now()
	var beside sync.WaitGroup
	for i, a := range c.agents {
		o := &order{Version: Version, Run: c.id, Index: i, Count: len(c.agents), Spec: spec}
		beside.Go(func() { c.follow(working, a, o) })
	}
	showing, hide := context.WithCancel(working)
	var show sync.WaitGroup
	show.Go(func() { load.Show(showing, c.out, c.spec, c.look) })

	c.listen(ctx, cut)
	close(c.stopped)
	cut(nil)
	beside.Wait()
	hide()
	show.Wait()
	return c.merge()
}

// greet sends hello to all agents and checks their clocks: one agent stamps a message and another reads it.
func (c *controller) greet(ctx context.Context) error {
	var wait sync.WaitGroup
	errs := make([]error, len(c.agents))
	ahead := make([]time.Duration, len(c.agents))
	for i, a := range c.agents {
		wait.Go(func() {
			var give time.Duration
			var err error
			if ahead[i], give, err = a.hello(ctx); err != nil {
				errs[i] = fmt.Errorf("agent %s: %w", a.address, err)
			}
			a.clock = fmt.Sprintf("%+.1f ms (give or take %.1f)", milliseconds(ahead[i]), milliseconds(give))
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if apart := slices.Max(ahead) - slices.Min(ahead); apart > farApart && c.out.Writer != nil {
		fmt.Fprintf(c.out.Writer, "the agents' clocks are up to %.0f ms apart, and latencies are wrong by as much: synchronize them with NTP\n", milliseconds(apart))
	}
	return nil
}

// farApart is how much clocks may differ without a warning.
const farApart = 5 * time.Millisecond

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1e3 }

// follow makes one agent run its part, and delivers its messages.
func (c *controller) follow(ctx context.Context, a *member, o *order) {
	ctx, cancel := context.WithCancel(ctx)
	var beside sync.WaitGroup
	beside.Go(func() { a.talk(ctx, c.id, c.alive) })
	err := a.remote.run(ctx, o, c.quiet, func(e event) { c.tell(happening{from: a, event: e}) })
	c.tell(happening{from: a, over: true, err: err})
	cancel()
	beside.Wait()
}

func (c *controller) tell(h happening) {
	select {
	case c.happened <- h:
	case <-c.stopped:
	}
}

// talk sends the pending messages, each until it is acknowledged, and in each interval a signal that the controller is
// alive, until ctx ends.
func (a *member) talk(ctx context.Context, run uint32, interval time.Duration) {
	t := time.NewTicker(interval)
	defer t.Stop()
	for {
		var m say
		select {
		case m = <-a.said:
		case <-t.C:
		case <-ctx.Done():
			return
		}
		m.Run = run
		for a.remote.say(ctx, m) != nil && (m.Go != nil || m.Stop != "") {
			// An agent that has not begun yet does not know the run. One that has gone ends ctx.
			select {
			case <-time.After(sayAgain):
			case <-ctx.Done():
				return
			}
		}
	}
}

// listen handles events until every agent is done. cut ends requests that hang.
func (c *controller) listen(ctx context.Context, cut context.CancelCauseFunc) {
	var late <-chan time.Time
	ended := ctx.Done()
	for slices.ContainsFunc(c.agents, func(a *member) bool { return !a.over }) {
		select {
		case h := <-c.happened:
			c.take(h)
		case <-ended:
			ended = nil
			c.end("the run was stopped")
		case <-late:
			cut(fmt.Errorf("it did not end within %v after it was told to", endTimeout))
		}
		if c.stop != "" && late == nil {
			t := time.NewTimer(endTimeout)
			defer t.Stop()
			late = t.C
		}
	}
}

// take handles an event.
func (c *controller) take(h happening) {
	a := h.from
	switch {
	case h.over:
		a.over = true
		if h.err != nil {
			a.err = fmt.Errorf("lost: %w", h.err)
			c.end(fmt.Sprintf("agent %s was lost: %v", a.address, h.err))
		}
	case h.Done != nil:
		a.ended(c, h.Done.Result)
		if h.Done.Error != "" {
			a.err = errors.New(h.Done.Error)
			c.end(fmt.Sprintf("agent %s ended: %s", a.address, h.Done.Error))
		}
		a.done = true
		if slices.ContainsFunc(c.agents, func(other *member) bool { return other.at != nil }) {
			c.meet() // it will not come
		}
	case h.Progress != nil:
		c.mu.Lock()
		a.latest = h.Progress
		c.mu.Unlock()
	case h.Point != nil:
		a.at = h.Point
		c.meet()
	}
}

// ended takes an agent's result, which may be partial.
func (a *member) ended(c *controller, r *result.Result) {
	a.result = r
	if r == nil || len(r.Phases) == 0 || len(r.Series) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	a.latest = &progress{Phase: r.Phases[len(r.Phases)-1].Name, Totals: r.Total(), Last: r.Series[len(r.Series)-1]}
}

// end tells all agents to stop.
func (c *controller) end(why string) {
	if c.stop != "" {
		return
	}
	c.stop = why
	for _, a := range c.agents {
		a.tell(say{Stop: why})
	}
}

// tell queues m for talk. There is always room: an agent has at most one point and one stop pending.
func (a *member) tell(m say) {
	select {
	case a.said <- m:
	default:
	}
}

// meet lets the agents continue when all have reached the next point.
func (c *controller) meet() {
	first := c.agents[0]
	highest := int64(math.MinInt64)
	for _, a := range c.agents {
		switch {
		case a.done || a.over:
			c.end(fmt.Sprintf("agent %s has ended while others go on", a.address))
			return
		case a.at == nil || first.at == nil:
			return
		case a.at.Name != first.at.Name:
			c.end(fmt.Sprintf("the agents do not agree on what comes next: agent %s is at %q, agent %s at %q", first.address, first.at.Name, a.address, a.at.Name))
			return
		}
		highest = max(highest, a.at.Value)
	}
	for _, a := range c.agents {
		a.tell(say{Go: &point{a.at.Number, a.at.Name, highest}})
		a.at = nil
	}
}

// look sums up the agents' progress.
func (c *controller) look() (at float64, phase string, totals result.Totals, last result.Second) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at = time.Since(c.began).Seconds()
	var all []*result.Result
	for _, a := range c.agents {
		if a.latest == nil {
			continue
		}
		phase = a.latest.Phase
		totals.Add(&a.latest.Totals)
		all = append(all, &result.Result{Format: result.Format, Series: []result.Second{a.latest.Last}})
	}
	if m, err := result.Merge(all); err == nil && len(m.Series) > 0 { // it is shown only
		last = m.Series[0]
	}
	return at, phase, totals, last
}

// merge merges the results of all agents.
func (c *controller) merge() (*result.Result, error) {
	var all []*result.Result
	var problems []string
	for _, a := range c.agents {
		if a.result != nil {
			for i := range a.result.Generators {
				a.result.Generators[i].Host = strings.TrimSpace(a.result.Generators[i].Host + " (" + a.address + ")")
			}
			all = append(all, a.result)
		}
		if a.err != nil && a.err.Error() != c.stop { // who was stopped only says so
			problems = append(problems, fmt.Sprintf("agent %s: %v", a.address, a.err))
		}
	}
	if len(problems) == 0 && c.stop != "" {
		problems = append(problems, c.stop)
	}
	var err error
	if len(problems) > 0 {
		err = errors.New(strings.Join(problems, "; "))
	}
	if len(all) == 0 {
		if err == nil {
			err = errors.New("no agent has a result")
		}
		return nil, err
	}
	m, merging := result.Merge(all)
	if merging != nil {
		return nil, errors.Join(err, merging)
	}
	m.Scenario, m.Settings = c.spec.Scenario, map[string]string{}
	maps.Copy(m.Settings, c.out.Settings)
	for _, a := range c.agents {
		m.Settings["clock of "+a.address] = a.clock
	}
	if len(problems) > 0 {
		m.Verdict.Good = false
		m.Verdict.Problems = append(problems, m.Verdict.Problems...)
	}
	return m, err
}
