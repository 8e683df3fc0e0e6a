package pace

import (
	"math"
	"time"
)

// Leg is one part of a Profile: the value changes evenly to To within Over, at once when Over is 0.
type Leg struct {
	Over time.Duration
	To   float64
}

// Profile is a value that changes over time, leg after leg. It begins at 0 and stays at the last leg's To. For a number of
// connections, Value is the wanted number; for events per second, At says when each is due.
type Profile []Leg

// Length is the time that all legs take.
func (p Profile) Length() (d time.Duration) {
	for _, leg := range p {
		d += leg.Over
	}
	return d
}

// Value is the value once elapsed has passed.
func (p Profile) Value(elapsed time.Duration) float64 {
	from := 0.0
	for _, leg := range p {
		if elapsed < leg.Over {
			return from + (leg.To-from)*max(0, elapsed.Seconds())/leg.Over.Seconds()
		}
		elapsed -= leg.Over
		from = leg.To
	}
	return from
}

// At returns when event i (from 0) is due, counted from the start, at most Length.
func (p Profile) At(i int) time.Duration {
	from, left, begin := 0.0, float64(i), time.Duration(0)
	for _, leg := range p {
		over := leg.Over.Seconds()
		if within := (from + leg.To) / 2 * over; left < within {
			if left == 0 {
				return begin
			}
			// After t seconds from*t + slope*t^2/2 events have passed; in this form the root loses no digits.
			slope := (leg.To - from) / over
			t := 2 * left / (from + math.Sqrt(max(0, from*from+2*slope*left)))
			return begin + time.Duration(t*float64(time.Second))
		} else {
			left -= within
		}
		begin += leg.Over
		from = leg.To
	}
	return begin
}

// Count is how many events are due before the end of the last leg.
func (p Profile) Count() int {
	from, all := 0.0, 0.0
	for _, leg := range p {
		all += (from + leg.To) / 2 * leg.Over.Seconds()
		from = leg.To
	}
	return int(math.Ceil(all - 1e-6))
}
