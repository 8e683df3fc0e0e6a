package pace

import (
	"testing"
	"time"
)

const s = time.Second

func TestProfileValue(t *testing.T) {
	p := Profile{{10 * s, 100}, {5 * s, 100}, {0, 40}, {4 * s, 0}}
	for _, c := range []struct {
		elapsed time.Duration
		want    float64
	}{{-s, 0}, {0, 0}, {s, 10}, {5 * s, 50}, {10 * s, 100}, {12 * s, 100}, {15*s - 1, 100}, {15 * s, 40}, {17 * s, 20}, {19 * s, 0}, {time.Hour, 0}} {
		if got := p.Value(c.elapsed); got != c.want {
			t.Errorf("Value(%v) = %v, want %v", c.elapsed, got, c.want)
		}
	}
	if p.Length() != 19*s || (Profile{}).Value(s) != 0 {
		t.Error(p.Length())
	}
}

func TestProfileAt(t *testing.T) {
	for _, c := range []struct {
		p     Profile
		i     int
		at    time.Duration
		count int
	}{
		{Profile{{10 * s, 100}}, 0, 0, 500},
		{Profile{{10 * s, 100}}, 125, 5 * s, 500},          // 100*25/20
		{Profile{{0, 10}, {3 * s, 10}}, 20, 2 * s, 30},     // at once, then even
		{Profile{{5 * s, 0}, {0, 4}, {s, 4}}, 0, 5 * s, 4}, // nothing at first
		{Profile{{0, 10}, {2 * s, 0}}, 10, 2 * s, 10},      // falls to nothing: what is not due has the end
		{Profile{{0, 8}, {2 * s, 0}, {9 * s, 0}, {0, 1}, {s, 1}}, 8, 11 * s, 9},
		{Profile{{s, 0}}, 0, s, 0},
	} {
		if at, n := c.p.At(c.i), c.p.Count(); at != c.at || n != c.count {
			t.Errorf("%v: At(%d) = %v, Count = %d, want %v and %d", c.p, c.i, at, n, c.at, c.count)
		}
	}
}

// Events come in order, as many by a time as the area under the values says.
func TestProfileIsTheIntegral(t *testing.T) {
	p := Profile{{3 * s, 500}, {2 * s, 20}, {0, 300}, {s, 300}, {4 * s, 0}}
	area, before, i := 0.0, time.Duration(0), 0
	const step = time.Millisecond
	for now := time.Duration(0); now < p.Length(); now += step {
		for ; i < p.Count() && p.At(i) < now; i++ {
			if p.At(i) < before {
				t.Fatalf("event %d is due before the one before it", i)
			}
			before = p.At(i)
		}
		if d := float64(i) - area; d < -2 || d > 2 {
			t.Fatalf("%d events by %v, the area is %v", i, now, area)
		}
		area += (p.Value(now) + p.Value(now+step-1)) / 2 * step.Seconds()
	}
}
