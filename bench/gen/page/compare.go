package page

import (
	"fmt"
	"html/template"
	"maps"
	"slices"

	"stentor/bench/gen/chart"
	"stentor/bench/gen/measure"
	"stentor/bench/gen/result"
)

// comparison is several runs beside each other.
type comparison struct {
	Table, Settings table
	Charts, Small   []template.HTML
}

func compare(runs []*report) (*comparison, error) {
	c := &comparison{Table: table{Head: []string{""}}}
	for i, r := range runs {
		name := r.Label
		if i > 0 && len(runs) > 1 {
			name += " (× " + runs[0].Label + ")"
		}
		c.Table.Head = append(c.Table.Head, name)
	}
	c.figures(runs)
	c.settings(runs)
	return c, c.draw(runs)
}

// value is a figure, if there is one.
type value struct {
	v  float64
	ok bool
}

// row adds a row with each run's value and its ratio to the first run's.
func (c *comparison) row(name string, runs []*report, write func(float64) string, of func(*report) value) {
	var cells []cell
	var first value
	any := false
	for i, r := range runs {
		v := of(r)
		cl := text("–")
		if v.ok {
			any = true
			cl = text(write(v.v))
			if i > 0 && first.ok {
				cl.Small = times(v.v, first.v)
			}
		}
		if i == 0 {
			first = v
		}
		cells = append(cells, cl)
	}
	if any {
		c.Table.add(name, cells...)
	}
}

func counted(n int64) value { return value{float64(n), true} }

func wholeOf(v float64) string { return whole(int64(v)) }

func (c *comparison) figures(runs []*report) {
	var verdicts []cell
	for _, r := range runs {
		v := cell{Text: "good", Kind: "good"}
		if !r.Good {
			v = cell{Text: "not good", Kind: "bad"}
		}
		verdicts = append(verdicts, v)
	}
	c.Table.add("verdict", verdicts...)
	c.row("connections, most at a time", runs, wholeOf, func(r *report) value { return counted(r.most()) })
	c.row("failures", runs, wholeOf, func(r *report) value { return counted(failed(r.total.Failures)) })
	c.row("messages delivered", runs, wholeOf, func(r *report) value { return counted(r.total.Delivered) })
	c.row("messages lost, repeated, out of order, corrupted or misrouted", runs, wholeOf, func(r *report) value { return counted(r.total.Order.Bad()) })
	c.row("heart-beats missed", runs, wholeOf, func(r *report) value { return counted(r.total.HeartbeatsMissed) })
	c.row("deliveries in the fastest second", runs, short, func(r *report) value { return value{r.fastest(), r.total.Delivered > 0} })
	c.latencies("latency", runs, func(r *report) (result.Latency, bool) { return figures(r.latency), true })
	c.latencies("connecting", runs, func(r *report) (result.Latency, bool) { return figures(r.connecting), true })
	c.row("server memory", runs, size, func(r *report) value { return value{r.mostMemory(), len(r.server) > 0} })
	c.row("server memory per connection", runs, each, func(r *report) value {
		v, ok := r.perConnection()
		return value{v, ok}
	})
	c.row("server CPU", runs, length, func(r *report) value {
		v, ok := r.cpu(0, r.result.Seconds)
		return value{v, ok}
	})
	for _, f := range runs[0].result.Phases {
		c.phase(f.Name, runs)
	}
}

// latencies adds a row for each of the usual percentiles.
func (c *comparison) latencies(name string, runs []*report, of func(*report) (result.Latency, bool)) {
	for _, f := range figure {
		c.row(name+" "+f.name, runs, micros, func(r *report) value {
			l, ok := of(r)
			return value{float64(f.of(&l)), ok && l.Count > 0}
		})
	}
}

