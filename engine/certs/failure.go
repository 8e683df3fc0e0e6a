package certs

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
)

// Failure is why a connection to a port with TLS did not get to its data.
type Failure uint8

const (
	PlainHTTP   Failure = iota
	NotTLS              // not a ClientHello
	HelloSize           // one that is too large
	Busy                // too many handshakes
	Flood               // more than a handshake has
	Closed              // the client went away
	Ended               // the server did
	Timeout             // it took too long
	ClientAlert         // the client refused: its certificate store, mostly
	Version             // no version in common
	Suite               // no suite, curve or signature in common
	ClientCertificate
	Protocol
	failures
)

// failureNames are the values of a metric's label, and what the log says.
var failureNames = [failures]struct{ name, text string }{
	PlainHTTP:         {"plain_http", "plain HTTP came to a port of TLS"},
	NotTLS:            {"not_tls", "what came is not TLS"},
	HelloSize:         {"hello_size", "the ClientHello is too large"},
	Busy:              {"busy", "too many handshakes were under way"},
	Flood:             {"flood", "more data came than a handshake has"},
	Closed:            {"closed", "the client closed the connection within the handshake"},
	Ended:             {"ended", "the node closed the connection within the handshake: it leaves, or needs the room"},
	Timeout:           {"timeout", "the handshake was not complete in time"},
	ClientAlert:       {"client_alert", "the client refused the handshake: mostly it does not trust the certificate"},
	Version:           {"version", "the client has no version of TLS that tls.min_version allows"},
	Suite:             {"suite", "the client has no cipher suite, curve or signature in common with the node"},
	ClientCertificate: {"client_certificate", "the client has no certificate of tls.client_ca"},
	Protocol:          {"protocol", "the client violated the protocol"},
}

// String is the value of the metric's label.
func (f Failure) String() string { return failureNames[f].name }

// Text is what the log says: never words of the client.
func (f Failure) Text() string { return failureNames[f].text }

// FailureOf is what an error of a handshake by crypto/tls means.
func FailureOf(err error) Failure {
	var (
		header  tls.RecordHeaderError
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
	case errors.As(err, &header) && header.Conn != nil: // the first record
		if b := header.RecordHeader; b[0] >= 'A' && b[0] <= 'Z' && string(b[:]) != "PROXY" {
			return PlainHTTP
		}
		return NotTLS
	case errors.As(err, &network) && network.Op == "remote error":
		return ClientAlert
	case errors.Is(err, os.ErrDeadlineExceeded):
		return Timeout
	case errors.Is(err, net.ErrClosed):
		return Ended
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return Closed
	case errors.As(err, &cert), has("client didn't provide a certificate"):
		return ClientCertificate
	case has("unsupported versions", "unsupported, maximum protocol version", "protocol version not supported"):
		return Version
	case has("no cipher suite supported", "no ECDHE curve supported", "no key exchanges supported", "peer doesn't support any"):
		return Suite
	}
	return Protocol
}

// Failures counts them. Any goroutine may use it.
type Failures [failures]atomic.Uint64

// Add counts one.
func (f *Failures) Add(why Failure) { f[why].Add(1) }

// Each calls visit with each reason's count.
func (f *Failures) Each(visit func(why Failure, count uint64)) {
	for i := range f {
		visit(Failure(i), f[i].Load())
	}
}
