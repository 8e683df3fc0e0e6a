package pace

import (
	"math"
	"time"
)

// Ramp is a number of events per second that grows evenly from zero to Rate over the time Over, and stays there.
type Ramp struct {
	Rate Rate
	Over time.Duration
}

// At returns when event i (from 0) is due, counted from the start.
func (r Ramp) At(i int) time.Duration {
	// During the ramp Rate*t^2/(2*Over) events have passed at t.
	over := r.Over.Seconds()
	within := float64(r.Rate) * over / 2
	if float64(i) < within {
		return time.Duration(math.Sqrt(2*over*float64(i)/float64(r.Rate)) * float64(time.Second))
	}
	return r.Over + time.Duration((float64(i)-within)*float64(time.Second)/float64(r.Rate))
}

// Due returns how many events are due once elapsed has passed: every i with At(i) <= elapsed.
func (r Ramp) Due(elapsed time.Duration) int {
	if elapsed < 0 {
		return 0
	}
	t, over := elapsed.Seconds(), r.Over.Seconds()
	passed := float64(r.Rate) * (t - over/2)
	if t < over {
		passed = float64(r.Rate) * t * t / (2 * over)
	}
	n := int(passed) + 1
	for n > 0 && r.At(n-1) > elapsed {
		n--
	}
	for r.At(n) <= elapsed {
		n++
	}
	return n
}
