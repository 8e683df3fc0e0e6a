package pace

import (
	"testing"
	"time"
)

func TestRamp(t *testing.T) {
	for _, c := range []struct {
		ramp    Ramp
		elapsed time.Duration
		due     int
	}{
		{Ramp{100, 10 * time.Second}, -1, 0},
		{Ramp{100, 10 * time.Second}, 0, 1},
		{Ramp{100, 10 * time.Second}, 5 * time.Second, 126},  // 100*25/20
		{Ramp{100, 10 * time.Second}, 10 * time.Second, 501}, // half of what the whole rate would have been
		{Ramp{100, 10 * time.Second}, 11 * time.Second, 601}, // and on at the rate
		{Ramp{100, 0}, time.Second, 101},                     // none: as Rate
		{Ramp{1000, time.Second}, 500 * time.Millisecond, 126},
	} {
		if got := c.ramp.Due(c.elapsed); got != c.due {
			t.Errorf("%+v.Due(%v) = %d, want %d", c.ramp, c.elapsed, got, c.due)
		}
	}
}

func TestRampAtAndDueAgree(t *testing.T) {
	for _, r := range []Ramp{{7, 3 * time.Second}, {1000, 10 * time.Second}, {333, 0}, {5000, time.Millisecond}} {
		before := time.Duration(-1)
		for i := range 20000 {
			at := r.At(i)
			if at < before {
				t.Fatalf("%+v: event %d is due before the one before it", r, i)
			}
			before = at
			if got := r.Due(at); got < i+1 {
				t.Fatalf("%+v: event %d is due at %v, but Due says %d", r, i, at, got)
			}
			if at > 0 && r.Due(at-1) > i {
				t.Fatalf("%+v: event %d is due before %v", r, i, at)
			}
		}
	}
}
