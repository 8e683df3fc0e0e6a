package admin

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"stentor/engine/address"
	"stentor/engine/certs"
	"stentor/engine/refusal"
)

const (
	// A connection with unread input is read for a moment before it is closed: closing it at once would reset it and might
	// destroy the answer. This many at a time are treated so.
	lingerTime  = time.Second
	lingerBytes = 2 << 20
	maxLinger   = 32
	// connShare is how many times the free connections one key's owner may use.
	connShare = 4
)

// conns is the listener of a Server. It holds at most max connections, of which at most max-reserve have a request with a
// valid key: those stay until it is answered. All others may be closed: to let one more in, it closes the one that has
// waited longest, of the address or the key's owner that has the most of them. So probes and new requests come in even when
// others hold connections; nobody is refused at accept. net/http accepts on one goroutine; the other methods come from all.
type conns struct {
	net.Listener
	max, reserve int
	tls          *tls.Config // nil without TLS
	keyed        *shares     // connections with such a request, by the key's owner
	full         []byte      // the whole answer to a connection that is closed before it sends a request

	evicted  prometheus.Counter
	failures certs.Failures // of handshakes of TLS
	refusals *refusal.Log   // nil for nobody

	mu        sync.Mutex
	open      int
	strangers crowd // never had a request with a valid key; by address
	resting   crowd // had such a request and have none now; by the owner of its key

	linger chan struct{} // holds one value for each closed connection that is still read; in the end it is full
	ending sync.Once
}

// conn is one accepted connection. Its fields are guarded by conns.mu.
type conn struct {
	net.Conn
	raw     net.Conn // below TLS; Conn itself without
	home    *conns
	address string
	place   place
	owner   string // of the key of its last request that had a valid one
	known   bool   // there was one
	keyed   bool   // it has one now
	asked   bool   // a whole request has come
	unread  bool   // its last input will not be read
	gone    bool   // no longer counted in open
	plain   bool   // plain HTTP came instead of TLS

	// Not guarded.
	ends   atomic.Int32  // how many bytes of ends of lines may still be skipped
	passed atomic.Uint32 // the last four bytes that net/http was given
	failed atomic.Bool   // the handshake of TLS
}

// connKey is the context key of a request's *conn.
type connKey struct{}

// context is http.Server's ConnContext.
func (*conns) context(ctx context.Context, nc net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, nc)
}

// connOf is the connection that a request came on, nil when it came some other way.
func connOf(ctx context.Context) *conn {
	c, _ := ctx.Value(connKey{}).(*conn)
	return c
}

// Accept returns the next connection.
func (l *conns) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	switch {
	case errors.Is(err, net.ErrClosed):
		return nil, err
	case err != nil:
		return nil, passing{err}
	}
	return l.admit(nc), nil
}

// passing is an error of accept that makes net/http retry, with pauses of up to a second: without it, net/http gives up at
// most errors, lack of memory included.
type passing struct{ error }

// Timeout implements net.Error.
func (passing) Timeout() bool { return false }

// Temporary implements net.Error, as net/http requires.
func (passing) Temporary() bool { return true }

func (p passing) Unwrap() error { return p.error }

// admit counts nc, in place of another one when there are too many.
func (l *conns) admit(nc net.Conn) *conn {
	c := &conn{Conn: nc, raw: nc, home: l, address: source(nc)}
	if l.tls != nil {
		c.Conn = tls.Server(&below{Conn: nc}, l.tls) // the first Read makes the handshake
	}
	c.ends.Store(leadingEnds)
	l.mu.Lock()
	victim := l.victim()
	mute := victim != nil && !victim.asked
	if victim != nil {
		victim.forget()
		l.evicted.Inc()
	}
	l.open++
	c.place = l.strangers.enter(c.address, c)
	l.mu.Unlock()
	switch {
	case mute:
		l.refuse(victim)
		l.dismiss(victim)
	case victim != nil:
		_ = victim.raw.Close() // not over TLS: close_notify waits for who does not read
	}
	return c
}

// victim is the connection that is closed for a new one. Strangers are closed before those whose key was valid, except for
// a few, so that a newcomer has the time to show its key.
func (l *conns) victim() *conn {
	switch {
	case l.open < l.max:
		return nil
	case l.strangers.n > l.reserve || l.resting.n == 0:
		return l.strangers.longest()
	}
	return l.resting.longest()
}

