package client

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"stentor/bench/measure"
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
	conns   []conn
	free    []int32    // closed slots
	wanted  [kinds]int // connections still to be dialed
	pending int        // connections on their way to open
	counts  Counts
	fresh   int64 // deliveries that client.count has not been told yet
	latency *measure.Latency
	known   known
	beats   heartbeats

	// What follows is used within one step only.
	input   []byte
	output  []byte
	scratch []byte
	events  []unix.EpollEvent
	decoder stomp.Decoder
	frame   stomp.Frame
}

func newThread(c *Client, index int) (*thread, error) {
	t := &thread{
		client:  c,
		index:   index,
		latency: measure.NewLatency(),
		counts:  Counts{Failures: map[string]int{}},
		input:   make([]byte, readBuffer),
		events:  make([]unix.EpollEvent, batch),
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
		timeout = t.beat(time.Now())
		fresh := t.fresh
		t.fresh = 0
		t.mu.Unlock()
		if fresh > 0 {
			t.client.count(fresh)
		}
	}
}

// nudge makes the goroutine go round once. mu may be held or not.
func (t *thread) nudge() {
	_, _ = unix.Write(t.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // fails only when it is readable anyway
}

func (t *thread) open(kind Kind, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wanted[kind] += n
	t.nudge()
}

// opening returns how many connections are not open yet. mu is held.
func (t *thread) opening() int {
	n := t.pending
	for _, wanted := range t.wanted {
		n += wanted
	}
	return n
}

// drop closes up to n open connections of a kind, evenly spread, and returns how many it closed.
func (t *thread) drop(kind Kind, n int) (dropped int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	have := [kinds]int{t.counts.Reading, t.counts.Silent}[kind]
	n = min(n, have)
	seen := 0
	for i := range t.conns {
		c := &t.conns[i]
		if c.state != open || c.kind != kind {
			continue
		}
		// The seen-th of have is dropped where the line from 0 to n over them passes the next whole number.
		if seen++; seen*n/have > dropped {
			dropped++
			t.release(c)
		}
	}
	return dropped
}

func (t *thread) addresses(kind Kind) (all []netip.AddrPort, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.conns {
		c := &t.conns[i]
		if c.state != open || c.kind != kind {
			continue
		}
		name, err := unix.Getsockname(int(c.fd))
		if err != nil {
			return nil, err
		}
		a := name.(*unix.SockaddrInet4)
		all = append(all, netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)))
	}
	return all, nil
}

// stop makes run return.
func (t *thread) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	t.nudge()
}

// close frees everything once run has returned.
func (t *thread) close() {
	for i := range t.conns {
		if t.conns[i].state != closed {
			reset(int(t.conns[i].fd))
		}
	}
	unix.Close(t.epoll)
	unix.Close(t.wake)
}

// millis is the time since the client started.
func (t *thread) millis(now time.Time) uint32 {
	return uint32(now.Sub(t.client.started).Milliseconds())
}
