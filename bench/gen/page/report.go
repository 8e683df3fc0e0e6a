package page

import (
	"cmp"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"

	"stentor/bench/gen/measure"
	"stentor/bench/gen/result"
)

// report is what the template shows of one run.
type report struct {
	Label, Scenario, Started, Length string
	Good                             bool
	Headline                         string
	Problems, Notes                  []string
	Tiles                            []tile
	Tables                           []table
	Charts, Small, Server            []template.HTML // over the whole width, and two and three beside each other
	Generators                       table
	Settings                         [][2]string

	result     *result.Result
	total      result.Totals
	latency    *measure.Latency // of all phases
	connecting *measure.Latency
	server     []sample
}

type tile struct{ Name, Value, Small string }

func newReport(run Run) (*report, error) {
	r := run.Result
	p := &report{
		Label: run.Label, Scenario: r.Scenario, Started: day(r.Started), Length: length(r.Seconds), Good: r.Verdict.Good, Problems: r.Verdict.Problems,
		result: r, total: r.Total(), latency: measure.NewLatency(), connecting: measure.NewLatency(), server: samples(r),
	}
	for i := range r.Phases {
		for _, l := range []struct {
			from *result.Latency
			to   *measure.Latency
		}{{&r.Phases[i].Latency, p.latency}, {&r.Phases[i].Connecting, p.connecting}} {
			h, err := l.from.Decode()
			if err != nil {
				return nil, fmt.Errorf("phase %s: %w", r.Phases[i].Name, err)
			}
			l.to.Merge(h)
		}
	}
	p.Headline = p.headline()
	p.Notes = p.notes()
	p.Tiles = p.tiles()
	p.Tables = p.tables()
	p.Generators = generators(r)
	for _, name := range slices.Sorted(maps.Keys(r.Settings)) {
		p.Settings = append(p.Settings, [2]string{name, r.Settings[name]})
	}
	return p, p.draw()
}

func (p *report) headline() string {
	switch n := len(p.Problems); {
	case p.Good && p.total.Delivered > 0:
		return "Good: all " + whole(p.total.Delivered) + " messages came once, in order and intact"
	case p.Good:
		return "Good: nothing went wrong"
	case n == 0:
		return "Not good: the run has no verdict"
	case n == 1:
		return "Not good: " + p.Problems[0]
	default:
		return fmt.Sprintf("Not good: %d problems", n)
	}
}

// notes are remarks that do not make a run bad.
func (p *report) notes() (all []string) {
	t := &p.total
	for _, k := range p.result.Thresholds {
		if k.Kept { // the verdict names the others
			all = append(all, fmt.Sprintf("threshold %s is kept: %s", k.Threshold, k.Value))
		}
	}
	all = append(all, p.result.Notes...)
	for i, f := range failures(p.unsaid()) {
		if i == 8 {
			all = append(all, fmt.Sprintf("%d more causes of failures.", len(p.unsaid())-i))
			break
		}
		all = append(all, "failed "+plural(f.count, "time", "times")+": "+f.cause)
	}
	add := func(n int64, one, many string) {
		if n != 0 {
			all = append(all, plural(n, one, many))
		}
	}
	add(t.HeartbeatsMissed, "heart-beat of the server was missed", "heart-beats of the server were missed")
	add(t.NotResumed, "subscription could not be resumed: the server said so", "subscriptions could not be resumed: the server said so")
	add(t.PushesRetried, "push was repeated after the server refused it for the moment", "pushes were repeated after the server refused them for the moment")
	return all
}

// unsaid are the failures whose causes the verdict does not mention.
func (p *report) unsaid() map[string]int64 {
	said := strings.Join(p.Problems, "\n")
	rest := map[string]int64{}
	for cause, n := range p.total.Failures {
		if !strings.Contains(said, cause) {
			rest[cause] = n
		}
	}
	return rest
}

func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return whole(n) + " " + many
}

type failure struct {
	cause string
	count int64
}

// failures are sorted, the most frequent first.
func failures(by map[string]int64) (all []failure) {
	for cause, n := range by {
		if n != 0 {
			all = append(all, failure{cause, n})
		}
	}
	slices.SortFunc(all, func(a, b failure) int {
		return cmp.Or(cmp.Compare(b.count, a.count), strings.Compare(a.cause, b.cause))
	})
	return all
}

func failed(by map[string]int64) (n int64) {
	for v := range maps.Values(by) {
		n += v
	}
	return n
}

// most is the highest number of connections that were open in one second.
func (p *report) most() (n int64) {
	for _, s := range p.result.Series {
		n = max(n, int64(s.Connected+s.Slow))
	}
	if n == 0 {
		for _, g := range p.result.Generators {
			n += int64(g.Connections)
		}
	}
	return n
}

