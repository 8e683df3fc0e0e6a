package proxyproto

import (
	"bytes"
	"errors"
	"net/netip"
)

// MaxBytes is the length of the longest header that is accepted. Senders keep to 536 (section 2); certificates and other
// extensions of version 2 may need more.
const MaxBytes = 4096

// Header is what a proxy says about a connection.
type Header struct {
	// Source and Destination are the ends of the client's own connection. They are not valid when the proxy speaks for
	// itself (LOCAL), does not know (UNKNOWN, UNSPEC), or reports something other than TCP over IP: the connection's own
	// ends count then. IPv4 in IPv6 is given as IPv4.
	Source, Destination netip.AddrPort
	// Local: the connection is the proxy's own, to check whether the server is alive.
	Local bool
}

// Errors of Decode. None can be fixed by more bytes.
var (
	ErrMissing = errors.New("no PROXY protocol header")
	ErrVersion = errors.New("a PROXY protocol header of another version than 1 or 2")
	ErrLength  = errors.New("a PROXY protocol header that is too long")
	ErrInvalid = errors.New("a broken PROXY protocol header")
)

var (
	word1     = []byte("PROXY ")                                           // section 2.1
	signature = []byte("\x0D\x0A\x0D\x0A\x00\x0D\x0A\x51\x55\x49\x54\x0A") // section 2.2
)

// Decode reads the header that b begins with, and returns how many bytes it has. n is 0 without an error when more
// bytes are needed. b is not kept.
func Decode(b []byte) (h Header, n int, err error) {
	switch {
	case begins(b, word1):
		return decode1(b)
	case begins(b, signature):
		return decode2(b)
	}
	return Header{}, 0, ErrMissing
}

// begins reports whether b may begin with mark, as far as it has arrived.
func begins(b, mark []byte) bool {
	n := min(len(b), len(mark))
	return bytes.Equal(b[:n], mark[:n])
}
