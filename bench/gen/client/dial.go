package client

import (
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// dialMore starts wanted connections, up to the limit of those that may be opening.
func (t *thread) dialMore() {
	o := &t.client.options
	room := max(o.Opening/o.Threads, 1)
	for len(t.wanted) > 0 && t.pending < room {
		w := &t.wanted[0]
		t.dial(t.take(), w)
		if w.n--; w.n == 0 {
			t.wanted = t.wanted[1:]
		}
	}
	for len(t.returns) > 0 && t.pending < room {
		r := t.returns[0]
		t.returns = t.returns[1:]
		t.dial(t.again(r.slot), &wanted{kind: r.kind, due: r.due, again: true})
	}
	if t.opening() == 0 {
		select {
		case t.client.opened <- struct{}{}:
		default:
		}
	}
}

// dial starts one connection.
func (t *thread) dial(c *conn, w *wanted) {
	o := &t.client.options
	c.kind, c.due, c.again = w.kind, w.due, w.again
	t.pending++
	t.underway = append(t.underway, underway{c.place(), time.Now()})
	// Every pair of a server's address and one of ours has its own ports.
	number := t.number(c)
	var from netip.Addr
	if len(o.Sources) > 0 {
		from = o.Sources[number/len(o.Addresses)%len(o.Sources)]
	}
	ports := t.client.ports.window(number / len(o.Addresses) / max(len(o.Sources), 1))
	to := o.Addresses[number%len(o.Addresses)]
	if o.Address != nil {
		to = o.Address(number)
	}
	fd, err := dial(to, from, ports, w.kind)
	c.fd, c.state = int32(fd), dialing
	if err != nil {
		t.fail(c, err.Error())
		return
	}
	// Over loopback the connection is already open, and the request can go out without a wait for EPOLLOUT.
	interest := uint32(unix.EPOLLIN)
	if t.shake(c); c.state == dialing {
		interest = unix.EPOLLOUT
	}
	if c.state != closed && c.state != securing {
		t.watch(c, unix.EPOLL_CTL_ADD, interest)
	}
}

// take returns a connection in a free slot.
func (t *thread) take() *conn {
	if n := len(t.free); n > 0 {
		slot := t.free[n-1]
		t.free = t.free[:n-1]
		return t.again(slot)
	}
	c := t.conns.add()
	if t.client.options.Resume {
		c.places = &places{}
	}
	return c
}

// again returns the next connection in a slot that had one.
func (t *thread) again(slot int32) *conn {
	c := t.conns.at(slot)
	next := conn{slot: c.slot, generation: c.generation + 1}
	if t.client.options.Resume {
		next.before, next.sequence, next.places = c.before, c.sequence, c.places
	}
	*c = next
	return c
}

// number of a connection, among those of all threads.
func (t *thread) number(c *conn) int { return int(c.slot)*t.client.options.Threads + t.index }

// watch makes epoll report when c can be read or written. A silent or slow connection that is open is not watched.
func (t *thread) watch(c *conn, op int, interest uint32) {
	if c.state == open && c.kind != Reading {
		return
	}
	e := unix.EpollEvent{Events: interest, Fd: c.slot, Pad: c.generation}
	if err := unix.EpollCtl(t.epoll, op, int(c.fd), &e); err != nil {
		t.fail(c, fmt.Sprintf("epoll_ctl: %v", err))
	}
}

// shake sends the handshake. The state stays dialing when there is no connection yet.
func (t *thread) shake(c *conn) {
	o := &t.client.options
	if o.Raw || o.TLS != nil {
		_, err := unix.Getpeername(int(c.fd))
		switch {
		case err == nil && o.TLS != nil:
			t.secure(c)
		case err == nil:
			t.opened(c)
		case err == unix.ENOTCONN:
		default:
			t.fail(c, fmt.Sprintf("connect: %v", err))
		}
		return
	}
	_, err := unix.Write(int(c.fd), t.client.wire.request(t.number(c)))
	switch err {
	case nil:
		c.state = upgrading
	case unix.EAGAIN:
	default:
		t.fail(c, fmt.Sprintf("connect: %v", err))
	}
}
