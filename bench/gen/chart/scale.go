package chart

import (
	"math"
	"strconv"
	"strings"
)

// Scale places values on an axis.
type Scale struct {
	From, To float64
	Log      bool
	Ticks    []Tick
}

// Tick is a value with its label. A minor one is hidden where there is little room.
type Tick struct {
	Value float64
	Text  string
	Minor bool
}

// at places v between 0 and 1.
func (s *Scale) at(v float64) float64 {
	from, to := s.From, s.To
	if s.Log {
		v, from, to = math.Log10(math.Max(v, from)), math.Log10(from), math.Log10(to)
	}
	if to <= from {
		return 0
	}
	return min(max((v-from)/(to-from), 0), 1)
}

// Linear returns a scale from 0 to a round number that is at least most. base is 10, or 2 for sizes in bytes, whose
// round numbers are those of KiB, MiB and so on.
func Linear(most float64, base int, text func(float64) string) Scale {
	if !(most > 0) || math.IsInf(most, 0) {
		most = 1
	}
	step := round(most/5, base)
	s := Scale{To: math.Ceil(most/step-1e-9) * step}
	for i := 0; float64(i)*step <= s.To*(1+1e-9); i++ {
		s.Ticks = append(s.Ticks, Tick{Value: float64(i) * step, Text: text(float64(i) * step)})
	}
	return s
}

// round returns the least of 1, 2 and 5 times a power of ten that is at least v.
func round(v float64, base int) float64 {
	unit := 1.0
	if base == 2 {
		for v/unit >= 1024/2 {
			unit *= 1024
		}
	}
	v /= unit
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, f := range []float64{1, 2, 5, 10} {
		if f*power >= v*(1-1e-9) {
			return f * power * unit
		}
	}
	return 10 * power * unit
}

// Logarithmic returns a scale that holds least and most, both above 0, with a tick at each power of ten and, where these
// are few, between them.
func Logarithmic(least, most float64, text func(float64) string) Scale {
	if !(least > 0) {
		least = 1
	}
	most = math.Max(most, least)
	from, to := math.Floor(math.Log10(least)+1e-9), math.Ceil(math.Log10(most)-1e-9)
	if to <= from {
		to = from + 1
	}
	s := Scale{From: math.Pow(10, from), To: math.Pow(10, to), Log: true}
	for e := from; e <= to; e++ {
		s.Ticks = append(s.Ticks, Tick{Value: math.Pow(10, e), Text: text(math.Pow(10, e))})
		if to-from <= 2 && e < to {
			for _, f := range []float64{2, 5} {
				v := f * math.Pow(10, e)
				s.Ticks = append(s.Ticks, Tick{Value: v, Text: text(v)})
			}
		}
	}
	return s
}

var timeSteps = []float64{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 3 * 3600, 6 * 3600, 12 * 3600, 86400}

// Time returns a scale from 0 to seconds.
func Time(seconds float64) Scale {
	seconds = math.Max(seconds, 1)
	step := timeSteps[0]
	for i := 1; seconds/step > 10; i++ {
		if i < len(timeSteps) {
			step = timeSteps[i]
		} else {
			step *= 2
		}
	}
	s := Scale{To: seconds}
	for i := 0; float64(i)*step <= seconds; i++ {
		v := float64(i) * step
		s.Ticks = append(s.Ticks, Tick{Value: v, Text: clock(v, step), Minor: i%2 == 1})
	}
	return s
}

// clock writes a time since the start: 0:05, 1:30, 2:00:00, and 3 h where steps are whole hours.
func clock(seconds, step float64) string {
	n := int(seconds)
	switch {
	case n == 0:
		return "0"
	case step >= 3600:
		return strconv.Itoa(n/3600) + " h"
	case n >= 3600:
		return strconv.Itoa(n/3600) + ":" + two(n/60%60) + ":" + two(n%60)
	}
	return strconv.Itoa(n/60) + ":" + two(n%60)
}

func two(n int) string {
	if n < 10 {
		return "0" + strconv.Itoa(n)
	}
	return strconv.Itoa(n)
}

// Percentiles returns the scale of a latency distribution, on which each nine more takes the same room. Its values are
// OfQuantile's; count is the number of values that the distribution has.
func Percentiles(count int64) Scale {
	nines := min(max(math.Ceil(math.Log10(float64(max(count, 1)))), 2), 7)
	s := Scale{From: 1, To: math.Pow(10, nines), Log: true, Ticks: []Tick{{2, "50%", false}}}
	for n := 1; n <= int(nines); n++ {
		text := "90%"
		if n > 1 {
			text = strings.TrimSuffix("99."+strings.Repeat("9", n-2), ".") + "%"
		}
		if nines > 4 && n == int(nines)-1 {
			text = "" // room for the last one, which is written to its left
		}
		s.Ticks = append(s.Ticks, Tick{math.Pow(10, float64(n)), text, n > 3 && n%2 == 0})
	}
	return s
}

// OfQuantile is where quantile q (0 to 1) stands on the scale of Percentiles.
func OfQuantile(q float64) float64 { return 1 / math.Max(1-q, 1e-9) }
