package kafka

import "time"

// backOff says when to retry, after a longer wait each time. Its zero value has no retry planned.
type backOff struct {
	wait time.Duration // before the next try
	at   time.Time     // of the next try; zero: none is planned
}

const (
	firstWait = 100 * time.Millisecond
	mostWait  = 5 * time.Second
)

// next returns how long to wait before the next try.
func (b *backOff) next() time.Duration {
	b.wait = min(max(firstWait, 2*b.wait), mostWait)
	return b.wait
}

// after plans the next try, unless one is planned.
func (b *backOff) after(now time.Time) {
	if !b.waits() {
		b.at = now.Add(b.next())
	}
}

func (b *backOff) waits() bool            { return !b.at.IsZero() }
func (b *backOff) due(now time.Time) bool { return b.waits() && !now.Before(b.at) }
func (b *backOff) clear()                 { b.at = time.Time{} }
