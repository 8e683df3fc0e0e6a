package measure

import "time"

// Quantile returns the duration that share q (0 to 1) of all values do not exceed, 0 when there are none.
func (l *Latency) Quantile(q float64) time.Duration {
	return time.Duration(l.h.ValueAtQuantile(q*100)) * time.Microsecond
}
