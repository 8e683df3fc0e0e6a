package client

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// TLS over a descriptor that does not block. crypto/tls keeps no goroutine and no timer; all that it needs of its
// net.Conn is that a read with nothing to read fails with an error that is Temporary, which it does not hold on to. The
// handshake has several turns inside one call, so a worker does it, waiting by poll(2). Afterwards the descriptor goes
// into epoll like any other.

// descriptor is the net.Conn below a tls.Conn.
type descriptor struct {
	fd       int
	deadline time.Time // until which reads and writes wait; zero: they do not
}

// errAgain says that there is nothing to read.
var errAgain = again{}

type again struct{}

func (again) Error() string   { return "nothing to read" }
func (again) Timeout() bool   { return false }
func (again) Temporary() bool { return true }

// Read reads what is there.
func (d *descriptor) Read(b []byte) (int, error) {
	for {
		n, err := unix.Read(d.fd, b)
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			if err := d.wait(unix.POLLIN); err != nil {
				return 0, err
			}
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

// Write writes all of b. A socket whose buffer is full is that of a server that does not read.
func (d *descriptor) Write(b []byte) (written int, err error) {
	for written < len(b) {
		n, err := unix.Write(d.fd, b[written:])
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			if err := d.wait(unix.POLLOUT); err != nil {
				return written, unix.EAGAIN // not Temporary: half a record is out
			}
		case err != nil:
			return written, err
		default:
			written += n
		}
	}
	return written, nil
}

func (d *descriptor) wait(event int16) error {
	if d.deadline.IsZero() {
		return errAgain
	}
	left := time.Until(d.deadline)
	if left <= 0 {
		return os.ErrDeadlineExceeded
	}
	_, err := unix.Poll([]unix.PollFd{{Fd: int32(d.fd), Events: event}}, int(left.Milliseconds())+1)
	if err != nil && err != unix.EINTR {
		return err
	}
	return nil
}

// What crypto/tls never asks for. The descriptor is its thread's to close.
func (d *descriptor) Close() error                     { return nil }
func (d *descriptor) LocalAddr() net.Addr              { return nil }
func (d *descriptor) RemoteAddr() net.Addr             { return nil }
func (d *descriptor) SetDeadline(time.Time) error      { return nil }
func (d *descriptor) SetReadDeadline(time.Time) error  { return nil }
func (d *descriptor) SetWriteDeadline(time.Time) error { return nil }

// place is a connection, as long as its slot is not used anew.
type place struct {
	slot, generation int32
}

func (c *conn) place() place { return place{c.slot, c.generation} }

// at returns the connection of p when it still is in that state.
func (t *thread) at(p place, s state) *conn {
	if c := t.conns.at(p.slot); c.generation == p.generation && c.state == s {
		return c
	}
	return nil
}

// handshakers is how many TLS handshakes may be under way at a time, on a goroutine and now and then a system thread
// each.
const handshakers = 32

// secure hands the connection's descriptor to a worker.
func (t *thread) secure(c *conn) {
	c.state = securing
	fd, p := int(c.fd), c.place()
	select {
	case t.client.tlsJobs <- func() { t.handshake(fd, p) }:
	default: // as many as may be under way wait, and as many that were given up
		c.state = dialing
		t.fail(c, "TLS: too many handshakes wait")
	}
}

// handshake runs on a worker, which owns fd until it returns.
func (t *thread) handshake(fd int, p place) {
	d := &descriptor{fd: fd, deadline: time.Now().Add(t.client.options.OpenTimeout)}
	conn := tls.Client(d, t.client.options.TLS)
	err := conn.Handshake()
	d.deadline = time.Time{}
	t.mu.Lock()
	defer t.mu.Unlock()
	defer t.nudge()
	c := t.at(p, securing)
	if c == nil { // it was given up
		unix.Close(fd)
		return
	}
	if err != nil {
		c.state = upgrading // the descriptor is the thread's again
		t.fail(c, "TLS: "+cause(err))
		return
	}
	c.tls = conn
	c.state = upgrading
	if t.client.options.Raw {
		t.watch(c, unix.EPOLL_CTL_ADD, unix.EPOLLIN)
		t.opened(c)
		return
	}
	if _, err := conn.Write(t.client.wire.request(t.number(c))); err != nil {
		t.fail(c, "TLS: "+cause(err))
		return
	}
	t.watch(c, unix.EPOLL_CTL_ADD, unix.EPOLLIN)
	// What came with the last turn of the handshake would wake nobody.
	if c.state == upgrading {
		t.read(c)
	}
}

// readTLS reads once and says whether there may be more.
func (c *conn) readTLS(b []byte) (n int, err error) {
	n, err = c.tls.Read(b)
	switch {
	case n > 0:
		return n, nil
	case errors.Is(err, errAgain):
		return 0, unix.EAGAIN
	case err == io.EOF:
		return 0, nil
	case err == nil:
		return 0, unix.EAGAIN
	}
	return 0, fmt.Errorf("TLS: %s", cause(err))
}

// cause is err without what differs from one connection to the next.
func cause(err error) string {
	var verify *tls.CertificateVerificationError
	if errors.As(err, &verify) {
		return verify.Err.Error()
	}
	return err.Error()
}
