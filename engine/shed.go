package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"stentor/engine/session"
	"stentor/engine/shard"
)

// shedding is what a node knows between two calls of Shed. The holder of mu owns it.
type shedding struct {
	mu     sync.Mutex
	places []shedPlace // of each loop: where the next call goes on
	log    rate.Sometimes
}

// shedPlace is how far a loop's clients have been looked at: first for those that are idle, then for all.
type shedPlace struct {
	slot uint32
	busy bool // those that are not idle too
}

// ErrShedding is for a second one who wants a node to send clients to others.
var ErrShedding = errors.New("the node sends clients to others for somebody else")

// shedTime is over how long a call of Shed spreads its closes. A node that passes a request on waits 2 s for the answer.
const shedTime = time.Second

// Shed closes up to count sessions that are older than a time and have received their pushes, so that their clients go to other
// nodes. Those that are idle go first, who hardly notice. It spreads them over a second, and ends with ctx. more is false when
// it went over all sessions and found no other. There is one at a time.
func (n *Node) Shed(ctx context.Context, count int, older time.Duration) (closed int, more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, shedTime+shedTime/2) // loops may be busy
	defer cancel()
	return n.shed(ctx, count, older, shedTime)
}

func (n *Node) shed(ctx context.Context, count int, older, over time.Duration) (closed int, more bool, err error) {
	d := &n.shedding
	if !d.mu.TryLock() {
		return 0, true, ErrShedding
	}
	defer d.mu.Unlock()
	if n.Draining() {
		return 0, false, nil // all of them go as it is
	}
	d.log.Interval = time.Minute
	d.log.Do(func() {
		n.log.Info("clients are sent to other nodes", "connections", n.sockets.Load(), "count", count, "older_than", older.String())
	})
	if d.places == nil {
		d.places = make([]shedPlace, len(n.shards))
	}
	began := time.Now()
	until := uint32(max(0, began.Add(-older).Unix()))
	turns := make([]shedTurn, len(n.shards))
	for i, s := range n.shards {
		turns[i] = shedTurn{s: s, shedPlace: d.places[i], whole: d.places[i] == shedPlace{}}
	}
	defer func() {
		for i := range turns {
			d.places[i] = turns[i].shedPlace
		}
	}()
	for closed < count {
		due := count - closed
		if passed := time.Since(began); passed < over {
			due = int(float64(count)*float64(passed)/float64(over)) - closed
		}
		left := 0 // loops that may have more
		for i := range turns {
			if !turns[i].over {
				left++
			}
		}
		if left == 0 {
			return closed, false, nil
		}
		each := (due + left - 1) / left
		for i := range turns {
			if n := min(each, due); n > 0 && !turns[i].over {
				ended, err := turns[i].shed(ctx, n, until)
				if err != nil {
					return closed, true, nil //nolint:nilerr // the time is over, or the caller is gone
				}
				closed, due = closed+ended, due-ended
			}
		}
		if closed < count && !pause(ctx, tickEvery) {
			break
		}
	}
	return closed, true, nil
}

// shedTurn is how far one call of Shed has come with a loop.
type shedTurn struct {
	s *shard.Shard
	shedPlace
	whole bool // this way over the clients, idle ones and all, began in this call
	over  bool
}

// shed closes up to n sessions, or has gone once over some of the places.
func (t *shedTurn) shed(ctx context.Context, n int, until uint32) (ended int, err error) {
	ended, t.slot, err = endSome(ctx, t.s, t.slot, n, endSteps, func(s *shard.Shard, slot uint32, n int) (int, uint32) {
		return s.ShedSome(slot, n, until, !t.busy, session.CloseServiceLeaves, goodbye("another node has more room, come back"))
	})
	if err != nil || t.slot != 0 {
		return ended, err
	}
	if t.busy {
		t.over, t.whole = t.whole, true
	}
	t.busy = !t.busy
	return ended, nil
}
