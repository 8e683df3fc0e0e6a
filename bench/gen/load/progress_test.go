package load

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"stentor/bench/gen/measure"
	"stentor/bench/gen/result"
)

// state is what a run may look like in the middle.
func state(causes int) (t result.Totals, s result.Second) {
	t = result.Totals{
		Pushed: 1234, PushesRetried: 5, Delivered: 1234567, HeartbeatsMissed: 7, Failures: map[string]int64{},
		Order: measure.Order{Lost: 1, Repeated: 2, Reordered: 3, Corrupted: 4, Misrouted: 5},
	}
	for i := range causes {
		t.Failures[fmt.Sprintf("cause %02d, which is told at some length: %s", i, strings.Repeat("x", 100))] = int64(causes - i)
	}
	s = result.Second{Connected: 990, Slow: 10, Opening: 20, Totals: result.Totals{Opened: 30, Delivered: 40000}, Server: &result.Server{Connections: 1000, RSS: 64 << 20}}
	s.Latency = result.Latency{Count: 1, P50: 1500, P99: 25_000, P999: 250_000, Most: 12_500_000}
	return t, s
}

// drawn is what a progress writes each time that it draws.
func drawn(terminal bool, phase string, causes, times int) (all []string) {
	var b bytes.Buffer
	p := &progress{out: Output{Writer: &b, Terminal: terminal}, scenario: "soak", wanted: 2000, look: func() (float64, string, result.Totals, result.Second) {
		t, s := state(causes)
		return 83.24, phase, t, s
	}}
	for range times {
		p.draw()
		all = append(all, b.String())
		b.Reset()
	}
	return all
}

func TestBlock(t *testing.T) {
	all := drawn(true, "push", 2, 2)
	for _, want := range []string{
		"soak: push, 1m23.2s", "1,000 of 2,000 open, 20 opening, 30/s", "1,234 pushed, 1,234,567 delivered, 40,000/s",
		"p50 1.5ms  p99 25ms  p99.9 250ms  max 12.5s", "1 lost, 2 repeated, 3 out of order, 4 corrupted, 5 misrouted", "heart-beats  7 missed",
		"5 pushes, sent again", "1,000 connections, 64.0 MiB resident", "failed       2: cause 00", "failed       1: cause 01",
	} {
		if !strings.Contains(all[0], want) {
			t.Errorf("no %q in\n%q", want, all[0])
		}
	}
	// The second drawing begins where the first did, whatever its lines and the terminal are wide.
	lines := strings.Count(all[0], "\n")
	if !strings.Contains(all[1], fmt.Sprintf("\x1b[%dA", lines)) || strings.Contains(all[0], "A\r") {
		t.Errorf("%d lines, and then\n%q", lines, all[1])
	}
	for _, one := range all {
		if !strings.HasPrefix(one, noWrap) || !strings.HasSuffix(one, wrap) {
			t.Errorf("long lines are wrapped, or stay cut off: %q", one)
		}
	}
}

// What a terminal of the usual 80 columns and 24 lines shows is all there, causes aside.
func TestBlockFits(t *testing.T) {
	lines := strings.Split(drawn(true, "last broadcast", 30, 1)[0], "\n")
	if len(lines) > 24 || !strings.Contains(strings.Join(lines, "\n"), "by 22 other causes") {
		t.Errorf("%d lines: %q", len(lines), lines)
	}
	for _, line := range lines {
		line = strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(line, noWrap), "\r"), "\x1b[K")
		if len(line) > 80 && !strings.Contains(line, "failed ") {
			t.Errorf("%d columns: %q", len(line), line)
		}
	}
}

func TestLine(t *testing.T) {
	got := drawn(false, "push", 1, 1)[0]
	want := "   83.2s  push      1,000 open (+30/s)  40,000/s delivered  p50 1.5ms  p99 25ms  p99.9 250ms  max 12.5s" +
		"  7 heart-beats missed  15 MESSAGES WRONG  5 pushes sent again  failed: 1 cause 00"
	if !strings.HasPrefix(got, want) || strings.Count(got, "\n") != 1 || strings.Contains(got, "\x1b") {
		t.Errorf("%q, want %q", got, want)
	}
	if got := drawn(false, "", 0, 1)[0]; got != "" {
		t.Errorf("before the first phase: %q", got)
	}
}

// Who is told of the seconds is told of each once, in their order, the last one included.
func TestEachSecondOnce(t *testing.T) {
	s := listen(t)
	var told []float64
	each := func(_ string, _ result.Totals, last result.Second) { told = append(told, last.At) }
	args := []string{"--url=ws://" + s.Address().String() + "/ws", "--open-rate=0", "--connections=2", "--hold=2500ms", "--metrics=none"}
	r, err := Run(bounded(t), parse(t, "connect", args...), Output{Each: each})
	if err != nil || len(told) < 2 || len(told) != len(r.Series) {
		t.Fatalf("%v: told of %v, of %d seconds", err, told, len(r.Series))
	}
	for i, at := range told {
		if at != r.Series[i].At {
			t.Errorf("second %d: told of %v, want %v", i, at, r.Series[i].At)
		}
	}
}
