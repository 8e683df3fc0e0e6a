package client

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// dialMore starts as many of the wanted connections as may be under way.
func (t *thread) dialMore() {
	o := &t.client.options
	room := max(o.Opening/o.Threads, 1)
	for kind := range t.wanted {
		for ; t.wanted[kind] > 0 && t.pending < room; t.wanted[kind]-- {
			t.dial(Kind(kind))
		}
	}
	if t.opening() == 0 {
		select {
		case t.client.opened <- struct{}{}:
		default:
		}
	}
}

// dial starts one connection.
func (t *thread) dial(kind Kind) {
	c := t.take()
	c.kind = kind
	t.pending++
	fd, err := dial(t.client.options.Address, t.client.options.Sources, t.number(c), kind)
	c.fd, c.state = int32(fd), dialing
	if err != nil {
		t.fail(c, err.Error())
		return
	}
	// Over loopback the connection is there already, and the request can go out without a wait for EPOLLOUT.
	interest := uint32(unix.EPOLLIN)
	if t.shake(c); c.state == dialing {
		interest = unix.EPOLLOUT
	}
	if c.state != closed {
		t.watch(c, unix.EPOLL_CTL_ADD, interest)
	}
}

// take returns a connection in a free slot.
func (t *thread) take() *conn {
	if n := len(t.free); n > 0 {
		c := &t.conns[t.free[n-1]]
		t.free = t.free[:n-1]
		before := *c
		*c = conn{slot: c.slot, generation: c.generation + 1}
		if t.client.options.Resume {
			c.sequence, c.places = before.sequence, before.places
		}
		return c
	}
	t.conns = append(t.conns, conn{slot: int32(len(t.conns))})
	c := &t.conns[len(t.conns)-1]
	if t.client.options.Resume {
		c.places = &places{}
	}
	return c
}

// number of a connection, among those of all threads.
func (t *thread) number(c *conn) int { return int(c.slot)*t.client.options.Threads + t.index }

// watch makes epoll report when c can be read or written. A silent connection that is open is not watched.
func (t *thread) watch(c *conn, op int, interest uint32) {
	if c.state == open && c.kind == Silent {
		return
	}
	e := unix.EpollEvent{Events: interest, Fd: c.slot, Pad: c.generation}
	if err := unix.EpollCtl(t.epoll, op, int(c.fd), &e); err != nil {
		t.fail(c, fmt.Sprintf("epoll_ctl: %v", err))
	}
}

// shake sends the handshake. The state stays dialing when there is no connection yet.
func (t *thread) shake(c *conn) {
	if t.client.options.Raw {
		_, err := unix.Getpeername(int(c.fd))
		switch err {
		case nil:
			t.opened(c)
		case unix.ENOTCONN:
		default:
			t.fail(c, fmt.Sprintf("connect: %v", err))
		}
		return
	}
	_, err := unix.Write(int(c.fd), t.client.wire.request)
	switch err {
	case nil:
		c.state = upgrading
	case unix.EAGAIN:
	default:
		t.fail(c, fmt.Sprintf("connect: %v", err))
	}
}
