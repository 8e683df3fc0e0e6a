package load

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"stentor/bench/gen/result"
)

const (
	redraw   = 500 * time.Millisecond
	lineEach = 5 * time.Second
)

// Escape sequences that turn a terminal's line wrapping off and on.
const (
	noWrap = "\x1b[?7l"
	wrap   = "\x1b[?7h"
)

// maxCauses is how many causes of failures a terminal shows: the block has to fit on it.
const maxCauses = 8

// progress shows a run's progress: on a terminal as a block that is redrawn, else as a line every few seconds.
type progress struct {
	out      Output
	scenario string
	wanted   int // connections
	look     func() (at float64, phase string, totals result.Totals, last result.Second)
	lines    int // that the last drawing took
}

// Show shows a run's progress until ctx ends, as Run does, for a controller of other generators.
func Show(ctx context.Context, out Output, s *Spec, look func() (at float64, phase string, totals result.Totals, last result.Second)) {
	p := &progress{out: out, scenario: s.Scenario, wanted: s.Connections, look: look}
	p.show(ctx)
	p.last()
}

// show draws until ctx ends.
func (p *progress) show(ctx context.Context) {
	if p.out.Writer == nil {
		return
	}
	every := lineEach
	if p.out.Terminal {
		every = redraw
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			p.draw()
		case <-ctx.Done():
			return
		}
	}
}

// last draws the final state.
func (p *progress) last() {
	if p.out.Writer != nil {
		p.draw()
	}
}

func (p *progress) draw() {
	at, name, totals, last := p.look()
	if name == "" {
		return // nothing has begun
	}
	if !p.out.Terminal {
		fmt.Fprintln(p.out.Writer, line(at, name, &totals, &last))
		return
	}
	var b strings.Builder
	b.WriteString(noWrap) // a line that took two would be left behind by the next drawing
	if p.lines > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", p.lines)
	}
	p.lines = 0
	for _, text := range block(at, p.scenario, name, p.wanted, &totals, &last) {
		fmt.Fprintf(&b, "\r%s\x1b[K\n", text)
		p.lines++
	}
	b.WriteString("\x1b[J" + wrap)
	_, _ = io.WriteString(p.out.Writer, b.String()) // nobody to tell
}

// line is one plain line.
func line(at float64, phase string, t *result.Totals, s *result.Second) string {
	text := fmt.Sprintf("%7.1fs  %-9s %s open (+%d/s)  %s/s delivered  %s", at, phase, group(int64(s.Connected+s.Slow)), s.Opened, group(s.Delivered), percentiles(&s.Latency))
	if t.HeartbeatsMissed > 0 {
		text += fmt.Sprintf("  %d heart-beats missed", t.HeartbeatsMissed)
	}
	if n := t.Order.Bad(); n != 0 {
		text += fmt.Sprintf("  %d MESSAGES WRONG", n)
	}
	if t.PushesRetried > 0 {
		text += fmt.Sprintf("  %s pushes sent again", group(t.PushesRetried))
	}
	if c := causes(t.Failures); c != "" {
		text += "  failed: " + c
	}
	return text
}

// block is what a terminal shows.
func block(at float64, scenario, phase string, wanted int, t *result.Totals, s *result.Second) []string {
	all := []string{
		fmt.Sprintf("%s: %s, %s", scenario, phase, time.Duration(at*float64(time.Second)).Round(100*time.Millisecond)),
		fmt.Sprintf("  connections  %s of %s open, %s opening, %s/s", group(int64(s.Connected+s.Slow)), group(int64(wanted)), group(int64(s.Opening)), group(s.Opened)),
		fmt.Sprintf("  messages     %s pushed, %s delivered, %s/s", group(t.Pushed), group(t.Delivered), group(s.Delivered)),
		fmt.Sprintf("  latency      %s", percentiles(&s.Latency)),
		fmt.Sprintf("  wrong        %s lost, %s repeated, %s out of order, %s corrupted, %s misrouted",
			group(t.Order.Lost), group(t.Order.Repeated), group(t.Order.Reordered), group(t.Order.Corrupted), group(t.Order.Misrouted)),
		fmt.Sprintf("  heart-beats  %s missed", group(t.HeartbeatsMissed)),
	}
	if t.PushesRetried > 0 {
		all = append(all, fmt.Sprintf("  refused      %s pushes, sent again", group(t.PushesRetried)))
	}
	if s.Server != nil {
		all = append(all, fmt.Sprintf("  server       %s connections, %s resident", group(s.Server.Connections), bytesText(s.Server.RSS)))
	}
	for i, cause := range sorted(t.Failures) {
		if i == maxCauses {
			all = append(all, fmt.Sprintf("  failed       by %d other causes", len(t.Failures)-maxCauses))
			break
		}
		all = append(all, fmt.Sprintf("  failed       %s: %s", group(t.Failures[cause]), cause))
	}
	return all
}

func percentiles(l *result.Latency) string {
	if l.Count == 0 {
		return "-"
	}
	return fmt.Sprintf("p50 %s  p99 %s  p99.9 %s  max %s", micros(l.P50), micros(l.P99), micros(l.P999), micros(l.Most))
}

// micros writes microseconds with three digits.
func micros(us int64) string {
	switch d := time.Duration(us) * time.Microsecond; {
	case d < time.Millisecond:
		return d.String()
	case d < 100*time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	case d < 10*time.Second:
		return d.Round(time.Millisecond).String()
	default:
		return d.Round(100 * time.Millisecond).String()
	}
}

// group writes the digits of n in groups of three.
func group(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func bytesText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.2f GiB", float64(n)/(1<<30))
	default:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
}

// causes lists failures, the most frequent first.
func causes[N int | int64](of map[string]N) string {
	var all []string
	for _, cause := range sorted(of) {
		if of[cause] != 0 {
			all = append(all, fmt.Sprintf("%d %s", of[cause], cause))
		}
	}
	return strings.Join(all, "; ")
}

// sorted are the causes, the most frequent first.
func sorted[N int | int64](of map[string]N) []string {
	return slices.SortedFunc(maps.Keys(of), func(a, b string) int {
		return cmp.Or(cmp.Compare(of[b], of[a]), strings.Compare(a, b))
	})
}
