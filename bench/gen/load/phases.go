package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"stentor/bench/gen/client"
	"stentor/bench/gen/pace"
)

const (
	// turn is the interval at which due events are handled.
	turn = 2 * time.Millisecond
	// openRounds is how often connections that failed to open are tried.
	openRounds = 3
)

// open opens n connections, paced, and retries those that failed a few times.
func (r *run) open(ctx context.Context, kind client.Kind, n int) error {
	before := r.clients.Counts()
	if err := r.begin(ctx, n, func(n int, due time.Time) { r.clients.Begin(kind, n, due) }); err != nil {
		return err
	}
	for round := 1; ; round++ {
		if err := r.clients.WaitOpened(ctx); err != nil {
			return err
		}
		lack := n - r.open1(kind, before)
		if lack <= 0 {
			return nil
		}
		if round == openRounds {
			if lack == n {
				return fmt.Errorf("none of %d connections opened: %s", n, causes(r.clients.Counts().Failures))
			}
			return nil // the verdict says how many are not open
		}
		if err := r.begin(ctx, lack, func(n int, due time.Time) { r.clients.BeginAgain(kind, n, due) }); err != nil {
			return err
		}
	}
}

// open1 is how many connections of a kind are open, beyond those before.
func (r *run) open1(kind client.Kind, before client.Counts) int {
	c := r.clients.Counts()
	switch kind {
	case client.Slow:
		return c.Slow - before.Slow + ended(c) - ended(before)
	case client.Silent:
		return c.Silent - before.Silent + ended(c) - ended(before)
	}
	return c.Reading - before.Reading
}

// ended is how many slow connections the server has ended, which it may.
func ended(c client.Counts) (n int) {
	for _, v := range c.Ended {
		n += v
	}
	return n
}

// begin starts n connections by do, each when it is due.
func (r *run) begin(ctx context.Context, n int, do func(n int, due time.Time)) error {
	start := time.Now()
	if r.OpenRate == 0 {
		do(n, start)
		return nil
	}
	ramp := pace.Ramp{Rate: pace.Rate(r.OpenRate), Over: r.Ramp}
	for begun := 0; begun < n; {
		if err := pace.Wait(ctx, max(turn, time.Until(start.Add(ramp.At(begun))))); err != nil {
			return err
		}
		due := min(ramp.Due(time.Since(start)), n)
		if due > begun {
			// All connections of a turn share the time of the first: none seems faster than it was.
			do(due-begun, start.Add(ramp.At(begun)))
			begun = due
		}
	}
	return nil
}

func (r *run) push(ctx context.Context, stream int, due time.Time) error {
	m, mine, err := r.numberOne(stream, due)
	if err != nil || !mine {
		return err
	}
	return r.pusher.Push(ctx, m)
}

// toAll picks a destination of each project in turn, as subscribers are spread.
func (r *run) toAll() func(i int) int {
	x := r.streams
	random := rand.New(rand.NewPCG(r.Seed, 1<<63))
	return func(i int) int {
		d := 0
		if x.destinations > 1 {
			d = x.choose(random.Float64())
		}
		return i%len(x.projects)*x.destinations + d
	}
}

// toUsers picks a connection's user, all with the same probability.
func (r *run) toUsers() func(int) int {
	random := rand.New(rand.NewPCG(r.Seed, 1<<62))
	return func(int) int { return len(r.streams.topics) + random.IntN(r.all) }
}

// churn drops connections at a rate and reopens each at once.
func (r *run) churn(ctx context.Context, rate float64, d time.Duration) error {
	if rate == 0 {
		return nil
	}
	start, p := r.part.begins(), pace.Rate(rate)
	total := p.Count(d)
	for i := 0; i < total; {
		if err := pace.Wait(ctx, time.Until(start.Add(p.At(i)))); err != nil {
			return err
		}
		due := min(p.Due(time.Since(start)), total)
		r.again(due-i, start.Add(p.At(i)))
		i = due
	}
	return nil
}

// settle waits until every subscriber has every message, or none has come for r.Settle.
func (r *run) settle(ctx context.Context) error {
	last, since := int64(-1), time.Now()
	for {
		began := time.Now()
		if r.pusher.Counts().Pending == 0 && r.clients.Missing(r.newest) == 0 {
			return nil
		}
		if now := r.clients.Delivered() + r.pusher.Counts().Pushed; now != last {
			last, since = now, time.Now()
		}
		if time.Since(since) > r.Settle {
			return nil // what is missing is counted at the end
		}
		// Checking all connections must take a small share of the time; on an overloaded host one check may take seconds.
		if err := pace.Wait(ctx, min(max(20*time.Millisecond, 10*time.Since(began)), time.Second)); err != nil {
			return err
		}
	}
}

// back waits until the wanted number of connections is open, or the number has not grown for as long as one may take to
// open.
func (r *run) back(ctx context.Context) error {
	last, since := -1, time.Now()
	for {
		c := r.clients.Counts()
		if int64(c.Reading) >= r.want.Load() {
			return nil
		}
		if c.Reading != last {
			last, since = c.Reading, time.Now()
		}
		if time.Since(since) > r.OpenTimeout+time.Second {
			return nil // the verdict says how many are not open
		}
		if err := pace.Wait(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// together runs all f at once and returns when all have returned; the first error ends the others.
func together(ctx context.Context, all ...func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wait sync.WaitGroup
	errs := make([]error, len(all))
	for i, f := range all {
		wait.Go(func() {
			if errs[i] = f(ctx); errs[i] != nil {
				cancel(errs[i])
			}
		})
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return errors.Join(errs...)
}
