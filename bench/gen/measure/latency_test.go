package measure

import (
	"math"
	"testing"
	"time"
)

func TestLatency(t *testing.T) {
	a, b := NewLatency(), NewLatency()
	for i := 1; i <= 1000; i++ {
		l := a
		if i%2 == 0 {
			l = b
		}
		l.Record(time.Duration(i) * time.Millisecond)
	}
	a.Merge(b)
	s := a.Summary()
	near := func(name string, got, want time.Duration) {
		if math.Abs(float64(got-want)) > float64(want)/500 {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
	near("p50", s.P50, 500*time.Millisecond)
	near("p99", s.P99, 990*time.Millisecond)
	near("p99.9", s.P999, 999*time.Millisecond)
	near("max", s.Most, time.Second)
	if s.Count != 1000 {
		t.Errorf("count = %d", s.Count)
	}
	a.Reset()
	a.Record(-time.Second)
	a.Record(time.Hour)
	if got := a.Summary(); got.Count != 2 {
		t.Errorf("values outside the range are not counted: %+v", got)
	}
}

// Histograms of several generators are merged, not averaged.
func TestLatencyEncoded(t *testing.T) {
	a, b := NewLatency(), NewLatency()
	for i := 1; i <= 1000; i++ {
		a.Record(time.Duration(i) * time.Microsecond)
		b.Record(time.Duration(i) * time.Millisecond)
	}
	text, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := DecodeLatency(text)
	if err != nil {
		t.Fatal(err)
	}
	if again.Summary() != b.Summary() {
		t.Errorf("%+v, want %+v", again.Summary(), b.Summary())
	}
	a.Merge(b)
	text, _ = a.Encode()
	if again, err = DecodeLatency(text); err != nil || again.Summary() != a.Summary() || again.Summary().Count != 2000 {
		t.Errorf("%+v, want %+v, %v", again.Summary(), a.Summary(), err)
	}
	if _, err := DecodeLatency("nonsense"); err == nil {
		t.Error("nonsense is a histogram")
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		v    []float64
		want float64
	}{{[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := Median(c.v); got != c.want {
			t.Errorf("Median(%v) = %v, want %v", c.v, got, c.want)
		}
	}
	if !math.IsNaN(Median(nil)) {
		t.Error("the median of nothing is not NaN")
	}
}

func TestRecordAllocatesNothing(t *testing.T) {
	l := NewLatency()
	if n := testing.AllocsPerRun(100, func() { l.Record(time.Millisecond) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
