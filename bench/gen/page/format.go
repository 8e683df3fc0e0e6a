package page

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// whole writes n with commas: 1,234,567.
func whole(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// short writes v with three digits at most and a unit: 1.25k, 3M.
func short(v float64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e4, "k"}} {
		if math.Abs(v) >= u.size {
			if u.size == 1e4 {
				u.size = 1e3
			}
			return digits(v/u.size) + u.name
		}
	}
	if v == math.Trunc(v) || math.Abs(v) >= 1000 {
		return whole(int64(math.Round(v)))
	}
	return digits(v)
}

// digits writes v with three digits, without zeros at the end of a fraction.
func digits(v float64) string {
	places := 2
	for a := math.Abs(v); a >= 10 && places > 0; a /= 10 {
		places--
	}
	s := strconv.FormatFloat(v, 'f', places, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// micros writes a latency.
func micros(us float64) string {
	switch {
	case us < 1000:
		return digits(us) + " µs"
	case us < 1e6:
		return digits(us/1e3) + " ms"
	}
	return digits(us/1e6) + " s"
}

// size writes bytes.
func size(bytes float64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1 << 40, " TiB"}, {1 << 30, " GiB"}, {1 << 20, " MiB"}, {10 << 10, " KiB"}} {
		if bytes >= u.size {
			if u.name == " KiB" {
				u.size = 1 << 10
			}
			return digits(bytes/u.size) + u.name
		}
	}
	return whole(int64(math.Round(bytes))) + " B"
}

// each writes the bytes of one connection, which are compared to the byte.
func each(bytes float64) string {
	if bytes < 100_000 {
		return whole(int64(math.Round(bytes))) + " B"
	}
	return size(bytes)
}

// length writes a time span in seconds: 4.2 s, 3 min 20 s, 8 h 0 min.
func length(seconds float64) string {
	n := int(math.Round(seconds))
	switch {
	case seconds < 100:
		return digits(seconds) + " s"
	case n < 3600:
		return strconv.Itoa(n/60) + " min " + strconv.Itoa(n%60) + " s"
	}
	return strconv.Itoa(n/3600) + " h " + strconv.Itoa(n/60%60) + " min"
}

func day(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04:05 UTC") }

// times writes how many times base v is.
func times(v, base float64) string {
	if base == 0 || v == 0 {
		return ""
	}
	return digits(v/base) + " ×"
}
