package measure

import (
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latency is a histogram of durations from 1 us to 10 minutes with three digits. One goroutine at a time uses it.
type Latency struct{ h *hdrhistogram.Histogram }

const longest = 10 * time.Minute

// NewLatency returns an empty histogram.
func NewLatency() *Latency {
	return &Latency{hdrhistogram.New(1, longest.Microseconds(), 3)}
}

// Record adds d. A value outside the range counts at its end: a clock that was set back must not lose a message.
func (l *Latency) Record(d time.Duration) {
	_ = l.h.RecordValue(min(max(d, 0), longest).Microseconds()) // fails only outside the range
}

// Merge adds all that from has recorded.
func (l *Latency) Merge(from *Latency) { l.h.Merge(from.h) }

// Reset forgets everything.
func (l *Latency) Reset() { l.h.Reset() }

// Encode returns the histogram in HdrHistogram's compressed form (V2, base64), which other tools read too.
func (l *Latency) Encode() (string, error) {
	b, err := l.h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	return string(b), err
}

// DecodeLatency reads what Encode returned.
func DecodeLatency(s string) (*Latency, error) {
	h, err := hdrhistogram.Decode([]byte(s))
	if err != nil {
		return nil, fmt.Errorf("histogram: %w", err)
	}
	l := NewLatency()
	if dropped := l.h.Merge(h); dropped > 0 {
		return nil, fmt.Errorf("histogram: %d values lie outside 1 us to %v", dropped, longest)
	}
	return l, nil
}

// Summary is what a report shows of a histogram.
type Summary struct {
	Count                int64
	P50, P99, P999, Most time.Duration
}

// Summary reads off the usual percentiles.
func (l *Latency) Summary() Summary {
	at := func(p float64) time.Duration { return time.Duration(l.h.ValueAtPercentile(p)) * time.Microsecond }
	return Summary{Count: l.h.TotalCount(), P50: at(50), P99: at(99), P999: at(99.9), Most: at(100)}
}
