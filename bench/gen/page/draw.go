package page

import (
	"fmt"
	"html/template"
	"iter"
	"math"
	"slices"

	"stentor/bench/gen/chart"
	"stentor/bench/gen/measure"
	"stentor/bench/gen/result"
)

// colors is how many the style sheet has.
const colors = 8

// color gives line i a colour, and dashes once all colours are used.
func color(l chart.Line, i int) chart.Line {
	l.Color, l.Dashed = i%colors+1, i >= colors
	return l
}

// line makes a line of a series.
func line(name string, points iter.Seq[chart.Point]) chart.Line {
	return chart.Line{Name: name, Points: chart.Thin(slices.Collect(points), chart.Most)}
}

// gauge yields a value that holds at the end of each second.
func gauge(all []result.Second, of func(*result.Second) int) iter.Seq[chart.Point] {
	return func(yield func(chart.Point) bool) {
		for i := range all {
			if !yield(chart.At(all[i].At, float64(of(&all[i])))) {
				return
			}
		}
	}
}

// least is the shortest time, in seconds, over which a rate is computed: a shorter one shows false peaks. A run's last second
// may be arbitrarily short.
const least = 0.5

// perSecond yields counts per second. A second that is too short is added to the one before it.
func perSecond(all []result.Second, of func(*result.Second) int64) iter.Seq[chart.Point] {
	return func(yield func(chart.Point) bool) {
		from, n := 0.0, int64(0)
		for i := range all {
			s := &all[i]
			n += of(s)
			if i+1 < len(all) && (s.At-from < least || all[i+1].At-s.At < least) {
				continue
			}
			if !yield(chart.At(s.At, float64(n)/max(s.At-from, least))) {
				return
			}
			from, n = s.At, 0
		}
	}
}

// latencies yields one figure of each second's latencies. Seconds without any are gaps.
func latencies(all []result.Second, of func(*result.Latency) int64) iter.Seq[chart.Point] {
	return func(yield func(chart.Point) bool) {
		for i := range all {
			p := chart.Gap(all[i].At)
			if l := &all[i].Latency; l.Count > 0 {
				p = chart.At(all[i].At, math.Max(float64(of(l)), 1))
			}
			if !yield(p) {
				return
			}
		}
	}
}

func (p *report) memory() iter.Seq[chart.Point] {
	return func(yield func(chart.Point) bool) {
		for _, s := range p.server {
			if !yield(chart.At(s.at, float64(s.RSS))) {
				return
			}
		}
	}
}

// memoryEach yields the server's memory per connection while at least a tenth of the maximum is open: with fewer, the server's
// own memory dominates.
func (p *report) memoryEach() iter.Seq[chart.Point] {
	most := int64(0)
	for _, s := range p.server {
		most = max(most, s.Connections)
	}
	return func(yield func(chart.Point) bool) {
		for _, s := range p.server {
			v := chart.Gap(s.at)
			if one, ok := p.memoryOf(&s.Server); ok && s.Connections*10 >= most {
				v = chart.At(s.at, one)
			}
			if !yield(v) {
				return
			}
		}
	}
}

func (p *report) busy() iter.Seq[chart.Point] {
	return func(yield func(chart.Point) bool) {
		for _, v := range p.cores() {
			if !yield(chart.At(v.at, v.v)) {
				return
			}
		}
	}
}

// distribution makes a line of a histogram.
func distribution(name string, l *measure.Latency) chart.Line {
	made := chart.Line{Name: name}
	s := l.Summary()
	if s.Count == 0 {
		return made
	}
	add := func(x, us float64) { made.Points = append(made.Points, chart.At(x, math.Max(us, 1))) }
	const steps = 24 // to each nine
	for i := 0; ; i++ {
		x := math.Pow(10, float64(i)/steps)
		if x >= float64(s.Count) {
			break
		}
		add(x, float64(l.Quantile(1-1/x).Microseconds()))
	}
	add(float64(s.Count), float64(s.Most.Microseconds()))
	return made
}

// thinned describes a point that is more than one second.
func thinned(seconds int, what string) string {
	if each := (seconds + chart.Most - 1) / chart.Most; each > 1 {
		return fmt.Sprintf("each point stands for %d s: %s", each, what)
	}
	return ""
}

const (
	meanAndRange = "their mean; the pale area reaches from the lowest to the highest"
	worst        = "the worst of them"
)

// figure are the latencies that the charts show.
var figure = []struct {
	name string
	of   func(*result.Latency) int64
}{
	{"p50", func(l *result.Latency) int64 { return l.P50 }},
	{"p99", func(l *result.Latency) int64 { return l.P99 }},
	{"p99.9", func(l *result.Latency) int64 { return l.P999 }},
	{"max", func(l *result.Latency) int64 { return l.Most }},
}

