package loop

import (
	"crypto/tls"
	"errors"
	"maps"
	"net"
	"strings"
	"sync"
	"sync/atomic"

	"stentor/engine/refusal"
)

// failure is why a connection to a listener with TLS did not get to its data.
type failure uint8

const (
	failPlain   failure = iota // plain HTTP
	failNoTLS                  // not a ClientHello
	failHello                  // one that is too large
	failBusy                   // too many handshakes
	failFlood                  // more than a handshake has
	failClosed                 // the client went away
	failTimeout                // it took too long
	failAlert                  // the client refused: its certificate store, mostly
	failVersion                // no version in common
	failSuite                  // no suite, curve or signature in common
	failClient                 // no certificate of the client, or a wrong one
	failOther
	failures
)

// failureNames are the values of the metric's label, and what the log says.
var failureNames = [failures]struct{ name, text string }{
	failPlain:   {"plain_http", "plain HTTP came to a port of TLS"},
	failNoTLS:   {"not_tls", "what came is not TLS"},
	failHello:   {"hello_size", "the ClientHello is too large"},
	failBusy:    {"busy", "too many handshakes were under way"},
	failFlood:   {"flood", "more data came than a handshake has"},
	failClosed:  {"closed", "the client closed the connection within the handshake"},
	failTimeout: {"timeout", "the handshake was not complete in time"},
	failAlert:   {"client_alert", "the client refused the handshake: mostly it does not trust the certificate"},
	failVersion: {"version", "the client has no version of TLS that tls.min_version allows"},
	failSuite:   {"suite", "the client has no cipher suite, curve or signature in common with the node"},
	failClient:  {"client_certificate", "the client has no certificate of tls.client_ca"},
	failOther:   {"protocol", "the client violated the protocol"},
}

var errUnread = errors.New("the client does not read its answers")

// failureOf is what an error of crypto/tls means.
func failureOf(err error) failure {
	var (
		network *net.OpError
		cert    *tls.CertificateVerificationError
	)
	text := err.Error()
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(text, p) {
				return true
			}
		}
		return false
	}
	switch {
	case errors.As(err, &network) && network.Op == "remote error":
		return failAlert
	case errors.As(err, &cert), has("client didn't provide a certificate"):
		return failClient
	case has("unsupported versions", "unsupported, maximum protocol version", "protocol version not supported"):
		return failVersion
	case has("no cipher suite supported", "no ECDHE curve supported", "no key exchanges supported", "peer doesn't support any"):
		return failSuite
	}
	return failOther
}

// Shake describes handshakes that were made.
type Shake struct {
	Version, Suite string
	Resumed        bool
}

// shakes counts handshakes. Any goroutine may use it.
type shakes struct {
	failed [failures]atomic.Uint64
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
func (l *Loop) failed(t *secure, why failure) {
	l.server.shakes.failed[why].Add(1)
	if t.phase == helloPhase || t.phase == shakingPhase {
		t.phase = endedPhase
	}
	reason := refusal.TLSHandshake
	switch why {
	case failBusy, failTimeout:
		return // the host, or the shard, logs it
	case failPlain:
		reason = refusal.TLSMissing
	}
	l.server.conf.Host.Refused(l.above.Address(t.conn), reason, failureNames[why].text)
}

// BrokenRecords counts connections over TLS that were closed because what came behind the handshake was no record of theirs.
func (s *Server) BrokenRecords() uint64 { return s.shakes.broken.Load() }

// Handshakes are those of TLS that were made, and those that failed by reason.
func (s *Server) Handshakes() (made map[Shake]uint64, failed map[string]uint64) {
	s.shakes.mu.Lock()
	made = maps.Clone(s.shakes.made)
	s.shakes.mu.Unlock()
	failed = map[string]uint64{}
	for i := range s.shakes.failed {
		failed[failureNames[i].name] = s.shakes.failed[i].Load()
	}
	return made, failed
}
