package loop

import (
	"context"
	"net/netip"
	"sync"

	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"
)

// arrival is a connection that was just accepted.
type arrival struct {
	fd   int
	peer netip.AddrPort // [::]:0 for a Unix socket
	on   *acceptor
}

// door is how connections enter an event loop.
type door struct {
	net  *network
	el   gnet.EventLoop
	task gnet.Runnable

	mu      sync.Mutex
	waiting []arrival
	called  bool // the loop is on its way to them
	closed  bool

	// The loop's own.
	taken   []arrival
	opening *arrival // between adopt and OnOpen
	events  uint
}

// doorRoom is how many connections may wait for one loop. Further ones stay in the kernel's queue. The loop needs about a
// millisecond to let so many in.
const doorRoom = 128

func newDoor(n *network, el gnet.EventLoop) *door {
	d := &door{net: n, el: el}
	d.task = runnable(d.enter)
	return d
}

// room reports whether another connection may wait.
func (d *door) room() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.waiting) < doorRoom && !d.closed
}

// put hands a connection to the loop. It fails when the loops are ending.
func (d *door) put(a arrival) bool {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return false
	}
	d.waiting = append(d.waiting, a)
	call := !d.called
	d.called = true
	d.mu.Unlock()
	if call {
		d.call()
	}
	return true
}

func (d *door) call() { _ = d.el.Execute(context.Background(), d.task) } // it fails when the loops have ended; shut closes what waits

// enter lets the waiting connections in. It runs in the loop.
func (d *door) enter() {
	d.mu.Lock()
	d.taken, d.waiting = d.waiting, d.taken[:0]
	d.mu.Unlock()
	for i := range d.taken {
		d.admit(&d.taken[i])
	}
	select {
	case d.net.room <- struct{}{}:
	default:
	}
	d.mu.Lock()
	more := len(d.waiting) > 0
	d.called = more
	d.mu.Unlock()
	if more {
		go d.call() // from another goroutine, so that the loop serves its sockets in between
	}
}

func (d *door) admit(a *arrival) {
	d.opening = a
	err := adopt(d.el, a.fd)
	if d.opening != nil { // OnOpen did not run: epoll refused it
		d.opening = nil
		d.net.host.lost(a)
		d.net.errs.count(err)
	}
}

// event counts events of connections: every so often the loop helps the acceptors.
func (d *door) event() {
	const often = 64
	if d.events++; d.events%often == 0 {
		d.net.help()
	}
}

// shut closes the waiting connections, and all that come later.
func (d *door) shut() {
	d.mu.Lock()
	waiting := d.waiting
	d.waiting, d.closed = nil, true
	d.mu.Unlock()
	for i := range waiting {
		_ = unix.Close(waiting[i].fd)
		d.net.host.lost(&waiting[i])
	}
}
