package cluster

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"stentor/bench/gen/client"
	"stentor/bench/gen/measure"
	"stentor/bench/gen/pace"
	"stentor/bench/suite/report"
	"stentor/stomp"
)

// homing reconnects clients as a real client does: it waits as long as the close says, asks where to connect, waits its random
// part of spread_ms, and tries the addresses of the answer, the one that it has lost
// after all others. Any goroutine uses it.
type homing struct {
	client *client.Client
	opens  func(number int, due time.Time) // opens one again
	home   func(number int) netip.AddrPort // of a client's first connection; nil: it asks
	asked  func(number int) []string       // URLs that it asks, until one answers
	queue  chan int                        // numbers of clients that ask now, or try the next address
	stop   context.CancelFunc
	done   sync.WaitGroup

	mu       sync.Mutex
	clients  map[int]*homed
	first    []netip.AddrPort               // not used yet: addresses for new clients that have asked
	arrivals map[netip.AddrPort][]time.Time // of all connections but the first ones
	losses   int64                          // connections that ended
	from     time.Time                      // when set, the time since which clients that lose their connection count as away
	unheard  int64                          // requests that nobody answered
	told     *measure.Latency               // what closes asked clients to wait
	asking   *measure.Latency               // from the end of that until a client was answered, and had waited its part of spread_ms
	opening  *measure.Latency               // from there until CONNECTED
}

// homed is one client.
type homed struct {
	at, avoid netip.AddrPort   // where it is connected or connecting, and the address that it lost
	left      []netip.AddrPort // addresses of its answer that it has not tried
	lost      time.Time        // when its connection ended
	begun     time.Time        // of what it does now: it asks, or connects
	times     int              // that it ended
}

// newHoming is for up to n clients.
func newHoming(n int, home func(int) netip.AddrPort, asked ...string) *homing {
	return &homing{
		home: home, asked: func(int) []string { return asked }, queue: make(chan int, n), clients: map[int]*homed{}, arrivals: map[netip.AddrPort][]time.Time{},
		told: measure.NewLatency(), asking: measure.NewLatency(), opening: measure.NewLatency(),
	}
}

// set makes the clients of these options come back.
func (h *homing) set(o *client.Options) {
	o.Resume, o.Address, o.Lost = true, h.next, h.over
	o.Connected = func(number int, _ *stomp.Frame) { h.connected(number) }
}

// of returns a client. mu is held.
func (h *homing) of(number int) *homed {
	c := h.clients[number]
	if c == nil {
		c = &homed{}
		switch {
		case h.home != nil:
			c.at = h.home(number)
		case len(h.first) > 0:
			c.at, h.first = h.first[0], h.first[1:]
		}
		h.clients[number] = c
	}
	return c
}

// next is where a client connects now.
func (h *homing) next(number int) netip.AddrPort {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.of(number).at
}

func (h *homing) connected(number int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c := h.of(number); c.times > 0 {
		now := time.Now()
		h.arrivals[c.at] = append(h.arrivals[c.at], now)
		h.opening.Record(now.Sub(c.begun))
	}
}

// over handles a connection that ended, or could not be opened.
func (h *homing) over(number int, l client.Loss) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.of(number)
	if l.Open {
		h.losses++
		c.times++
		c.lost, c.avoid, c.left = time.Now(), c.at, nil
		if !h.from.IsZero() {
			c.lost = h.from
		}
	}
	if c.lost.IsZero() {
		c.lost = time.Now() // it was never open
	}
	wait := retry(l.Reason)
	if c.begun = time.Now().Add(wait); l.Open {
		h.told.Record(wait)
	}
	h.later(wait, number)
}

// since sets the time since which clients that lose their connection count as away.
func (h *homing) since(at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.from = at
}

// later puts a client into the queue, which has a place for each.
func (h *homing) later(wait time.Duration, number int) {
	if wait <= 0 {
		h.queue <- number
		return
	}
	time.AfterFunc(wait, func() { h.queue <- number })
}

// retry is how long the reason of a close asks a client to wait.
func retry(reason string) time.Duration {
	text, ok := strings.CutPrefix(reason, "retry=")
	if !ok {
		return 0
	}
	text, _, _ = strings.Cut(text, " ")
	ms, err := strconv.Atoi(text)
	if err != nil || ms < 0 {
		return 0
	}
	return time.Duration(ms) * time.Millisecond
}

