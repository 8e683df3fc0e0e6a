package loop

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"sync"

	"github.com/panjf2000/gnet/v2"

	"stentor/engine/refusal"
	"stentor/engine/shard"
)

// Server is several event loops behind listeners, each with a shard that owns the connections of the loop.
type Server struct {
	net    network
	conf   Config
	loops  []*Loop
	stop   chan struct{} // ends the relays
	turns  turns         // of the handshakes of TLS
	shakes shakes
	wg     sync.WaitGroup
	under  sync.WaitGroup // handshakes of TLS, which end with their connections
	lent   lentRoom
}

// Config of a Server. All fields are required.
type Config struct {
	Listeners []Listener
	Loops     int
	// KeepAlive makes the kernel check whether silent TCP peers are alive: for an owner that does not check itself.
	KeepAlive bool
	Host      Host
	// NewShard makes the shard of a loop, whose part of its Env is l. conf has what the loop sets: Index, and the functions
	// for sockets.
	NewShard func(l *Loop, conf shard.Config) *shard.Shard
	TLS      *TLS // for the listeners that have it; nil when none has
	// LentBytes is what a client of a lent connection may have sent that was not read yet, LentTotal what all may have in
	// addition to a small allowance each.
	LentBytes int
	LentTotal int64
	Log       *slog.Logger
}

// Host decides for a Server who may connect. Acceptors and loops call it, several at once; it must not block.
type Host interface {
	// Arrive decides on a connection that was accepted; proxied means that it must begin with a header of the PROXY
	// protocol. A refused one gets the answer, if there is one, and is closed.
	Arrive(peer netip.AddrPort, proxied bool) (answer []byte, ok bool)
	// Lost undoes Arrive for a connection that never entered a loop.
	Lost(peer netip.AddrPort)
	// Short is called for a connection that was refused for lack of descriptors.
	Short(peer netip.AddrPort)
	// Identify decides on a connection that entered a loop and turned out to be this client's. A refused one gets the
	// answer and is closed.
	Identify(client netip.AddrPort) (answer []byte, ok bool)
	// Refused is called for a connection that is closed because its header of the PROXY protocol, or its handshake of TLS, is
	// missing or wrong.
	Refused(peer netip.AddrPort, why refusal.Reason, text string)
	// Handshake decides whether a client may make a handshake of TLS now. HandshakeOver follows when it may.
	Handshake(client netip.AddrPort) bool
	HandshakeOver(client netip.AddrPort)
	// Serve takes a connection whose request is for a path of session.Config.Elsewhere. A refused one gets the answer and is
	// closed.
	Serve(c *Lent) (answer []byte, ok bool)
	// Panicked is called for a panic that cost a connection.
	Panicked(where string, reason any)
	// Gone is called for each connection that entered a loop, before its shard is told that it is gone.
	Gone()
}

// NewServer makes a server that does not listen yet. Its shards already take tasks by Post.
func NewServer(conf Config) *Server {
	s := &Server{net: newNetwork(conf.Log), conf: conf, stop: make(chan struct{}), turns: turnsFor()}
	s.lent.each, s.lent.all, s.lent.of = conf.LentBytes, conf.LentTotal, map[netip.Addr]int64{}
	if conf.KeepAlive {
		s.net.keepAlive = keepAliveTime
	}
	for i := range conf.Loops {
		s.loops = append(s.loops, newLoop(s, i))
	}
	return s
}

// Start listens, and returns when clients can connect. The server has to be closed even after an error.
func (s *Server) Start() error {
	for _, l := range s.loops {
		if err := l.watcher.open(); err != nil {
			return fmt.Errorf("cannot watch sockets: %w", err)
		}
	}
	if err := s.net.listen(s, s.conf.Listeners, len(s.loops), s.conf.Log); err != nil {
		return err
	}
	for i, l := range s.loops {
		l.bind(s.net.doors[i].el)
	}
	if err := s.net.accept(); err != nil {
		return err
	}
	for _, l := range s.loops {
		s.wg.Go(func() { l.relay(s.stop) })
		s.wg.Go(func() { l.watcher.run(l.writable) })
		l.watcher.running = true
	}
	return nil
}

