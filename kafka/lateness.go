package kafka

import "time"

// lateness is how late a partition is read: how long the reader took to come to where the partition's end was. Only this
// node's clock counts, so that no record's time can make a node look late. It is looked at about once a second, and no
// finer.
type lateness struct {
	mark   int64         // an end that the reader had not come to
	since  time.Time     // when that was the end; zero while nothing is waited for
	looked time.Time     // for the last time
	last   time.Duration // what the mark before took, at least
}

// look returns how late it is at now. The reader has come to position, and end is the partition's.
func (l *lateness) look(now time.Time, position, end int64) time.Duration {
	switch {
	case position >= end:
		*l = lateness{}
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
