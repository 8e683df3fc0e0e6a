package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"stentor/engine/session"
	"stentor/engine/shard"
)

// Drain is how fast a leaving node closes its clients, so that they do not all come to the next node at once: Chunk in each
// Interval, or faster if it must to finish within closingPart of the time that it has.
type Drain struct {
	Chunk    int // over all loops
	Interval time.Duration
}

// The parts of the time that a node has for leaving, in hundredths of it, from its beginning.
const (
	handOverPart = 15 // until what was accepted is handed over
	closingPart  = 70 // for the closes
	patientPart  = 90 // when clients that are behind are closed as well
)

// stalled is how many looks find that clients which are behind receive nothing, before a drain gives them up: 2 s of looks.
// Rounds and retries of subscriptions at their own pace come much more often. It is no time, since clients receive nothing
// either while the node itself stands still.
const stalled = 20

// Stop leaves: no new clients, no new pushes; what was accepted is handed over; then clients are closed with 1012, each
// when it has received its pushes. Until they are gone the node reads the bus, and so delivers pushes that other nodes
// accept. Then the loops end, and what histories know is saved. The caller closes the bus. When ctx ends first, what is
// left is closed at once.
func (n *Node) Stop(ctx context.Context, d Drain) error {
	n.draining.Store(true)
	n.emptying.stop() // Stop has a pace of its own
	n.restHTTP(true)
	began, end := time.Now(), time.Now().Add(time.Hour)
	if t, ok := ctx.Deadline(); ok {
		end = t
	}
	part := func(hundredths int) time.Duration { return time.Until(end) * time.Duration(hundredths) / 100 }
	closing, patient := part(closingPart), began.Add(part(patientPart))
	closed := began.Add(part(handOverPart + closingPart))
	handing, cancel := context.WithTimeout(ctx, part(handOverPart))
	n.bus.Flush(handing)
	n.handOver(handing)
	cancel()
	n.closeClients(ctx, d, min(closing, time.Until(closed)), patient) // a late hand-over does not delay the last close
	left := n.sockets.Load()
	stopping, cancel := context.WithTimeout(context.Background(), max(time.Until(end), time.Second))
	defer cancel()
	err := n.server.Close(stopping)
	n.closeHTTP()
	close(n.stop)
	n.wg.Wait()
	n.floors.wait(stopping)
	if left > 0 && err == nil {
		err = fmt.Errorf("%d connections were cut at the end of the drain", left)
	}
	return err
}

// handOver waits until everything accepted has been handed to those who can take it.
func (n *Node) handOver(ctx context.Context) {
	for {
		busy := false
		for _, s := range n.shards {
			b, err := isBusy(ctx, s)
			if err != nil {
				return
			}
			busy = busy || b
		}
		if !busy || !pause(ctx, tickEvery) {
			return
		}
	}
}

// isBusy asks a shard, step by step, whether it has something to hand over.
func isBusy(ctx context.Context, s *shard.Shard) (busy bool, err error) {
	type part struct {
		busy bool
		next uint32
	}
	for next := uint32(0); ; {
		from := next // the step may run after ctx has ended
		got, err := ask(ctx, s, func(s *shard.Shard) part {
			busy, next := s.Busy(from)
			return part{busy, next}
		})
		if err != nil || got.busy || got.next == 0 {
			return got.busy, err
		}
		next = got.next
	}
}

// closeClients closes all clients and returns when their sockets are gone, or with ctx. The closes are spread over at most
// closing; it waits for clients that are behind until patient.
func (n *Node) closeClients(ctx context.Context, d Drain, closing time.Duration, patient time.Time) {
	chunks := int(n.sockets.Load()) / max(1, d.Chunk)
	closing = min(closing, time.Duration(chunks)*d.Interval)
	var wg sync.WaitGroup
	for _, s := range n.shards {
		wg.Go(func() {
			closePaced(ctx, s, closing)
			n.closeRest(ctx, s, patient)
		})
	}
	wg.Wait()
}