// refuse counts and logs that a connection was closed before it sent a request.
func (l *conns) refuse(c *conn) {
	if l.refusals != nil {
		l.refusals.Refuse(refusal.Record{Reason: refusal.APIConnections, Address: peer(c.RemoteAddr().String()), Text: "another connection took its place"})
	}
}

// dismiss answers 503 and closes a connection that has not sent a request, without making the next one wait. Over TLS it only
// closes: an answer would have to wait for the handshake.
func (l *conns) dismiss(c *conn) {
	if l.tls != nil {
		_ = c.raw.Close()
		return
	}
	_ = c.Conn.SetDeadline(time.Now().Add(lingerTime))
	_, _ = c.Conn.Write(l.full) // fits the empty buffer of a new socket
	l.part(c.Conn)
}

// part closes nc when its client has read the last answer, or soon.
func (l *conns) part(nc net.Conn) {
	half, ok := nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		_ = nc.Close()
		return
	}
	select {
	case l.linger <- struct{}{}:
		_ = nc.SetReadDeadline(time.Now().Add(lingerTime))
		go func() {
			_, _ = io.CopyN(io.Discard, nc, lingerBytes)
			_ = nc.Close()
			<-l.linger
		}()
	default:
		_ = nc.Close()
	}
}

// end waits until no connection lingers, lingerTime at most; from then on none does.
func (l *conns) end() {
	l.ending.Do(func() {
		for range cap(l.linger) {
			l.linger <- struct{}{}
		}
	})
}

// state is http.Server's ConnState.
func (l *conns) state(nc net.Conn, s http.ConnState) {
	c := nc.(*conn)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch s {
	case http.StateActive:
		c.asked = true
	case http.StateIdle:
		c.rest()
	}
}

// claim keeps the connection until its request, whose key is owner's, is answered.
func (c *conn) claim(owner string) *problem {
	c.home.mu.Lock()
	defer c.home.mu.Unlock()
	switch {
	case c.keyed:
		return nil
	case c.gone: // the client may already have received a 503, and must not be served as well
		return newProblem(http.StatusServiceUnavailable, codeBusy, "the connection was closed to accept another one")
	}
	if p := c.home.keyed.take(owner, 1); p != nil {
		return p
	}
	c.place.leave()
	c.place, c.owner, c.known, c.keyed = place{}, owner, true, true
	return nil
}

// rest puts c among those that may be closed.
func (c *conn) rest() {
	c.leave()
	switch {
	case c.gone:
	case c.known:
		c.place = c.home.resting.enter(c.owner, c)
	default:
		c.place = c.home.strangers.enter(c.address, c)
	}
}

func (c *conn) leave() {
	c.place.leave()
	c.place = place{}
	if c.keyed {
		c.keyed = false
		c.home.keyed.give(c.owner, 1)
	}
}

// forget takes c out of the count, once.
func (c *conn) forget() (first bool) {
	c.leave()
	if c.gone {
		return false
	}
	c.gone = true
	c.home.open--
	return true
}

// abandon notes that c's request will not be read to its end.
func (c *conn) abandon() {
	c.home.mu.Lock()
	c.unread = true
	c.home.mu.Unlock()
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.home.mu.Lock()
	first, unread, nc := c.forget(), c.unread, c.Conn
	if c.plain {
		nc = c.raw
	}
	c.home.mu.Unlock()
	if first && unread {
		c.home.part(nc)
		return nil
	}
	return nc.Close()
}

// CloseWrite lets net/http end an answer whose request it did not read whole. It waits a moment before it closes.
func (c *conn) CloseWrite() error {
	c.home.mu.Lock()
	c.rest()
	c.home.mu.Unlock()
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return net.ErrClosed
}

// counts returns how many connections are open, and how many of them may be closed.
func (l *conns) counts() (open, idle int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open, l.strangers.n + l.resting.n
}

// source is what a stranger's connection is counted under: its address, or for IPv6 its /64.
func source(nc net.Conn) string {
	at, err := netip.ParseAddrPort(nc.RemoteAddr().String())
	if err != nil {
		return "" // a Unix socket
	}
	return address.Client(at.Addr()).String()
}

// fullAnswer is the HTTP/1.1 answer to a connection that is closed before it sends a request.
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
