package loop

import (
	"crypto/tls"
	"errors"
	"maps"
	"net/netip"
	"sync"
	"sync/atomic"

	"stentor/engine/certs"
	"stentor/engine/refusal"
	"stentor/engine/tls13"
)

var errUnread = errors.New("the client does not read its answers")

// Shake describes handshakes that were made.
type Shake struct {
	Version, Suite string
	Resumed        bool
}

// shakes counts handshakes. Any goroutine may use it.
type shakes struct {
	begun  atomic.Uint64
	failed certs.Failures
	broken atomic.Uint64 // connections that ended for their records, behind the handshake
	mu     sync.Mutex
	made   map[Shake]uint64
}

func (s *shakes) done(state *tls.ConnectionState) {
	one := Shake{Version: tls.VersionName(state.Version), Suite: tls.CipherSuiteName(state.CipherSuite), Resumed: state.DidResume}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.made == nil {
		s.made = map[Shake]uint64{}
	}
	s.made[one]++
}

// failed counts a connection that does not get to its data, and logs it as a refusal.
func (l *Loop) failed(t *secure, why certs.Failure) {
	if t.phase == helloPhase || t.phase == shakingPhase {
		t.phase = endedPhase
	}
	l.server.failed(l.above.Address(t.conn), why)
}

func (s *Server) failed(client netip.AddrPort, why certs.Failure) {
	s.shakes.failed.Add(why)
	reason := refusal.TLSHandshake
	switch why {
	case certs.Busy, certs.Timeout, certs.Ended:
		return // the host, or the shard, logs it; a node that leaves refuses nobody
	case certs.PlainHTTP:
		reason = refusal.TLSMissing
	}
	s.conf.Host.Refused(client, reason, why.Text())
}

// cut counts a handshake that ends before its time, unless nothing came of it.
func (l *Loop) cut(t *secure, why certs.Failure) {
	if t.phase == helloPhase && t.some != nil || t.phase == shakingPhase {
		l.failed(t, why)
	}
}

// BrokenRecords counts connections over TLS that were closed because what came behind the handshake was no record of theirs.
func (s *Server) BrokenRecords() uint64 { return s.shakes.broken.Load() }

// shakeGarbage is about what a handshake allocates.
const shakeGarbage = 40 << 10

// Garbage is about how many bytes handshakes and ciphers for single records have allocated.
func (s *Server) Garbage() uint64 {
	return s.shakes.begun.Load()*shakeGarbage + s.Ciphers().Misses*tls13.CipherBytes
}

// Handshakes are those of TLS that were made, and those that failed by reason.
func (s *Server) Handshakes() (made map[Shake]uint64, failed map[string]uint64) {
	s.shakes.mu.Lock()
	made = maps.Clone(s.shakes.made)
	s.shakes.mu.Unlock()
	failed = map[string]uint64{}
	s.shakes.failed.Each(func(why certs.Failure, count uint64) { failed[why.String()] = count })
	return made, failed
}