// start begins to bring clients of c back, until end.
func (h *homing) start(ctx context.Context, c *client.Client) {
	h.client, h.opens = c, func(number int, due time.Time) { c.Return(client.Reading, number, due) }
	ctx, h.stop = context.WithCancel(ctx)
	for i := range askers {
		h.done.Go(func() {
			a := &asking{from: askFrom(backFrom + i), open: map[string]*asker{}}
			defer a.close()
			for {
				select {
				case number := <-h.queue:
					h.attempt(ctx, a, number)
				case <-ctx.Done():
					return
				}
			}
		})
	}
}

// backFrom is the first of the addresses from which clients ask that come back.
const backFrom = 1000

func (h *homing) end() {
	h.stop()
	h.done.Wait()
}

// restless is how long a client waits before it asks again when nobody answered.
const restless = 200 * time.Millisecond

// attempt makes a client try its next address, or ask for more.
func (h *homing) attempt(ctx context.Context, a *asking, number int) {
	h.mu.Lock()
	c := h.of(number)
	if len(c.left) > 0 {
		now := time.Now()
		h.asking.Record(now.Sub(c.begun))
		c.at, c.left, c.begun = c.left[0], c.left[1:], now
		due := c.lost
		h.mu.Unlock()
		h.opens(number, due)
		return
	}
	h.mu.Unlock()
	got, err := a.ask(ctx, h.asked(number))
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.unheard++
		if ctx.Err() == nil {
			h.later(restless, number)
		}
		return
	}
	c.left = c.left[:0]
	last := netip.AddrPort{}
	for _, to := range got.to {
		if to == c.avoid {
			last = to
			continue
		}
		c.left = append(c.left, to)
	}
	if last.IsValid() {
		c.left = append(c.left, last)
	}
	h.later(rand.N(got.spread+1), number)
}

// newcomers makes n clients ask where to connect.
func (h *homing) newcomers(ctx context.Context, a *asking, n int) error {
	for range n {
		got, err := a.ask(ctx, h.asked(0))
		if err != nil {
			return err
		}
		h.mu.Lock()
		h.first = append(h.first, got.to[0])
		h.mu.Unlock()
	}
	return nil
}

// whole waits until n clients are open, those that lost their connection included, and at least least connections were lost.
func (h *homing) whole(ctx context.Context, n int, least int64, patience time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("not all clients are back after %v", patience))
	defer cancel()
	for {
		h.mu.Lock()
		losses, unheard := h.losses, h.unheard
		h.mu.Unlock()
		counts := h.client.Counts()
		if losses >= least && counts.Reading == n && counts.Opened == int64(n)+losses {
			return nil
		}
		if err := pace.Wait(ctx, 2*time.Millisecond); err != nil {
			return fmt.Errorf("%w: %d of %d, %d were lost, %d times nobody answered; %v, then %v", context.Cause(ctx), counts.Reading, n, losses, unheard, counts.Failures, counts.Again)
		}
	}
}

// parts are the phases of a client's absence.
func (h *homing) parts() []report.Detail {
	h.mu.Lock()
	defer h.mu.Unlock()
	p99 := func(l *measure.Latency) float64 { return l.Summary().P99.Seconds() }
	return []report.Detail{
		report.With("of it as the close asked, p99", "s", p99(h.told)), report.With("until the registry's answer, p99", "s", p99(h.asking)),
		report.With("until CONNECTED, p99", "s", p99(h.opening)),
	}
}

// on is how many clients are connected or connecting to a node.
func (h *homing) on(node netip.AddrPort) (n float64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.clients {
		if c.at == node {
			n++
		}
	}
	return n
}

// moves are how many connections ended, and how many clients lost theirs more than once.
func (h *homing) moves() (all, again int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.clients {
		all += c.times
		if c.times > 1 {
			again++
		}
	}
	return all, again
}

// busiest is the most clients that came back to one node within a second.
func (h *homing) busiest() (most int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, at := range h.arrivals {
		first := 0
		for i := range at {
			for at[i].Sub(at[first]) >= time.Second {
				first++
			}
			most = max(most, i-first+1)
		}
	}
	return most
}
