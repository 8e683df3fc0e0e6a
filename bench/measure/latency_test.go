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
