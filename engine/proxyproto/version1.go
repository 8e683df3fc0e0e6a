package proxyproto

import (
	"bytes"
	"net/netip"
	"strconv"
)

// line1 is the longest line of version 1, its CRLF included (section 2.1).
const line1 = 107

var unknown = []byte("UNKNOWN")

// decode1 reads a line of version 1.
func decode1(b []byte) (Header, int, error) {
	end, err := endOfLine(b)
	if end < 0 || err != nil {
		return Header{}, 0, err
	}
	rest := b[len(word1):end]
	n := end + len("\r\n")
	if bytes.Equal(rest, unknown) || bytes.HasPrefix(rest, []byte("UNKNOWN ")) {
		return Header{}, n, nil // whatever stands behind it is ignored
	}
	var words [5][]byte
	for i := range words {
		var more bool
		words[i], rest, more = bytes.Cut(rest, []byte{' '})
		if more != (i < len(words)-1) {
			return Header{}, 0, ErrInvalid
		}
	}
	var is4 bool
	switch string(words[0]) {
	case "TCP4":
		is4 = true
	case "TCP6":
	default:
		return Header{}, 0, ErrInvalid
	}
	source, ok := parse1(words[1], words[3], is4)
	destination, ok2 := parse1(words[2], words[4], is4)
	if !ok || !ok2 {
		return Header{}, 0, ErrInvalid
	}
	return Header{Source: source, Destination: destination}, n, nil
}

// endOfLine finds the CRLF, or nothing (-1) while it may still come. A CR or LF on its own is an error, and so is a line
// that is already too long: the result is the same however the bytes arrive.
func endOfLine(b []byte) (at int, err error) {
	b = b[:min(len(b), line1)]
	at = bytes.IndexAny(b, "\r\n")
	switch {
	case at >= 0 && (b[at] == '\n' || at+1 < len(b) && b[at+1] != '\n'):
		return -1, ErrInvalid
	case at >= 0 && at+1 < len(b):
		return at, nil
	case len(b) == line1:
		return -1, ErrLength
	}
	return -1, nil
}

// parse1 reads an address and a port in their canonical form: no zone, no leading zeroes, no sign.
func parse1(address, port []byte, is4 bool) (netip.AddrPort, bool) {
	a, err := netip.ParseAddr(string(address))
	if err != nil || a.Is4() != is4 || a.Zone() != "" {
		return netip.AddrPort{}, false
	}
	if len(port) == 0 || len(port) > 5 || port[0] == '0' && len(port) > 1 {
		return netip.AddrPort{}, false
	}
	p, err := strconv.ParseUint(string(port), 10, 16)
	return netip.AddrPortFrom(a.Unmap(), uint16(p)), err == nil
}