// Tick makes the loops advance their clocks: all of them, or those whose shards have subscriptions to retry.
func (s *Server) Tick(all bool) {
	for _, l := range s.loops {
		if all || l.shard.Stats().Detached.Load() > 0 {
			l.tick()
		}
	}
}

// Close ends the event loops, and with them every connection. When ctx ends first, its error is returned.
func (s *Server) Close(ctx context.Context) error {
	err := s.net.close(ctx)
	close(s.stop)
	for _, l := range s.loops {
		l.watcher.stop()
	}
	s.wg.Wait()
	if err == nil {
		s.under.Wait()
	}
	return err
}

// Addresses are where clients connect over TCP, in the order in which they were asked for.
func (s *Server) Addresses() []netip.AddrPort { return s.net.addresses() }

// Secure reports whether the listener of Addresses()[i] speaks TLS.
func (s *Server) Secure(i int) bool {
	for _, a := range s.net.acceptors {
		if a.Path != "" {
			continue
		}
		if i == 0 {
			return a.TLS
		}
		i--
	}
	return false
}

// Paths are the Unix sockets where clients connect, in the order in which they were asked for.
func (s *Server) Paths() []string { return s.net.paths() }

// Ended is closed when event loops have ended, asked or not; Err says why.
func (s *Server) Ended() <-chan struct{} { return s.net.ended }

// Err is why the event loops ended, after Ended; nil when they were asked to, or gave no reason.
func (s *Server) Err() error { return s.net.failure() }

// AcceptErrors counts failed accepts, by what was missing.
func (s *Server) AcceptErrors() AcceptErrors {
	e := &s.net.errs
	return AcceptErrors{
		ProcessDescriptors: e.files.Load(), SystemDescriptors: e.systemFiles.Load(), Memory: e.memory.Load(), Other: e.other.Load(), Refused: e.refused.Load(),
	}
}

// AcceptErrors is a count of failed accepts. Refused counts the connections that were closed for it.
type AcceptErrors struct{ ProcessDescriptors, SystemDescriptors, Memory, Other, Refused uint64 }

// arrive implements host.
func (s *Server) arrive(a *arrival) (answer []byte, ok bool) {
	return s.conf.Host.Arrive(a.peer, a.on.ProxyProtocol)
}

// lost implements host.
func (s *Server) lost(a *arrival) { s.conf.Host.Lost(a.peer) }

// short implements host.
func (s *Server) short(peer netip.AddrPort) { s.conf.Host.Short(peer) }

// open implements host.
func (s *Server) open(loop int, c gnet.Conn, a *arrival) {
	l := s.loops[loop]
	var (
		conn *shard.Conn
		next any
	)
	if a.on.TLS {
		t := &secure{Conn: c}
		t.conn = l.shard.OpenSecure(t, a.peer)
		conn, next = t.conn, t
	} else {
		conn = l.shard.Open(c, a.peer)
		next = conn
	}
	if a.on.ProxyProtocol {
		next = &awaited{conn: conn, peer: a.peer, next: next}
	}
	c.SetContext(next)
}

// onTraffic implements host.
func (s *Server) onTraffic(loop int, c gnet.Conn) gnet.Action {
	in, err := c.Next(-1)
	if err != nil {
		return gnet.None
	}
	switch at := c.Context().(type) {
	case *shard.Conn:
		s.loops[loop].shard.Input(at, in)
	case stage:
		return at.input(s.loops[loop], c, in)
	}
	return gnet.None
}

// onClose implements host. It may run inside a Write.
func (s *Server) onClose(c gnet.Conn) {
	var (
		conn *shard.Conn
		t    *secure
	)
	switch at := c.Context().(type) {
	case *shard.Conn:
		conn = at
	case *secure:
		conn, t = at.conn, at
	case *Lent:
		conn = at.conn
		at.fail(io.EOF)
	case stage:
		conn = at.of()
	default:
		return
	}
	s.conf.Host.Gone()
	l := s.loops[s.net.doorOf(c.EventLoop())]
	if t != nil {
		l.gone(t)
	}
	l.shard.Gone(conn)
}
