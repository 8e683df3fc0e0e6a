package admin

import (
	"container/list"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// silentAfter is how long a new connection may take to send a request before it counts as idle.
	silentAfter = time.Second
	// A refused connection is read for a moment, since closing it with input unread would reset it and might
	// destroy the answer. This many at a time have that.
	lingerTime  = time.Second
	lingerBytes = 64 << 10
	maxLinger   = 32
)

// conns is the listener of a Server. It holds at most max connections: to let one more in it closes the one that has
// been idle longest, and refuses when none is idle. net/http accepts on one goroutine; state and Close come from all.
type conns struct {
	net.Listener
	max  int
	full []byte // the whole answer to a connection that is refused
	now  func() time.Time

	evicted, refused prometheus.Counter

	mu   sync.Mutex
	open int
	// Longest first: idle ones have had an answer, silent ones have sent no whole request yet.
	idle, silent list.List

	linger  chan struct{} // holds one value for each refused connection that is still read
	leaving sync.WaitGroup
}

// conn is one accepted connection. Its fields are guarded by conns.mu.
type conn struct {
	net.Conn
	owner *conns
	since time.Time     // of in
	in    *list.List    // the list that it is in, nil for none
	at    *list.Element // its place there
	gone  bool          // no longer counted in open
}

// Accept returns the next connection that may stay.
func (l *conns) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		if err != nil {
			return nil, passing{err}
		}
		if c := l.admit(nc); c != nil {
			return c, nil
		}
		l.refuse(nc)
	}
}

// passing is an error of accept that net/http sits out, with pauses of up to a second: it gives up at all but a few, one
// for want of memory among them.
type passing struct{ error }

// Timeout implements net.Error.
func (passing) Timeout() bool { return false }

// Temporary implements net.Error, as net/http wants it.
func (passing) Temporary() bool { return true }

func (p passing) Unwrap() error { return p.error }

// admit counts nc, in place of an idle connection when all are taken; nil when there is none.
func (l *conns) admit(nc net.Conn) *conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open >= l.max {
		victim := l.longestIdle()
		if victim == nil {
			return nil
		}
		victim.leave()
		victim.gone = true
		l.open--
		l.evicted.Inc()
		defer victim.Conn.Close()
	}
	l.open++
	c := &conn{Conn: nc, owner: l}
	c.enter(&l.silent)
	return c
}

func (l *conns) longestIdle() *conn {
	if e := l.idle.Front(); e != nil {
		return e.Value.(*conn)
	}
	if e := l.silent.Front(); e != nil {
		if c := e.Value.(*conn); l.now().Sub(c.since) >= silentAfter {
			return c
		}
	}
	return nil
}

// refuse answers 503 and closes, without making the next connection wait.
func (l *conns) refuse(nc net.Conn) {
	l.refused.Inc()
	_ = nc.SetDeadline(l.now().Add(lingerTime))
	_, _ = nc.Write(l.full) // fits the empty buffer of a new socket
	half, ok := nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		_ = nc.Close()
		return
	}
	select {
	case l.linger <- struct{}{}:
		l.leaving.Go(func() {
			_, _ = io.CopyN(io.Discard, nc, lingerBytes)
			_ = nc.Close()
			<-l.linger
		})
	default:
		_ = nc.Close()
	}
}

// state is http.Server's ConnState.
func (l *conns) state(nc net.Conn, s http.ConnState) {
	c := nc.(*conn)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch s {
	case http.StateNew: // it is silent since admit
	case http.StateIdle:
		c.enter(&l.idle)
	default:
		c.leave()
	}
}

func (c *conn) enter(in *list.List) {
	c.leave()
	if !c.gone {
		c.since, c.in, c.at = c.owner.now(), in, in.PushBack(c)
	}
}

func (c *conn) leave() {
	if c.in != nil {
		c.in.Remove(c.at)
		c.in, c.at = nil, nil
	}
}

// Close also takes c out of the count, once.
func (c *conn) Close() error {
	c.owner.mu.Lock()
	c.leave()
	if !c.gone {
		c.gone = true
		c.owner.open--
	}
	c.owner.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite lets net/http end an answer whose request it did not read whole.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return net.ErrClosed
}

// counts returns how many connections are open and how many of them idle.
func (l *conns) counts() (open, idle int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open, l.idle.Len() + l.silent.Len()
}

// fullAnswer is the HTTP/1.1 answer to a connection above the limit.
func fullAnswer() []byte {
	p := newProblem(http.StatusServiceUnavailable, codeBusy,
		"every connection of the API is in use: try again after Retry-After seconds, or raise limits.api_connections")
	var b strings.Builder
	r := http.Response{StatusCode: p.Status, ProtoMajor: 1, ProtoMinor: 1, Close: true, Header: http.Header{
		"Content-Type": {problemMedia}, "Retry-After": {"1"}}}
	body := encode(p)
	r.ContentLength = int64(len(body))
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	if err := r.Write(&b); err != nil {
		panic(err) // a strings.Builder takes everything
	}
	return []byte(b.String())
}
