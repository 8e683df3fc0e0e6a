package client

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"stentor/bench/gen/measure"
	"stentor/engine/deflate"
	"stentor/stomp"
)

const (
	readBuffer = 64 << 10
	batch      = 512 // events of one epoll_wait
	wakeSlot   = -1  // the slot in the events of the wake descriptor
)

// thread owns a share of the connections. Its goroutine holds mu except while it waits in epoll_wait; other
// goroutines take mu to give it work or to look at its counts.
type thread struct {
	client *Client
	index  int
	epoll  int
	wake   int // eventfd that ends a wait

	mu      sync.Mutex
	stopped bool
	conns   slab
	free    []int32   // closed slots
	wanted  []wanted  // connections still to be dialed
	returns []returns // the same, those of Return
	pending int       // connections on their way to open
	counts  Counts
	fresh   int64 // deliveries that client.count has not been told yet
	latency *measure.Latency
	known   known

	connecting *measure.Latency
	underway   []underway // in the order in which they began; some are open or gone
	beats      heartbeats
	slow       []place // connections that are Slow, and some that are gone
	sips       turns
	nextTick   time.Time
	dropAt     int32 // slot at which the next drop begins
	// leaving is set by Leave, nil before.
	leaving func(number, subscription int) uint32

	// The fields below are used only within one step.
	input    []byte
	output   []byte
	scratch  []byte
	array    []byte // of framed
	decoded  []byte // of sockjs and unpack
	inflater deflate.Inflater
	events   []unix.EpollEvent
	decoder  stomp.Decoder
	frame    stomp.Frame
}

// wanted are connections that were due to open at due, in nanoseconds since the client started.
type wanted struct {
	kind  Kind
	n     int
	due   int64
	again bool
}

// returns is a connection that was lost, and is to open again.
type returns struct {
	slot int32
	kind Kind
	due  int64
}

// underway is a connection that began to connect.
type underway struct {
	place
	began time.Time
}

func newThread(c *Client, index int) (*thread, error) {
	t := &thread{
		client:  c,
		index:   index,
		latency: measure.NewLatency(),

		connecting: measure.NewLatency(),
		counts:     newCounts(),
		input:      make([]byte, readBuffer),
		events:     make([]unix.EpollEvent, batch),
	}
	var err error
	if t.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("epoll_create: %w", err)
	}
	if t.wake, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		unix.Close(t.epoll)
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	e := unix.EpollEvent{Events: unix.EPOLLIN, Fd: wakeSlot}
	if err := unix.EpollCtl(t.epoll, unix.EPOLL_CTL_ADD, t.wake, &e); err != nil {
		unix.Close(t.epoll)
		unix.Close(t.wake)
		return nil, fmt.Errorf("epoll_ctl: %w", err)
	}
	return t, nil
}

// run is the thread's goroutine.
func (t *thread) run() {
	timeout := 0
	for {
		n, err := unix.EpollWait(t.epoll, t.events, timeout)
		if err != nil && err != unix.EINTR {
			panic(fmt.Sprintf("epoll_wait: %v", err)) // only for bad arguments
		}
		t.mu.Lock()
		if t.stopped {
			t.mu.Unlock()
			return
		}
		for i := range max(n, 0) {
			t.event(&t.events[i])
		}
		t.dialMore()
		timeout = t.due(time.Now())
		fresh := t.fresh
		t.fresh = 0
		t.mu.Unlock()
		if fresh > 0 {
			t.client.count(fresh)
		}
		if gather := t.client.options.Gather; gather > 0 && n < len(t.events) {
			time.Sleep(gather)
		}
	}
}

// nudge makes the goroutine run one step. mu may be held or not.
func (t *thread) nudge() {
	_, _ = unix.Write(t.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // fails only when it is readable anyway
}

func (t *thread) open(w wanted) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wanted = append(t.wanted, w)
	t.nudge()
}

// active returns how many connections exist or are wanted.
func (t *thread) active() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.conns.len() - len(t.free)
	for i := range t.wanted {
		n += t.wanted[i].n
	}
	return n
}

// opening returns how many connections are not open yet. mu is held.
func (t *thread) opening() int {
	n := t.pending + len(t.returns)
	for i := range t.wanted {
		n += t.wanted[i].n
	}
	return n
}

// drop closes up to n open connections of a kind, evenly spread from where the last drop ended, and returns how many it
// closed.
func (t *thread) drop(kind Kind, n int) (dropped int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	have := *t.counts.open(kind)
	n = min(n, have)
	seen, last := 0, t.dropAt
	t.conns.each(t.dropAt, func(c *conn) bool {
		if c.state != open || c.kind != kind {
			return dropped < n
		}
		// Drops the first of have, and then each at which the line from 0 to n over them passes a whole number.
		if dropped < n && seen*n/have >= dropped {
			dropped++
			last = c.slot + 1
			t.release(c)
		}
		seen++
		return dropped < n
	})
	t.dropAt = last
	t.counts.Dropped += int64(dropped)
	return dropped
}

// missing is Missing for one connection.
func (t *thread) missing(c *conn, newest func(number, subscription int) uint32) (missing int64) {
	for i := range int(c.subscriptions) {
		last := newest(t.number(c), i)
		n := c.sequence[i].Missing(last)
		if n > 0 && t.client.options.Untaken != nil {
			n -= t.client.options.Untaken(c.streams[i], last-n+1, last+1, true)
		}
		missing += int64(n)
	}
	return missing
}

func (t *thread) addresses(kind Kind) (all []netip.AddrPort, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.conns.each(0, func(c *conn) bool {
		if c.state != open || c.kind != kind {
			return true
		}
		var name unix.Sockaddr
		if name, err = unix.Getsockname(int(c.fd)); err != nil {
			return false
		}
		all = append(all, addrPort(name))
		return true
	})
	return all, err
}

// stop makes run return.
func (t *thread) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	t.nudge()
}

// reset closes all connections once run has returned. Workers may still be at some of them.
func (t *thread) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.conns.each(0, func(c *conn) bool {
		if c.state != closed && c.state != securing { // a worker closes its descriptor itself
			reset(int(c.fd))
		}
		c.state = closed
		return true
	})
}

// close frees the rest once the workers have ended.
func (t *thread) close() {
	unix.Close(t.epoll)
	unix.Close(t.wake)
}

// millis is the time since the client started.
func (t *thread) millis(now time.Time) uint32 {
	return uint32(now.Sub(t.client.started).Milliseconds())
}