// draw makes the charts.
func (p *report) draw() error {
	r := p.result
	all := r.Series
	time := chart.Time(r.Seconds)
	var bands []chart.Band
	for _, f := range r.Phases {
		bands = append(bands, chart.Band{Name: f.Name, From: f.Begin, To: f.Begin + f.Seconds})
	}
	overTime := func(c chart.Chart) *chart.Chart {
		c.X, c.Bands = time, bands
		return &c
	}

	connections := overTime(chart.Chart{Title: "Connections", Note: thinned(len(all), meanAndRange), Format: short})
	connected := color(line("connected", gauge(all, func(s *result.Second) int { return s.Connected })), 0)
	connected.Fill = true
	connections.Lines = append(connections.Lines, connected)
	for i, l := range []struct {
		name string
		of   func(*result.Second) int
	}{{"opening", func(s *result.Second) int { return s.Opening }}, {"read slowly or never", func(s *result.Second) int { return s.Slow }}} {
		if slices.ContainsFunc(all, func(s result.Second) bool { return l.of(&s) > 0 }) {
			connections.Lines = append(connections.Lines, color(line(l.name, gauge(all, l.of)), i+1))
		}
	}

	failing := overTime(chart.Chart{Title: "Failures a second, by cause", Note: thinned(len(all), worst), Format: short, Lines: causes(all, failures(p.total.Failures))})
	missed := overTime(chart.Chart{Title: "Heart-beats missed a second", Note: thinned(len(all), worst), Format: short})
	if p.total.HeartbeatsMissed > 0 {
		l := color(line("missed", perSecond(all, func(s *result.Second) int64 { return s.HeartbeatsMissed })), 3)
		l.Peaks = true
		missed.Lines = []chart.Line{l}
	}

	delivered := overTime(chart.Chart{Title: "Deliveries a second", Note: thinned(len(all), meanAndRange), Format: short})
	late := overTime(chart.Chart{Title: "Latency of deliveries", Note: thinned(len(all), worst), Format: micros, Log: true, Tall: true})
	if p.total.Delivered > 0 {
		l := color(line("delivered", perSecond(all, func(s *result.Second) int64 { return s.Delivered })), 0)
		l.Fill = true
		delivered.Lines = []chart.Line{l}
		for i, f := range figure {
			l := color(line(f.name, latencies(all, f.of)), i)
			l.Peaks = true
			late.Lines = append(late.Lines, l)
		}
	}
	if err := render(&p.Charts, connections, failing, delivered, late, missed); err != nil {
		return err
	}

	latency, connecting := spread("Latency of deliveries, by percentile"), spread("Time to connect, by percentile")
	for i := range r.Phases {
		f := &r.Phases[i]
		name := fmt.Sprintf("%d %s", i+1, f.Name)
		if err := latency.add(name, i, &f.Latency); err != nil {
			return err
		}
		if err := connecting.add(name, i, &f.Connecting); err != nil {
			return err
		}
	}
	memory := overTime(chart.Chart{Title: "Server memory", Format: size, Base: 2, Lines: []chart.Line{color(line("resident", p.memory()), 0)}})
	one := overTime(chart.Chart{Title: "Server memory per connection", Note: p.memoryNote(), Format: each, Lines: []chart.Line{color(line("resident", p.memoryEach()), 0)}})
	busy := overTime(chart.Chart{Title: "Server CPU", Note: "cores kept busy", Format: short, Lines: []chart.Line{color(line("cores", p.busy()), 0)}})
	memory.Lines[0].Fill, busy.Lines[0].Fill = true, true
	if err := render(&p.Small, latency.chart(), connecting.chart()); err != nil {
		return err
	}
	return render(&p.Server, memory, one, busy)
}

// causes makes a line for each of the most frequent causes of failures, and one for all others.
func causes(all []result.Second, by []failure) (lines []chart.Line) {
	const most = colors - 1
	named := by[:min(len(by), most)]
	for i, f := range named {
		l := color(line(f.cause, perSecond(all, func(s *result.Second) int64 { return s.Failures[f.cause] })), i)
		l.Peaks = true
		lines = append(lines, l)
	}
	if len(by) > most {
		l := color(line("other causes", perSecond(all, func(s *result.Second) int64 {
			n := failed(s.Failures)
			for _, f := range named {
				n -= s.Failures[f.cause]
			}
			return n
		})), most)
		l.Peaks = true
		lines = append(lines, l)
	}
	return lines
}

// distributions is a chart of several histograms.
type distributions struct {
	title string
	most  int64
	lines []chart.Line
}

func spread(title string) *distributions { return &distributions{title: title} }

func (d *distributions) add(name string, i int, l *result.Latency) error {
	h, err := l.Decode()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	d.put(name, i, h)
	return nil
}

func (d *distributions) put(name string, i int, h *measure.Latency) {
	d.most = max(d.most, h.Summary().Count)
	d.lines = append(d.lines, color(distribution(name, h), i))
}

func (d *distributions) chart() *chart.Chart {
	return &chart.Chart{Title: d.title, X: chart.Percentiles(d.most), Format: micros, Log: true, Lines: d.lines}
}

// render appends the charts that have something to show.
func render(to *[]template.HTML, all ...*chart.Chart) error {
	for _, c := range all {
		h, err := c.HTML()
		if err != nil {
			return err
		}
		if h != "" {
			*to = append(*to, h)
		}
	}
	return nil
}