// phase adds the figures of a phase, if another run has one of that name.
func (c *comparison) phase(name string, runs []*report) {
	if !slices.ContainsFunc(runs[1:], func(r *report) bool { return r.phase(name) != nil }) {
		return
	}
	before := len(c.Table.Rows)
	c.Table.Rows = append(c.Table.Rows, row{Name: "phase " + name, Kind: "group"})
	defer func() {
		if len(c.Table.Rows) == before+1 { // nothing was measured in it
			c.Table.Rows = c.Table.Rows[:before]
		}
	}()
	of := func(get func(*result.Phase) value) func(*report) value {
		return func(r *report) value {
			if f := r.phase(name); f != nil {
				return get(f)
			}
			return value{}
		}
	}
	c.row("connections opened a second", runs, short, of(func(f *result.Phase) value {
		return value{float64(f.Opened) / f.Seconds, f.Seconds > 0 && f.Opened > 0}
	}))
	c.row("deliveries a second", runs, short, of(func(f *result.Phase) value {
		return value{float64(f.Delivered) / f.Seconds, f.Seconds > 0 && f.Delivered > 0}
	}))
	c.latencies("latency", runs, func(r *report) (l result.Latency, ok bool) {
		if f := r.phase(name); f != nil {
			return f.Latency, true
		}
		return l, false
	})
	c.latencies("connecting", runs, func(r *report) (l result.Latency, ok bool) {
		if f := r.phase(name); f != nil {
			return f.Connecting, true
		}
		return l, false
	})
}

func (p *report) phase(name string) *result.Phase {
	for i := range p.result.Phases {
		if p.result.Phases[i].Name == name {
			return &p.result.Phases[i]
		}
	}
	return nil
}

// settings adds the settings that differ between runs.
func (c *comparison) settings(runs []*report) {
	c.Settings = table{Caption: "Settings that differ", Head: []string{"setting"}}
	names := map[string]bool{}
	for _, r := range runs {
		c.Settings.Head = append(c.Settings.Head, r.Label)
		for name := range r.result.Settings {
			names[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		var cells []cell
		differ := false
		for _, r := range runs {
			v, has := r.result.Settings[name]
			first, had := runs[0].result.Settings[name]
			differ = differ || v != first || has != had
			if !has {
				v = "–"
			}
			cells = append(cells, text(v))
		}
		if differ {
			c.Settings.add(name, cells...)
		}
	}
}

func (c *comparison) draw(runs []*report) error {
	longest, seconds := 0.0, 0
	for _, r := range runs {
		longest, seconds = max(longest, r.result.Seconds), max(seconds, len(r.result.Series))
	}
	overTime := func(title, note string, format func(float64) string, of func(*report) chart.Line) *chart.Chart {
		made := &chart.Chart{Title: title, Note: note, X: chart.Time(longest), Format: format}
		for i, r := range runs {
			l := color(of(r), i)
			// Gauges of similar runs cover each other: through the dashes the first stays visible.
			l.Name, l.Dashed = r.Label, l.Dashed || i > 0 && !l.Peaks
			made.Lines = append(made.Lines, l)
		}
		return made
	}
	late := func(i int) *chart.Chart {
		made := overTime(fmt.Sprintf("Latency of deliveries, %s", figure[i].name), thinned(seconds, worst), micros, func(r *report) chart.Line {
			l := line("", latencies(r.result.Series, figure[i].of))
			l.Peaks = true
			return l
		})
		made.Log = true
		return made
	}
	memory := overTime("Server memory", "", size, func(r *report) chart.Line { return line("", r.memory()) })
	memory.Base = 2
	err := render(&c.Charts,
		overTime("Connections", thinned(seconds, meanAndRange), short, func(r *report) chart.Line {
			return line("", gauge(r.result.Series, func(s *result.Second) int { return s.Connected + s.Slow }))
		}),
		overTime("Deliveries a second", thinned(seconds, meanAndRange), short, func(r *report) chart.Line {
			return line("", perSecond(r.result.Series, func(s *result.Second) int64 { return s.Delivered }))
		}),
	)
	if err != nil {
		return err
	}
	latency := spreadOf("Latency of deliveries, by percentile", runs, func(r *report) *measure.Latency { return r.latency })
	connecting := spreadOf("Time to connect, by percentile", runs, func(r *report) *measure.Latency { return r.connecting })
	return render(&c.Small, late(1), late(3), latency, connecting, memory,
		overTime("Server CPU", "cores kept busy", short, func(r *report) chart.Line { return line("", r.busy()) }))
}

func spreadOf(title string, runs []*report, of func(*report) *measure.Latency) *chart.Chart {
	d := spread(title)
	for i, r := range runs {
		d.put(r.Label, i, of(r))
	}
	return d.chart()
}
