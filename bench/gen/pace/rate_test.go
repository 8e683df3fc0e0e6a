package pace

import (
	"testing"
	"time"
)

func TestRate(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		rate    Rate
		elapsed time.Duration
		due     int
	}{
		{1, -1, 0},
		{1, 0, 1},
		{1, time.Second - 1, 1},
		{1, time.Second, 2},
		{20, 49 * ms, 1},
		{20, 50 * ms, 2},
		{20, time.Second, 21},
		{100, time.Minute, 6001},
		{0.5, 1999 * ms, 1},
		{0.5, 2000 * ms, 2},
		{3, time.Second, 4},
		{1e6, 10 * time.Microsecond, 11},
	} {
		if got := c.rate.Due(c.elapsed); got != c.due {
			t.Errorf("Rate(%v).Due(%v) = %d, want %d", c.rate, c.elapsed, got, c.due)
		}
	}
}

func TestRateCount(t *testing.T) {
	for _, c := range []struct {
		rate Rate
		d    time.Duration
		want int
	}{{20, time.Second, 20}, {100, time.Minute, 6000}, {7, 0, 0}, {7, time.Second, 7}, {0.1, time.Second, 1}} {
		if got := c.rate.Count(c.d); got != c.want {
			t.Errorf("Rate(%v).Count(%v) = %d, want %d", c.rate, c.d, got, c.want)
		}
	}
}

// At and Due must agree to the nanosecond, or a driver would spin on an event that is due and not due.
func TestAtAndDueAgree(t *testing.T) {
	for _, r := range []Rate{0.1, 1, 3, 7, 20, 100, 333, 1260, 99991} {
		for i := range 20000 {
			at := r.At(i)
			if got := r.Due(at); got < i+1 {
				t.Fatalf("Rate(%v): event %d is due at %v, but Due says %d", r, i, at, got)
			}
			if at > 0 && r.Due(at-1) > i {
				t.Fatalf("Rate(%v): event %d is due before %v", r, i, at)
			}
		}
	}
}
