package loop

import (
	"crypto/tls"
	"errors"
	"runtime"

	"github.com/panjf2000/gnet/v2"

	"stentor/engine/certs"
	"stentor/engine/tls13"
)

// shake begins the handshake: its ClientHello is complete. How many there are at once is bounded by the host, before any
// cryptography; how many compute at once, by turns.
func (l *Loop) shake(t *secure) gnet.Action {
	client := l.above.Address(t.conn)
	if !l.server.conf.Host.Handshake(client) {
		l.failed(t, certs.Busy)
		t.some = nil
		return gnet.Close
	}
	s := l.server
	s.shakes.begun.Add(1)
	fd := t.Fd()
	f := newFeed(s.turns, func(p []byte) int { return writeSome(fd, p) }, func(p []byte) { l.above.Post(func() { l.passOn(t, p) }) })
	f.wants = s.conf.TLS.Records
	hello := t.some.part
	t.some.part, t.some.feed, t.phase = nil, f, shakingPhase
	whole := t.whole(hello)
	if !f.put(whole) {
		l.server.conf.Host.HandshakeOver(client)
		l.failed(t, certs.Flood)
		return gnet.Close
	}
	l.above.Recount(t.conn)
	s.under.Go(func() {
		defer s.conf.Host.HandshakeOver(client)
		made := s.handshake(t, f)
		l.above.Post(func() { l.shaken(t, f, made) })
	})
	return gnet.None
}

// made is the result of a handshake.
type made struct {
	state tls.ConnectionState
	conn  *tls.Conn // does the records; nil when they are ours
	err   error
}

// handshake runs in a goroutine of its own, which ends with the connection if not before. It takes the connection over where
// that is wanted and possible: nothing keeps the tls.Conn then.
func (s *Server) handshake(t *secure, f *feed) (m made) {
	grow()
	f.turns.enter()
	defer f.turns.leave()
	defer func() {
		if reason := recover(); reason != nil {
			s.conf.Host.Panicked("tls handshake", reason)
			m.err = errPanic
		}
	}()
	c := tls.Server(f, s.conf.TLS.Config)
	if m.err = c.Handshake(); m.err != nil {
		return m
	}
	m.state = c.ConnectionState()
	if !f.wants || m.state.Version != tls.VersionTLS13 || !tls13.Supported(m.state.CipherSuite) {
		m.conn = c
		return m
	}
	m.err = f.secrets.TakeOver(&t.records, m.state.CipherSuite, f.kill())
	return m
}

var errPanic = errors.New("the handshake panicked")

// turnsFor is how many handshakes compute at once: the loops and the rest of the node go on meanwhile.
func turnsFor() turns { return make(turns, max(1, runtime.GOMAXPROCS(0)/4)) }

// passOn writes a part of the handshake that the kernel did not take at once.
func (l *Loop) passOn(t *secure, p []byte) {
	if t.phase == shakingPhase {
		_, _ = write(t.Conn, p)
	}
}

// shaken goes on when the handshake is done, or has failed: then its alert was passed on before.
func (l *Loop) shaken(t *secure, f *feed, m made) {
	if t.phase != shakingPhase { // the connection is gone, or ends
		if m.err == nil && m.conn == nil {
			l.layer.Forget(&t.records)
		}
		if f.gone {
			why := certs.Closed
			if m.err != nil && !errors.Is(m.err, errOver) {
				why = certs.FailureOf(m.err)
			}
			l.server.failed(f.client, why)
		}
		return
	}
	defer l.endures(t)
	if m.err != nil {
		l.failed(t, certs.FailureOf(m.err))
		t.some = nil
		l.finish(t)
		return
	}
	l.server.shakes.done(&m.state)
	t.phase = openPhase
	if t.own = m.conn == nil; t.own {
		t.some.feed = nil
	} else {
		t.some.tls = m.conn
		f.looped = func(p []byte) error { return l.sendSealed(t, p) }
	}
	l.above.Secured(t.conn)
	l.goOn(t, f.take())
}

// goOn handles what came behind the handshake. What was kept of a half record comes after it.
func (l *Loop) goOn(t *secure, in []byte) {
	in = append(in, t.some.part...)
	t.some.part = nil
	t.tidy()
	if len(in) > 0 && l.open(t, in) == gnet.Close && !t.closed {
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
	if t.OutboundBuffered() > answersMost && t.some.feed.given != nil {
		return errUnread
	}
	_, err := write(t.Conn, p)
	return err
}

// grow makes the stack of a new goroutine as large as a handshake needs, at once: it would be copied each time that it doubles,
// which took a twentieth of what a connect costs. The collector shrinks the stacks of those that wait.
//
//go:noinline
func grow() (b byte) {
	var room [12 << 10]byte
	for i := 0; i < len(room); i += 4096 {
		b += room[i]
	}
	return b
}
