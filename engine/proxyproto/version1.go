package proxyproto

import (
	"bytes"
	"net/netip"
	"strconv"
)

// line1 is the longest line of version 1, its CRLF included (section 2.1).
const line1 = 107

var (
	lineEnd = []byte("\r\n")
	unknown = []byte("UNKNOWN")
)

// decode1 reads a line of version 1.
func decode1(b []byte) (Header, int, error) {
	end := bytes.Index(b[:min(len(b), line1)], lineEnd)
	if end < 0 {
		return Header{}, 0, unfinished(b)
	}
	rest := b[len(word1):end]
	n := end + len(lineEnd)
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

// unfinished says of a line without CRLF whether the CRLF may still come: a CR or LF of its own may not be there, and
// what is longer than any line need not be waited for.
func unfinished(b []byte) error {
	b = b[:min(len(b), line1)]
	if i := bytes.IndexAny(b, "\r\n"); i >= 0 && (b[i] != '\r' || i != len(b)-1) {
		return ErrInvalid
	}
	if len(b) == line1 {
		return ErrLength
	}
	return nil
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
