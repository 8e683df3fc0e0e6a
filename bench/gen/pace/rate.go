package pace

import "time"

// Rate is a constant number of events per second, the first one due at once. Use it only above zero.
type Rate float64

// At returns when event i (from 0) is due, counted from the start.
func (r Rate) At(i int) time.Duration {
	return time.Duration(float64(i) * float64(time.Second) / float64(r))
}

// Due returns how many events are due once elapsed has passed: every i with At(i) <= elapsed.
func (r Rate) Due(elapsed time.Duration) int {
	if elapsed < 0 {
		return 0
	}
	n := int(elapsed.Seconds()*float64(r)) + 1
	// Rounding in the division above and in At can differ by at most one event.
	for n > 0 && r.At(n-1) > elapsed {
		n--
	}
	for r.At(n) <= elapsed {
		n++
	}
	return n
}

// Count returns how many events fall into a run of length d, its end left out.
func (r Rate) Count(d time.Duration) int {
	if d <= 0 {
		return 0
	}
	return r.Due(d - 1)
}
