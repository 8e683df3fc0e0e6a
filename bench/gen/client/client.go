package client

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"stentor/bench/gen/measure"
	"stentor/engine/websocket"
)

// Kind says how a connection behaves once it is open.
type Kind uint8

const (
	Reading Kind = iota
	// Silent connections never read again, with a smaller receive buffer than usual, but keep sending their heart-beats.
	Silent
	// Slow connections read a little every second, with a smaller receive buffer, and keep sending heart-beats.
	Slow
	kinds
)

// Client holds the connections. Its methods are for one goroutine at a time; Counts and Delivered for any.
type Client struct {
	options Options
	wire    wire
	started time.Time
	ports   Ports // of this host
	threads []*thread
	running sync.WaitGroup

	delivered atomic.Int64
	target    atomic.Int64  // what WaitDelivered waits for
	reached   chan struct{} // delivered has come to target; one place
	opened    chan struct{} // a thread has nothing left to open; one place

	tlsJobs, signJobs chan func() // nil when there are no workers
	workers           sync.WaitGroup
}

// New starts the threads. Close ends them.
func New(o Options) (*Client, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	c := &Client{
		options: o,
		wire:    newWire(&o, websocket.NewKey()),
		started: time.Now(),
		reached: make(chan struct{}, 1),
		opened:  make(chan struct{}, 1),
	}
	var err error
	if c.ports, err = LocalPorts(); err != nil {
		return nil, err
	}
	if o.TLS != nil {
		c.tlsJobs = c.hire(handshakers)
	}
	if o.Headers != nil && o.Signers > 0 {
		c.signJobs = c.hire(o.Signers)
	}
	for i := range o.Threads {
		t, err := newThread(c, i)
		if err != nil {
			c.Close()
			return nil, err
		}
		c.threads = append(c.threads, t)
		c.running.Go(t.run)
	}
	return c, nil
}

// Open opens n more connections and returns when all of them are open, subscriptions included, or have failed.
func (c *Client) Open(ctx context.Context, kind Kind, n int) error {
	before := c.Counts()
	c.Begin(kind, n, time.Now())
	if err := c.WaitOpened(ctx); err != nil {
		return fmt.Errorf("%d of %d connections are open: %w", c.Counts().Opened-before.Opened, n, err)
	}
	if now := c.Counts(); now.Failed() > before.Failed() {
		return fmt.Errorf("%d of %d connections failed: %v", now.Failed()-before.Failed(), n, now.Failures)
	}
	return nil
}

// Begin starts to open n more connections that were due at due, and does not wait. It reuses free numbers before it takes
// new ones.
func (c *Client) Begin(kind Kind, n int, due time.Time) { c.begin(kind, n, due, false) }

// BeginAgain is Begin for connections that failed to open or that the server ended, which Counts has already.
func (c *Client) BeginAgain(kind Kind, n int, due time.Time) { c.begin(kind, n, due, true) }

func (c *Client) begin(kind Kind, n int, due time.Time, again bool) {
	active := make([]int, len(c.threads))
	for i, t := range c.threads {
		active[i] = t.active()
	}
	// Equal shares keep the numbers below the number of all connections.
	share := make([]int, len(c.threads))
	for range n {
		i := 0
		for j := range active {
			if active[j] < active[i] {
				i = j
			}
		}
		active[i]++
		share[i]++
	}
	for i, t := range c.threads {
		if share[i] > 0 {
			t.open(wanted{kind, share[i], int64(due.Sub(c.started)), again})
		}
	}
}

// Return opens a connection again that Options.Lost was told of, as one that was due at due. It does not wait.
func (c *Client) Return(kind Kind, number int, due time.Time) {
	t := c.threads[number%len(c.threads)]
	t.mu.Lock()
	defer t.mu.Unlock()
	t.returns = append(t.returns, returns{int32(number / len(c.threads)), kind, int64(due.Sub(c.started))})
	t.nudge()
}

