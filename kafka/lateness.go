package kafka

import "time"

// lateness measures how late a partition is read: how long the reader took to reach a former end of the partition, or how long
// it has seen neither an end nor a record. Only this node's clock counts, so that no record's time can make a node look late.
// The resolution is about a second, the interval of the looks.
type lateness struct {
	mark   int64         // an end that the reader has not reached
	since  time.Time     // when that was the end; zero while the reader is at the end
	looked time.Time     // when look was last called
	last   time.Duration // how long the mark before took, at least

	position int64     // of the last look
	known    time.Time // when the end was last known, or records came
}

// blind is how old the last known end may be: it is asked for every second.
const blind = 3 * time.Second

// look returns how late the partition is at now. The reader has reached position, and e is the end as last known.
func (l *lateness) look(now time.Time, position int64, e partitionEnd) time.Duration {
	if position > l.position || l.known.IsZero() {
		l.position, l.known = position, now
	}
	if e.at.After(l.known) {
		l.known = e.at
	}
	late := l.behind(now, position, e.offset)
	if silent := now.Sub(l.known); silent > blind {
		late = max(late, silent)
	}
	return late
}

// behind is how late the partition is by what is known.
func (l *lateness) behind(now time.Time, position, end int64) time.Duration {
	switch {
	case position >= end:
		l.since, l.last = time.Time{}, 0
		return 0
	case l.since.IsZero():
		l.mark, l.since = end, now
	case position >= l.mark:
		l.last = l.looked.Sub(l.since)
		l.mark, l.since = end, now
	}
	l.looked = now
	return max(l.last, now.Sub(l.since))
}
