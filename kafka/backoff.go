package kafka

import "time"

// backOff says when to try again what has failed, later each time. Its zero value waits for nothing.
type backOff struct {
	wait time.Duration // before the next try
	at   time.Time     // of it; zero: there is none
}

const (
	firstWait = 100 * time.Millisecond
	mostWait  = 5 * time.Second
)

// next is how long to wait from now on.
func (b *backOff) next() time.Duration {
	b.wait = min(max(firstWait, 2*b.wait), mostWait)
	return b.wait
}

// after plans the next try, unless there is a plan.
func (b *backOff) after(now time.Time) {
	if !b.waits() {
		b.at = now.Add(b.next())
	}
}

func (b *backOff) waits() bool            { return !b.at.IsZero() }
func (b *backOff) due(now time.Time) bool { return b.waits() && !now.Before(b.at) }
func (b *backOff) clear()                 { b.at = time.Time{} }
