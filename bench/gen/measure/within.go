package measure

import "time"

// Within returns how many durations are at most each of the ascending bounds, and the sum of all.
func (l *Latency) Within(bounds []time.Duration) (counts []uint64, sum time.Duration) {
	counts = make([]uint64, len(bounds))
	for _, bar := range l.h.Distribution() {
		if bar.Count == 0 {
			continue
		}
		sum += time.Duration(bar.From+bar.To) * time.Microsecond / 2 * time.Duration(bar.Count)
		for i, b := range bounds {
			// A bar is as wide as the histogram's precision; a bar that contains a bound counts as below it.
			if time.Duration(bar.From)*time.Microsecond <= b {
				counts[i] += uint64(bar.Count)
			}
		}
	}
	return counts, sum
}
