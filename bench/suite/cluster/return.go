package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	"stentor/bench/gen/client"
	"stentor/bench/gen/pace"
)

// route says where each client connects. The load generator's threads ask it and never wait: the answers of the
// registry are there before.
type route struct {
	home netip.AddrPort // of the first connection

	mu      sync.Mutex
	answers [][]netip.AddrPort       // nobody has taken; the newest last
	left    map[int][]netip.AddrPort // what a client has not tried yet of its answer
	known   map[int]bool             // has been connected before
}

func newRoute(home netip.AddrPort) *route {
	return &route{home: home, left: map[int][]netip.AddrPort{}, known: map[int]bool{}}
}

// next is where a client connects now: its home at first, then the addresses of an answer in their order.
func (r *route) next(number int) netip.AddrPort {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.known[number] {
		r.known[number] = true
		return r.home
	}
	to := r.left[number]
	if len(to) == 0 && len(r.answers) > 0 {
		to = r.answers[len(r.answers)-1]
		r.answers = r.answers[:len(r.answers)-1]
	}
	if len(to) == 0 {
		return r.home // is gone: it tries again
	}
	r.left[number] = to[1:]
	return to[0]
}

// connected makes a client ask anew when it has to connect the next time.
func (r *route) connected(number int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.left, number)
}

func (r *route) add(a answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers = append(r.answers, a.to)
}

// back brings all n clients back whose node was killed at killed: as soon as a connection has ended its client asks the
// registry, waits for the part of spread_ms that falls to it, and tries the addresses that it got. It returns when all
// are open again.
func (b *bench) back(ctx context.Context, c *client.Client, r *route, registry string, n int, killed time.Time) error {
	ctx, cancel := context.WithTimeoutCause(ctx, b.plan.patience, fmt.Errorf("not all clients are back after %v", b.plan.patience))
	defer cancel()
	all := make([]*asker, askers)
	for i := range all {
		all[i] = newAsker(registry, askFrom(backFrom+i))
		defer all[i].close()
	}
	opened := c.Counts().Opened + int64(n) // when each has connected again
	var waiting []time.Time                // when clients that have an answer connect
	for {
		now := time.Now()
		ready := 0
		for slices.SortFunc(waiting, time.Time.Compare); ready < len(waiting) && !waiting[ready].After(now); ready++ {
		}
		if waiting = waiting[ready:]; ready > 0 {
			c.BeginAgain(client.Reading, ready, killed)
		}
		counts := c.Counts()
		ended := n - counts.Reading - counts.Opening - len(waiting)
		if counts.Reading == n && counts.Opened >= opened {
			return nil
		}
		answers, err := askAll(ctx, all, ended)
		if err != nil {
			return err
		}
		for _, a := range answers {
			r.add(a)
			waiting = append(waiting, time.Now().Add(rand.N(a.spread+1)))
		}
		if err := pace.Wait(ctx, 2*time.Millisecond); err != nil {
			return fmt.Errorf("%w: %d of %d; %v", context.Cause(ctx), counts.Reading, n, counts.Again)
		}
	}
}

// backFrom is the first of the addresses from which clients ask that come back.
const backFrom = 1000

// askAll asks n times.
func askAll(ctx context.Context, from []*asker, n int) (answers []answer, err error) {
	var mu sync.Mutex
	var done sync.WaitGroup
	for i, a := range from {
		share := (n + i) / len(from)
		if share <= 0 {
			continue
		}
		done.Go(func() {
			for range share {
				got, failed := a.ask(ctx, nodeCount)
				mu.Lock()
				if failed != nil {
					err = errors.Join(err, failed)
				} else {
					answers = append(answers, got)
				}
				mu.Unlock()
				if failed != nil {
					return
				}
			}
		})
	}
	done.Wait()
	return answers, err
}