// WaitOpened waits until no connection is opening any more.
func (c *Client) WaitOpened(ctx context.Context) error {
	for c.opening() > 0 {
		select {
		case <-c.opened:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (c *Client) opening() (n int) {
	for _, t := range c.threads {
		t.mu.Lock()
		n += t.opening()
		t.mu.Unlock()
	}
	return n
}

// Drop closes n open connections of a kind, spread evenly over all, without a close frame.
func (c *Client) Drop(kind Kind, n int) error {
	now := c.Counts()
	if have := *now.open(kind); n > have {
		return fmt.Errorf("cannot drop %d of %d connections", n, have)
	}
	for i, t := range c.threads {
		left := len(c.threads) - i
		n -= t.drop(kind, (n+left-1)/left)
	}
	for _, t := range c.threads { // what the others did not have
		n -= t.drop(kind, n)
	}
	if n > 0 {
		return errors.New("connections were lost while some were dropped")
	}
	return nil
}

// Leave tells the connections that the server is about to leave: a close with 1012 is then not a failure. Messages up to
// newest that have not come to a connection by then are lost.
func (c *Client) Leave(newest func(number, subscription int) uint32) {
	for _, t := range c.threads {
		t.mu.Lock()
		t.leaving = newest
		t.mu.Unlock()
	}
}

// Counts returns what was seen so far.
func (c *Client) Counts() Counts {
	all := newCounts()
	for _, t := range c.threads {
		t.mu.Lock()
		all.add(&t.counts)
		all.Opening += t.opening()
		t.mu.Unlock()
	}
	return all
}

// Delivered returns how many messages came so far.
func (c *Client) Delivered() int64 { return c.delivered.Load() }

// WaitDelivered waits until Delivered has reached n.
func (c *Client) WaitDelivered(ctx context.Context, n int64) error {
	c.target.Store(n)
	for c.delivered.Load() < n {
		select {
		case <-c.reached:
		case <-ctx.Done():
			return fmt.Errorf("%d messages of %d came: %w", c.delivered.Load(), n, ctx.Err())
		}
	}
	return nil
}

// count is called by the threads.
func (c *Client) count(n int64) {
	if c.delivered.Add(n) >= c.target.Load() {
		select {
		case c.reached <- struct{}{}:
		default:
		}
	}
}

// Latency sums up how late the messages came since ResetLatency.
func (c *Client) Latency() measure.Summary {
	all := measure.NewLatency()
	for _, t := range c.threads {
		t.mu.Lock()
		all.Merge(t.latency)
		t.mu.Unlock()
	}
	return all.Summary()
}

// ResetLatency forgets all latencies.
func (c *Client) ResetLatency() {
	for _, t := range c.threads {
		t.mu.Lock()
		t.latency.Reset()
		t.mu.Unlock()
	}
}

// Take moves out the latencies since the last Take or ResetLatency: those of messages to latency, and those of connections,
// from when each was due until it was open, to connecting. It returns the Counts of the same moment: the latency of each
// message in them has been taken.
func (c *Client) Take(latency, connecting *measure.Latency) Counts {
	all := newCounts()
	for _, t := range c.threads {
		t.mu.Lock()
		all.add(&t.counts)
		all.Opening += t.opening()
		latency.Merge(t.latency)
		t.latency.Reset()
		connecting.Merge(t.connecting)
		t.connecting.Reset()
		t.mu.Unlock()
	}
	return all
}

// Missing returns how many messages have not come yet to the open connections that read. newest returns the newest message
// of a connection's subscription. Messages that the server has not accepted are not missing.
func (c *Client) Missing(newest func(number, subscription int) uint32) (missing int64) {
	c.each(func(t *thread, c *conn) { missing += t.missing(c, newest) })
	return missing
}

// Follow makes every open connection that reads, and has received nothing, expect every message after the newest one. It is
// for servers without receipts, once nothing is in flight.
func (c *Client) Follow(newest func(number, subscription int) uint32) {
	c.each(func(t *thread, c *conn) {
		for i := range int(c.subscriptions) {
			if c.sequence[i] == (measure.Sequence{}) {
				c.sequence[i].Follow(newest(t.number(c), i))
			}
		}
	})
}

// each calls f with every open connection that reads.
func (c *Client) each(f func(*thread, *conn)) {
	for _, t := range c.threads {
		t.mu.Lock()
		t.conns.each(0, func(c *conn) bool {
			if c.state == open && c.kind == Reading {
				f(t, c)
			}
			return true
		})
		t.mu.Unlock()
	}
}

// LastMessage returns one of the latest messages as received: a WebSocket frame with a MESSAGE in it, nil when there is none.
func (c *Client) LastMessage() []byte {
	for _, t := range c.threads {
		t.mu.Lock()
		frame := slices.Clone(t.known.newest())
		t.mu.Unlock()
		if frame != nil {
			return frame
		}
	}
	return nil
}

// Addresses returns the local addresses of all open connections of a kind.
func (c *Client) Addresses(kind Kind) ([]netip.AddrPort, error) {
	var all []netip.AddrPort
	for _, t := range c.threads {
		some, err := t.addresses(kind)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// hire starts n workers for work that would block a thread. They end when the channel is closed.
func (c *Client) hire(n int) chan func() {
	jobs := make(chan func(), 2*c.options.Opening+c.options.Threads)
	for range n {
		c.workers.Go(func() {
			for job := range jobs {
				job()
			}
		})
	}
	return jobs
}

// Close resets all connections, so that none keeps its port, and ends the threads.
func (c *Client) Close() {
	for _, t := range c.threads {
		t.stop()
	}
	c.running.Wait()
	for _, t := range c.threads {
		t.reset()
	}
	for _, jobs := range []chan func(){c.tlsJobs, c.signJobs} {
		if jobs != nil {
			close(jobs)
		}
	}
	c.workers.Wait()
	for _, t := range c.threads {
		t.close()
	}
}
