package result

import (
	"slices"
	"strings"
	"testing"
	"time"

	"stentor/bench/gen/measure"
)

func TestThresholds(t *testing.T) {
	l := measure.NewLatency()
	for i := range 1000 {
		l.Record(time.Duration(i+1) * time.Millisecond)
	}
	came, err := NewLatency(l)
	if err != nil {
		t.Fatal(err)
	}
	of := func() *Result {
		r := &Result{Phases: []Phase{
			{Name: "open", Seconds: 4, Totals: Totals{Opened: 100, Failures: map[string]int64{"a": 2, "b": 1}}},
			{Name: "push", Seconds: 10, Totals: Totals{Pushed: 10, Delivered: 1000, Order: measure.Order{Lost: 3, Repeated: 1}}, Latency: came},
		}}
		r.Verdict.Good = true
		return r
	}
	for text, kept := range map[string]bool{
		"p50<501ms": true, "p50<499ms": false, "p90 < 910ms": true, "p90<890ms": false, "p99<1s": true, "p99<=980ms": false, "p999<998ms": false, "p999<1.1s": true,
		"max<=1.1s": true, "max<900ms": false, "max>900ms": true, "lost<1": false, "lost<=3": true, "repeated<=1": true, "reordered<1": true, "wrong<=4": true, "wrong<4": false,
		"errors<3": false, "errors<=3": true, "opened>=100": true, "open-rate>=25": true, "open_rate>25": false, "pushed>=10": true, "delivered>=1000": true, "delivery-rate>=100": true,
	} {
		all, err := ParseThresholds([]string{text})
		r := of()
		if err == nil {
			err = r.Hold(all)
		}
		if err != nil || len(r.Thresholds) != 1 || r.Thresholds[0].Kept != kept || r.Verdict.Good != kept || len(r.Verdict.Problems) == 0 != kept {
			t.Errorf("%s: %v, %+v, %+v", text, err, r.Thresholds, r.Verdict)
		}
	}
	r := of()
	all, _ := ParseThresholds([]string{"lost<1", "p99<1s", "p50<100ms"})
	if err := r.Hold(all); err != nil || !slices.Equal(r.Verdict.Problems, []string{"threshold lost<1 is not kept: 3", "threshold p50<100ms is not kept: 500.223ms"}) {
		t.Errorf("%v, %q", err, r.Verdict.Problems)
	}
	silent := &Result{Verdict: Verdict{Good: true}}
	if err := silent.Hold(all[1:2]); err != nil || silent.Verdict.Good || silent.Thresholds[0].Value != "nothing was delivered" {
		t.Errorf("%v, %+v", err, silent)
	}
}

func TestThresholdMistakes(t *testing.T) {
	for text, says := range map[string]string{
		"p99": "METRIC<VALUE", "": "METRIC<VALUE", "p99<50": "a time as in 50ms", "p99<-1s": "a time", "p98<1s": "p50, p90, p99, p999, max, delivered", "lost<x": "a number",
		"lost<NaN": "a number", "lost=0": "METRIC<VALUE", "lost<<1": "a number",
	} {
		if _, err := ParseThresholds([]string{text, "p99<1s"}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", text, err, says)
		}
	}
}
