package spring

import (
	"strings"
	"testing"
	"time"

	"stentor/bench/gen/measure"
	"stentor/bench/gen/result"
)

// latency is that of some messages.
func latency(t *testing.T, all ...time.Duration) result.Latency {
	t.Helper()
	l := measure.NewLatency()
	for _, d := range all {
		l.Record(d)
	}
	r, err := result.NewLatency(l)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// second is the end of a second of a run, with cpu 0 when the server was not seen.
func second(at float64, connected int, delivered, rss int64, cpu float64) result.Second {
	s := result.Second{At: at, Connected: connected, Totals: result.Totals{Delivered: delivered}}
	if cpu > 0 {
		s.Server = &result.Server{RSS: rss, CPUSeconds: cpu}
	}
	return s
}

func TestFigures(t *testing.T) {
	ms := time.Millisecond
	r := &result.Result{
		Phases: []result.Phase{
			{Name: "open", Begin: 0, Seconds: 2, Connecting: result.Latency{P99: 7}, Totals: result.Totals{Failures: map[string]int64{"refused": 2}}},
			{Name: "push", Begin: 2, Seconds: 4, Latency: latency(t, ms, ms, ms), Totals: result.Totals{Order: measure.Order{Lost: 3, Reordered: 4, Repeated: 5}}},
			{Name: "settle", Begin: 6, Seconds: 2, Latency: latency(t, 900*ms), Totals: result.Totals{Failures: map[string]int64{"reset": 1}}},
		},
		Series: []result.Second{
			second(1, 50, 0, 1000, 1),
			second(2, 100, 0, 21_000, 2),
			second(3, 100, 500, 30_000, 3), // pushes: CPU counts from here
			second(4, 100, 400, 0, 0),      // the server was not seen
			second(5, 100, 600, 40_000, 3.5),
			second(6, 90, 1000, 50_000, 4),
			second(7, 0, 7, 60_000, 9),
		},
	}
	f, err := figures(r, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if f.P50 < 990 || f.P50 > 1010 || f.P99 < 890_000 || f.P99 > 910_000 {
		t.Errorf("p50 %d us, p99 %d us", f.P50, f.P99)
	}
	f.P50, f.P99 = 0, 0
	want := Figures{
		Held: 90, OpenP99: 7, Memory: 200, Delivered: 2000. / 3, CPU: 500, MostRSS: 60_000,
		Lost: 3, Disordered: 4, Repeated: 5, Failed: 3,
	}
	if f != want {
		t.Errorf("%+v\nwant\n%+v", f, want)
	}
	if f, err := figures(r, 0); err != nil || f.Memory != 0 {
		t.Errorf("memory of %v without a base, %v", f.Memory, err)
	}
	if _, err := figures(&result.Result{Phases: r.Phases[:1]}, 0); err == nil {
		t.Error("a run without pushes has figures")
	}
}

func TestTable(t *testing.T) {
	var b strings.Builder
	c := &Comparison{Stentor: "stentor 1", Seconds: 15, Figures: []Figures{
		{Server: "spring", Connections: 5000, Asked: 10_000, Held: 4999, Memory: 2048, Delivered: 9990, CPU: 21.5, P50: 1500, P99: 30_000, Lost: 1234, MostRSS: 3 << 20},
	}}
	if err := c.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	for _, piece := range []string{"stentor 1", "15 s", "5,000", "4,999", "2.00 KiB", "9,990", "21.5 us", "1.50 ms", "30.0 ms", "1,234", "3 MiB"} {
		if !strings.Contains(b.String(), piece) {
			t.Errorf("no %q in\n%s", piece, b.String())
		}
	}
}
