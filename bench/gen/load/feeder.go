package load

import (
	"context"
	"sync"
	"time"

	"stentor/bench/gen/pace"
	"stentor/bench/gen/push"
)

// feeder pushes messages at a rate, open loop: pick chooses the stream of message i. With several generators each numbers
// all messages, some time before they are due, and pushes its own. The first is due that time after the feeder was made:
// it too must be numbered everywhere before anybody pushes it. After a stall messages are numbered late, and pushed late.
type feeder struct {
	*run
	start time.Time
	rate  schedule
	pick  func(i int) int
	ahead time.Duration
	wake  chan struct{} // limit or held has changed; one place

	mu       sync.Mutex
	numbered int
	limit    int // how many messages there are
	held     bool
}

const endless = 1 << 62

// schedule says when message i is due, counted from the start.
type schedule interface{ At(i int) time.Duration }

func (r *run) newFeeder(rate schedule, limit int, pick func(i int) int) *feeder {
	return &feeder{run: r, start: r.part.begins(), rate: rate, pick: pick, ahead: r.part.ahead(), limit: limit, wake: make(chan struct{}, 1)}
}

// feed pushes at a rate for d.
func (r *run) feed(ctx context.Context, rate float64, d time.Duration, pick func(i int) int) error {
	if rate == 0 {
		return pace.Wait(ctx, d)
	}
	f := r.newFeeder(pace.Rate(rate), pace.Rate(rate).Count(d), pick)
	if err := f.drive(ctx); err != nil {
		return err
	}
	return pace.Wait(ctx, time.Until(f.start.Add(d)))
}

// waiting is a numbered message and when it is pushed, counted from the start.
type waiting struct {
	message push.Message
	at      time.Duration
}

// drive pushes until the limit, and returns when the pusher has the last of its own messages.
func (f *feeder) drive(ctx context.Context) error {
	var queue []waiting
	for {
		next, more, err := f.number(&queue)
		if err != nil {
			return err
		}
		if len(queue) > 0 && (!more || queue[0].at <= next) {
			next = queue[0].at
		} else if !more {
			if f.done() {
				return nil
			}
			next = time.Hour // until it is woken
		}
		if err := f.wait(ctx, next); err != nil {
			return err
		}
		for len(queue) > 0 && queue[0].at <= time.Since(f.start) {
			if err := f.pusher.Push(ctx, queue[0].message); err != nil {
				return err
			}
			queue = queue[1:]
		}
	}
}

// number numbers the next message if it is time to, and returns when the one after it is due for numbering. more is false
// when there is none for now.
func (f *feeder) number(queue *[]waiting) (next time.Duration, more bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.held || f.numbered >= f.limit {
		return 0, false, nil
	}
	due := f.rate.At(f.numbered)
	now := time.Since(f.start)
	if due-f.ahead > now {
		return due - f.ahead, true, nil
	}
	m, mine, err := f.numberOne(f.pick(f.numbered), f.start.Add(due))
	if err != nil {
		return 0, false, err
	}
	if mine {
		// A host that stalls stalls all its generators, and the others number it as late. Its payload says when it was due.
		*queue = append(*queue, waiting{m, max(due, now+f.ahead/2)})
	}
	f.numbered++
	return f.rate.At(f.numbered) - f.ahead, f.numbered < f.limit, nil
}

func (f *feeder) done() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.held && f.numbered >= f.limit
}

// wait waits until at, counted from the start, or until it is woken.
func (f *feeder) wait(ctx context.Context, at time.Duration) error {
	d := time.Until(f.start.Add(at))
	if d <= 0 {
		return context.Cause(ctx)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-f.wake:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// end makes drive return after a message that all generators agree on: the last one that any of them has numbered, or would
// have by now if drive had not come late.
func (f *feeder) end(ctx context.Context) error {
	f.mu.Lock()
	f.held = true
	n := f.numbered
	for now := time.Since(f.start); n < f.limit && f.rate.At(n)-f.ahead <= now; {
		n++
	}
	f.mu.Unlock()
	last, err := f.part.Group.Meet(ctx, "last message", int64(n))
	f.mu.Lock()
	f.held, f.limit = false, int(last)
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
	return err
}

// numberOne numbers the next message of a stream. mine says whether this generator has to push it.
func (r *run) numberOne(stream int, due time.Time) (m push.Message, mine bool, err error) {
	m, err = r.streams.next(stream, due)
	return m, r.part.owns(stream), err
}
