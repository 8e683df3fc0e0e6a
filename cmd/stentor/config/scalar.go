package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a time.Duration written as in Go (1m30s, 500ms); a plain integer is a number of seconds.
type Duration time.Duration

// ByteSize is a number of bytes, written plain or with a unit (64KiB, 1MiB, 2GiB).
type ByteSize int

var errScalar = errors.New("not such a value")

// ParseDuration reads the text of a Duration.
func ParseDuration(s string) (Duration, error) {
	if n, err := parseInt(s); err == nil {
		if n < math.MinInt64/int(time.Second) || n > math.MaxInt64/int(time.Second) {
			return 0, errScalar
		}
		return Duration(n) * Duration(time.Second), nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, errScalar
	}
	return Duration(d), nil
}

// String returns the shortest text of d that ParseDuration reads: 3m instead of 3m0s.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

var units = []struct {
	name  string
	shift uint
}{{"GiB", 30}, {"MiB", 20}, {"KiB", 10}, {"B", 0}}

// ParseByteSize reads the text of a ByteSize.
func ParseByteSize(s string) (ByteSize, error) {
	var shift uint
	for _, u := range units {
		if rest, ok := strings.CutSuffix(s, u.name); ok {
			s, shift = strings.TrimRight(rest, " "), u.shift
			break
		}
	}
	n, err := parseInt(s)
	if err != nil || n < 0 || n > math.MaxInt>>shift {
		return 0, errScalar
	}
	return ByteSize(n << shift), nil
}

// String returns b with the largest unit that divides it.
func (b ByteSize) String() string {
	for _, u := range units[:3] {
		if b != 0 && b%(1<<u.shift) == 0 {
			return strconv.Itoa(int(b>>u.shift)) + u.name
		}
	}
	return strconv.Itoa(int(b))
}

// parseInt reads a decimal integer; underscores may group its digits, as in YAML.
func parseInt(s string) (int, error) {
	if strings.HasPrefix(s, "_") || strings.HasSuffix(s, "_") {
		return 0, errScalar
	}
	n, err := strconv.Atoi(strings.ReplaceAll(s, "_", ""))
	if err != nil {
		return 0, errScalar
	}
	return n, nil
}
