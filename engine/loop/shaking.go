package loop

import (
	"crypto/tls"
	"fmt"
	"runtime"

	"github.com/panjf2000/gnet/v2"
)

// shake begins the handshake: its ClientHello is complete. How many there are at once is bounded by the host, before any
// cryptography; how many compute at once, by turns.
func (l *Loop) shake(t *secure) gnet.Action {
	client := l.shard.Address(t.conn)
	if !l.server.conf.Host.Handshake(client) {
		l.failed(t, failBusy)
		t.some = nil
		return gnet.Close
	}
	f := newFeed(l.server.turns, func(p []byte) { l.shard.Post(func() { l.passOn(t, p) }) })
	hello := t.some.part
	t.some.part, t.some.feed, t.phase = nil, f, shakingPhase
	whole := t.whole(hello)
	if !f.put(whole) {
		l.server.conf.Host.HandshakeOver(client)
		l.failed(t, failFlood)
		return gnet.Close
	}
	l.shard.Recount(t.conn)
	s := l.server
	s.wg.Go(func() {
		defer s.conf.Host.HandshakeOver(client)
		c, err := s.handshake(f)
		l.shard.Post(func() { l.shaken(t, f, c, err) })
	})
	return gnet.None
}

// handshake runs in a goroutine of its own. It ends with the connection, if not before.
func (s *Server) handshake(f *feed) (c *tls.Conn, err error) {
	f.turns.enter()
	defer f.turns.leave()
	defer func() {
		if reason := recover(); reason != nil {
			s.conf.Host.Panicked("tls handshake", reason)
			err = fmt.Errorf("panic")
		}
	}()
	c = tls.Server(f, s.conf.TLS)
	return c, c.Handshake()
}

// turnsFor is how many handshakes compute at once: the loops and the rest of the node go on meanwhile.
func turnsFor() turns { return make(turns, max(1, runtime.GOMAXPROCS(0)/4)) }

// passOn writes a part of the handshake.
func (l *Loop) passOn(t *secure, p []byte) {
	if t.phase == shakingPhase {
		_, _ = write(t.Conn, p)
	}
}

// shaken goes on when the handshake is done, or has failed: then its alert was passed on before.
func (l *Loop) shaken(t *secure, f *feed, c *tls.Conn, err error) {
	if t.phase != shakingPhase {
		return // the connection is gone, or ends
	}
	defer l.endures(t)
	if err != nil {
		l.failed(t, failureOf(err))
		t.some = nil
		l.finish(t)
		return
	}
	state := c.ConnectionState()
	l.server.shakes.done(&state)
	t.phase, t.some.tls = openPhase, c
	f.looped = func(p []byte) error { return l.sendSealed(t, p) }
	l.shard.Secured(t.conn)
	if rest := f.take(); len(rest) > 0 {
		l.goOn(t, rest)
	}
}

// goOn handles what came behind the handshake. What was kept of a half record comes after it.
func (l *Loop) goOn(t *secure, whole []byte) {
	part := t.some.part
	t.some.part = nil
	if l.open(t, append(whole, part...)) == gnet.Close && t.phase != endedPhase {
		_ = t.EventLoop().Close(t.Conn)
	}
}

// answersMost bounds what a client may make crypto/tls answer (KeyUpdate) without reading it.
const answersMost = 64 << 10

// sendSealed writes what crypto/tls has sealed, in the loop.
func (l *Loop) sendSealed(t *secure, p []byte) error {
	if t.phase != openPhase {
		return errOver
	}
	if t.OutboundBuffered() > answersMost && len(t.some.feed.given) > 0 {
		return errUnread
	}
	_, err := write(t.Conn, p)
	return err
}