// fastest is the highest number of deliveries a second.
func (p *report) fastest() (most float64) {
	for v := range perSecond(p.result.Series, func(s *result.Second) int64 { return s.Delivered }) {
		most = max(most, v.High)
	}
	return most
}

func (p *report) tiles() []tile {
	l := p.latency.Summary()
	all := []tile{{"connections", whole(p.most()), "most at a time"}}
	if p.total.Delivered > 0 {
		all = append(all,
			tile{"messages delivered", short(float64(p.total.Delivered)), "from " + plural(p.total.Pushed, "push", "pushes")},
			tile{"deliveries a second", short(p.fastest()), "in the fastest second"},
		)
	}
	if l.Count > 0 {
		all = append(all,
			tile{"latency, 99 of 100", micros(float64(l.P99.Microseconds())), "half within " + micros(float64(l.P50.Microseconds()))},
			tile{"latency, slowest", micros(float64(l.Most.Microseconds())), "999 of 1,000 within " + micros(float64(l.P999.Microseconds()))},
		)
	}
	if c := p.connecting.Summary(); c.Count > 0 {
		all = append(all, tile{"connect, 99 of 100", micros(float64(c.P99.Microseconds())), "slowest " + micros(float64(c.Most.Microseconds()))})
	}
	if v, ok := p.perConnection(); ok {
		all = append(all, tile{"server memory", each(v), "per connection, " + p.memoryNote() + "; at most " + size(p.mostMemory())})
	}
	return all
}

func (p *report) tables() []table {
	r := p.result
	came := table{Caption: "Messages", Head: []string{"phase", "begins", "lasts", "pushed", "delivered", "a second", "p50", "p99", "p99.9", "max"}}
	right := table{Caption: "Checked", Head: []string{"phase", "delivered", "lost", "repeated", "out of order", "corrupted", "misrouted"}}
	open := table{Caption: "Connections", Head: []string{
		"phase", "opened", "dropped", "failed", "connecting p50", "p99", "p99.9", "max", "resumed", "not resumed", "heart-beats missed",
	}}
	add := func(name, begins string, seconds float64, t *result.Totals, l, c result.Latency) {
		rate := cell{Text: "–"}
		if seconds > 0 && t.Delivered > 0 {
			rate = text(short(float64(t.Delivered) / seconds))
		}
		came.add(name, text(begins), text(length(seconds)), count(t.Pushed), count(t.Delivered), rate,
			some(l.P50, l.Count), some(l.P99, l.Count), some(l.P999, l.Count), some(l.Most, l.Count))
		o := t.Order
		right.add(name, count(t.Delivered), wrong(o.Lost), wrong(o.Repeated), wrong(o.Reordered), wrong(o.Corrupted), wrong(o.Misrouted))
		open.add(name, count(t.Opened), count(t.Dropped), wrong(failed(t.Failures)), some(c.P50, c.Count), some(c.P99, c.Count), some(c.P999, c.Count),
			some(c.Most, c.Count), count(t.Resumed), wrong(t.NotResumed), wrong(t.HeartbeatsMissed))
	}
	for i := range r.Phases {
		f := &r.Phases[i]
		add(fmt.Sprintf("%d %s", i+1, f.Name), length(f.Begin), f.Seconds, &f.Totals, f.Latency, f.Connecting)
	}
	add("whole run", "", r.Seconds, &p.total, figures(p.latency), figures(p.connecting))
	all := []table{came, right, open}
	for i := range all {
		all[i].Rows[len(all[i].Rows)-1].Kind = "total"
	}
	if server := p.serverTable(); len(server.Rows) > 0 {
		all = append(all, server)
	}
	return all
}

// figures are the percentiles of l without its histogram.
func figures(l *measure.Latency) result.Latency {
	s := l.Summary()
	return result.Latency{Count: s.Count, P50: s.P50.Microseconds(), P99: s.P99.Microseconds(), P999: s.P999.Microseconds(), Most: s.Most.Microseconds()}
}

func generators(r *result.Result) table {
	t := table{Caption: "Load generators", Head: []string{"host", "connections", "CPU", "of a core", "memory", "per connection", "machine"}}
	for _, g := range r.Generators {
		one, share := text("–"), text("–")
		if v, ok := beyond(&result.Server{RSS: g.BaseRSS}, g.MostRSS, int64(g.Connections)); ok {
			one = text(each(v))
		}
		if r.Seconds > 0 {
			share = text(fmt.Sprintf("%.0f%%", 100*g.CPUSeconds/r.Seconds))
		}
		t.add(g.Host, count(int64(g.Connections)), text(length(g.CPUSeconds)), share, text(size(float64(g.MostRSS))), one, text(g.Machine.String()))
	}
	return t
}