// closePaced closes the clients that are up to date, spread over a time by their number.
func closePaced(ctx context.Context, s *shard.Shard, over time.Duration) {
	total := s.Stats().Connections.Load()
	began, closed := time.Now(), 0
	for slot := uint32(0); ; {
		due := endAtOnce
		if passed := time.Since(began); passed < over {
			due = int(float64(total)*float64(passed)/float64(over)) - closed
		}
		if due > 0 {
			ended, next, err := endSome(ctx, s, slot, due, due, leaves(true))
			if err != nil || next == 0 {
				return
			}
			slot, closed = next, closed+ended
			continue
		}
		if !pause(ctx, tickEvery) {
			return
		}
	}
}

// closeRest closes the clients that were behind, or came since, each once it has caught up. It closes them all at once when
// there is no progress, or at last.
func (n *Node) closeRest(ctx context.Context, s *shard.Shard, last time.Time) {
	stats := s.Stats()
	seen, still := uint64(0), 0                                // looks without progress since
	for n.sockets.Load() > 0 || stats.Connections.Load() > 0 { // a session over HTTP has no socket between two requests
		if given := stats.Deliveries.Load() + stats.Pieces.Load(); given != seen {
			seen, still = given, 0
		} else {
			still++
		}
		patient := time.Now().Before(last) && still < stalled
		for slot, more := uint32(0), stats.Connections.Load() > 0; more; more = slot != 0 {
			var err error
			if _, slot, err = endSome(ctx, s, slot, endAtOnce, endSteps, leaves(patient)); err != nil {
				return
			}
		}
		if !pause(ctx, restEvery) {
			return
		}
	}
}

// restEvery is how often a loop looks for clients that can be closed now: each time it visits the slots of all that were
// there.
const restEvery = 100 * time.Millisecond

// endAtOnce is how many connections a loop is asked to close at once. It does so in steps, between which it delivers and
// serves its sockets. Asking for each step alone would leave the pace to the scheduler: a busy loop answers in 10 ms.
const (
	endAtOnce = 256
	endSteps  = 32
)

// ending is one step of a loop that closes up to n clients, from slot on. It returns how many, and the slot to go on from, 0 at the end.
type ending func(s *shard.Shard, slot uint32, n int) (ended int, next uint32)

// leaves is how a node that leaves closes clients.
func leaves(patient bool) ending {
	return func(s *shard.Shard, slot uint32, n int) (int, uint32) {
		return s.EndSome(slot, n, patient, session.CloseServiceLeaves, goodbye("the node is stopping, come back"))
	}
}

// endSome closes up to n clients of a loop, in so many steps at most, and returns the slot to go on from, 0 at the end.
func endSome(ctx context.Context, s *shard.Shard, slot uint32, n, steps int, end ending) (ended int, next uint32, err error) {
	type progress struct { // the loop's
		ended int
		slot  uint32
		over  bool
	}
	n = min(n, endAtOnce)
	p := &progress{slot: slot}
	step := func() {
		if p.over || p.ended == n {
			return
		}
		ended, next := end(s, p.slot, n-p.ended)
		p.ended, p.slot, p.over = p.ended+ended, next, next == 0
	}
	for range min(steps, endSteps) - 1 {
		s.Post(step)
	}
	got, err := ask(ctx, s, func(*shard.Shard) progress {
		step()
		return *p
	})
	return got.ended, got.slot, err
}

// How long closed clients should wait before they reconnect, each a random time: the clients of one step are closed at the
// same moment. It is short, since the closes are paced.
const (
	leastRetry = 50 * time.Millisecond
	mostRetry  = 500 * time.Millisecond
)

// goodbye is the reason of a close. It begins with a time in ms, which clients that know it wait for.
func goodbye(why string) string {
	retry := leastRetry + rand.N(mostRetry-leastRetry)
	return fmt.Sprintf("retry=%d %s", retry.Milliseconds(), why)
}

func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
