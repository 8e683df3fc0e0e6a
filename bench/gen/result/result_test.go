package result

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"stentor/bench/gen/measure"
)

func latency(t *testing.T, each time.Duration, n int) Latency {
	t.Helper()
	l := measure.NewLatency()
	for range n {
		l.Record(each)
	}
	r, err := NewLatency(l)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func one(t *testing.T, host string, each time.Duration, n int) *Result {
	l := latency(t, each, n)
	totals := Totals{Opened: 10, Delivered: int64(n), Failures: map[string]int64{"connect: refused": 1}}
	r := &Result{
		Format: Format, Scenario: "broadcast", Started: time.Unix(1000, 0).UTC(), Seconds: 2,
		Settings:   map[string]string{"rate": "10"},
		Generators: []Generator{{Host: host, Connections: 10}},
		Phases:     []Phase{{Name: "open", Seconds: 1}, {Name: "push", Begin: 1, Seconds: 1, Totals: totals, Latency: l}},
		Series:     []Second{{At: 1, Connected: 10}, {At: 2, Connected: 10, Totals: totals, Latency: l, Server: &Server{Connections: 20}}},
	}
	r.Judge()
	return r
}

func TestMerge(t *testing.T) {
	a, b := one(t, "a", time.Millisecond, 99), one(t, "b", time.Second, 1)
	b.Phases[1].Order.Lost = 3
	b.Series = append(b.Series, Second{At: 3, Connected: 10})
	b.Judge()
	m, err := Merge([]*Result{a, b})
	if err != nil {
		t.Fatal(err)
	}
	p := m.Phases[1]
	if p.Opened != 20 || p.Delivered != 100 || p.Failures["connect: refused"] != 2 || p.Order.Lost != 3 {
		t.Errorf("phase %+v", p)
	}
	if p.Latency.Count != 100 || p.Latency.P50 > 1010 || p.Latency.Most < 990_000 {
		t.Errorf("the merged percentiles are not those of all: %+v", p.Latency)
	}
	if len(m.Series) != 3 || m.Series[1].Connected != 20 || m.Series[1].Server.Connections != 20 || len(m.Generators) != 2 {
		t.Errorf("%+v", m)
	}
	if m.Verdict.Good || !slices.Equal(m.Verdict.Problems, []string{"b: 3 messages lost"}) {
		t.Errorf("verdict %+v", m.Verdict)
	}
	if got := m.Series[2].Connected; got != 20 {
		t.Errorf("%d connections in the last second, in which one generator had just ended: want 20", got)
	}
	if a.Phases[1].Delivered != 99 || a.Phases[1].Failures["connect: refused"] != 1 {
		t.Errorf("what was merged has changed: %+v", a.Phases[1])
	}

	b.Phases[1].Name = "other"
	if _, err := Merge([]*Result{a, b}); err == nil || !strings.Contains(err.Error(), "phase 2") {
		t.Errorf("other phases: %v", err)
	}
}

func TestJSON(t *testing.T) {
	a := one(t, "a", time.Millisecond, 5)
	text, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	var b Result
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(a, &b) {
		t.Errorf("%+v\n%+v", a, b)
	}
}

func TestJudge(t *testing.T) {
	for name, o := range map[string]measure.Order{
		"lost": {Lost: 1}, "repeated": {Repeated: 1}, "out of order": {Reordered: 1}, "corrupted": {Corrupted: 1}, "wrong project": {Misrouted: 1},
	} {
		r := Result{Phases: []Phase{{}, {Totals: Totals{Order: o}}}}
		if r.Judge(); r.Verdict.Good || !strings.Contains(r.Verdict.Problems[0], name) {
			t.Errorf("%s: %+v", name, r.Verdict)
		}
	}
	var r Result
	if r.Judge(); !r.Verdict.Good {
		t.Errorf("%+v", r.Verdict)
	}
	if r.Judge("no one came"); r.Verdict.Good {
		t.Errorf("%+v", r.Verdict)
	}
}

// A generator that was lost long before the end has no connections then.
func TestMergeLost(t *testing.T) {
	a, b := one(t, "a", time.Millisecond, 5), one(t, "b", time.Millisecond, 5)
	for i := range 10 {
		b.Series = append(b.Series, Second{At: float64(3 + i), Connected: 10})
	}
	m, err := Merge([]*Result{a, b})
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Series[11].Connected; got != 10 {
		t.Errorf("%d connections at the end, want those of one generator", got)
	}
}
