package result

import (
	"fmt"

	"stentor/bench/gen/measure"
)

// Latency is a histogram with the figures that people read, in microseconds.
type Latency struct {
	Count     int64  `json:"count"`
	P50       int64  `json:"p50_us"`
	P99       int64  `json:"p99_us"`
	P999      int64  `json:"p999_us"`
	Most      int64  `json:"max_us"`
	Histogram string `json:"histogram,omitempty"` // empty when Count is 0
}

// NewLatency describes l.
func NewLatency(l *measure.Latency) (Latency, error) {
	s := l.Summary()
	if s.Count == 0 {
		return Latency{}, nil
	}
	text, err := l.Encode()
	return Latency{
		Count: s.Count, P50: s.P50.Microseconds(), P99: s.P99.Microseconds(), P999: s.P999.Microseconds(), Most: s.Most.Microseconds(),
		Histogram: text,
	}, err
}

// Decode returns the histogram.
func (l *Latency) Decode() (*measure.Latency, error) {
	if l.Histogram == "" {
		return measure.NewLatency(), nil
	}
	h, err := measure.DecodeLatency(l.Histogram)
	if err == nil && h.Summary().Count != l.Count {
		err = fmt.Errorf("histogram: %d values where %d are named", h.Summary().Count, l.Count)
	}
	return h, err
}

// merge adds from to l.
func (l *Latency) merge(from *Latency) error {
	switch {
	case from.Count == 0:
		return nil
	case l.Count == 0:
		*l = *from
		return nil
	}
	a, err := l.Decode()
	if err != nil {
		return err
	}
	b, err := from.Decode()
	if err != nil {
		return err
	}
	a.Merge(b)
	*l, err = NewLatency(a)
	return err
}
