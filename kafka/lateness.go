package kafka

import "time"

// lateness is how late a partition is read: how long the reader took to come to where the partition's end was, or for how
// long it has known neither that end nor of any record. Only this node's clock counts, so that no record's time can make a
// node look late. It is looked at about once a second, and no finer.
type lateness struct {
	mark   int64         // an end that the reader had not come to
	since  time.Time     // when that was the end; zero while nothing is waited for
	looked time.Time     // for the last time
	last   time.Duration // what the mark before took, at least

	position int64     // of the last look
	known    time.Time // when it was last known where the end is, or records came
}

// blind is how old the last known end may be: it is asked for every second.
const blind = 3 * time.Second

// look returns how late it is at now. The reader has come to position, and e is the end as last known.
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

// behind is how late it is for all that is known.
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
