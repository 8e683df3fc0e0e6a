package xhr

import (
	"container/list"
	"context"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"stentor/engine/fifo"
	"stentor/engine/shard"
)

// Conn is a connection that a loop feeds: loop.Lent.
type Conn interface {
	net.Conn
	// Peer is who is at the other end.
	Peer() shard.Peer
	// Vouch reports that it works for a session that is authenticated.
	Vouch()
	// GiveBack makes it the loop's again, with the bytes that were read and not used.
	GiveBack(in []byte)
	// Hold says how many bytes of its client's are kept in memory, after Read has returned them, and reports false when there
	// is no room for so many.
	Hold(bytes int) bool
	// Deafen drops what its client sends from now on: nobody reads it.
	Deafen()
	// Abort closes it at once.
	Abort()
	// Gone is closed with it.
	Gone() <-chan struct{}
}

// Server runs net/http over connections that loops feed.
type Server struct {
	conf ServerConfig
	http *http.Server
	runs sync.WaitGroup

	mu     sync.Mutex
	conns  map[Conn]*entry
	idle   list.List       // of *entry: that which has been idle for the longest time comes first
	queue  fifo.List[Conn] // those of conns that net/http has yet to accept: all clients of a topic come anew when their streams end
	more   sync.Cond       // queue or closed has changed
	closed bool
}

// entry is a connection.
type entry struct {
	place *list.Element // among the idle ones; nil while it is not
	conn  Conn
	by    *Session // authenticated, and vouches for it; nil: nobody does
}

// vouches is how many connections a session vouches for at a time. A client needs two, and may leave as many idle.
const vouches = 2 * 2

// ServerConfig is what a Server allows. All fields are required.
type ServerConfig struct {
	Handler http.Handler
	// Conns is how many connections it serves. Idle ones are closed for new ones, and at most half may be idle.
	Conns int
	// HeaderBytes bounds the header of a request; HeaderTime and Idle the time for it, and between requests.
	HeaderBytes      int
	HeaderTime, Idle time.Duration
	// BodyTime is for a whole request, AnswerTime for its answer; handlers may give themselves more.
	BodyTime, AnswerTime time.Duration
	// Known is called when a connection works for a session that is authenticated, Stranger when that session is gone, Gone when
	// the connection is.
	Known, Stranger func(Conn)
	Gone            func(c Conn, known bool)
	Log             *slog.Logger
}

// NewServer starts a server.
func NewServer(conf ServerConfig) *Server {
	s := &Server{conf: conf, conns: map[Conn]*entry{}}
	s.more.L = &s.mu
	s.http = &http.Server{
		Handler:           conf.Handler,
		MaxHeaderBytes:    conf.HeaderBytes,
		ReadHeaderTimeout: conf.HeaderTime,
		ReadTimeout:       conf.BodyTime,
		WriteTimeout:      conf.AnswerTime,
		IdleTimeout:       conf.Idle,
		Protocols:         new(http.Protocols),
		ErrorLog:          slog.NewLogLogger(conf.Log.Handler(), slog.LevelDebug),
		ConnContext:       func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
		ConnState:         s.state,
	}
	s.http.Protocols.SetHTTP1(true)
	s.runs.Go(func() { _ = s.http.Serve(s) })
	return s
}

type connKey struct{}

// connOf is the connection of a request.
func connOf(r *http.Request) Conn { return r.Context().Value(connKey{}).(Conn) }

// Take serves a connection, or reports that there are too many. It does not block.
func (s *Server) Take(c Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.conns) >= s.conf.Conns && !s.evict() {
		return false
	}
	s.conns[c] = &entry{conn: c}
	s.queue.Push(c)
	s.more.Signal()
	return true
}

// evict closes the connection that has been idle for the longest time, if there is one. It stays counted until it is gone. The
// caller has mu.
func (s *Server) evict() bool {
	first := s.idle.Front()
	if first == nil {
		return false
	}
	e := first.Value.(*entry)
	s.wake(e)
	e.conn.Abort()
	return true
}

// wake takes a connection out of the idle ones. The caller has mu.
func (s *Server) wake(e *entry) {
	if e.place != nil {
		s.idle.Remove(e.place)
		e.place = nil
	}
}

// state follows what net/http does with a connection.
func (s *Server) state(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.conns[c.(Conn)]
	switch state {
	case http.StateActive, http.StateHijacked:
		s.wake(e)
	case http.StateIdle:
		if e.place = s.idle.PushBack(e); s.idle.Len() > max(1, s.conf.Conns/2) {
			s.evict()
		}
	case http.StateClosed:
		s.forget(e)
	}
}

// release is called when a hijacked connection is gone, or is the loop's again.
func (s *Server) release(c Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(s.conns[c])
}

func (s *Server) forget(e *entry) {
	s.wake(e)
	delete(s.conns, e.conn)
	s.conf.Gone(e.conn, e.by != nil)
	e.trust(nil)
}

// trust makes one the session that vouches for e. The caller has mu.
func (e *entry) trust(one *Session) {
	if e.by != nil {
		e.by.vouched = slices.DeleteFunc(e.by.vouched, func(other *entry) bool { return other == e })
	}
	if e.by = one; one != nil {
		one.vouched = append(one.vouched, e)
	}
}

// vouch says that a connection works for a session, which is authenticated. Were there no bound, one account would do for all
// connections that there may be. It reports whether the session vouches for the connection from now on.
func (s *Server) vouch(c Conn, one *Session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.conns[c]
	if e == nil || e.by == one || one.parted || len(one.vouched) >= vouches {
		return e != nil && e.by == one
	}
	if e.by == nil {
		s.conf.Known(c)
		c.Vouch()
	}
	e.trust(one)
	return true
}

// part is called when a session is gone: nobody vouches for its connections any more.
func (s *Server) part(one *Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one.parted = true
	for _, e := range slices.Clone(one.vouched) {
		e.trust(nil)
		s.conf.Stranger(e.conn)
	}
}

// Conns is how many connections it has.
func (s *Server) Conns() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Rest closes the idle connections, and the others after their requests, or lets them stay open again.
func (s *Server) Rest(rests bool) { s.http.SetKeepAlivesEnabled(!rests) }

// Accept implements net.Listener.
func (s *Server) Accept() (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.queue.Len() == 0 && !s.closed {
		s.more.Wait()
	}
	if s.closed {
		return nil, net.ErrClosed
	}
	return s.queue.Pop(), nil
}

// Close implements net.Listener.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.more.Signal()
	return nil
}

// Addr implements net.Listener.
func (s *Server) Addr() net.Addr { return &net.TCPAddr{} }

// Stop ends the server. It is called when the loops have ended, and their connections with them.
func (s *Server) Stop() {
	_ = s.http.Close()
	s.runs.Wait()
}
