package proxyproto

import (
	"encoding/binary"
	"net/netip"
)

// head2 is the length of the fixed part of a version 2 header (section 2.2).
const head2 = 16

// Commands and address families of version 2.
const (
	local = 0x0
	proxy = 0x1

	unspecified = 0x0
	inet        = 0x1
	inet6       = 0x2
	unixSocket  = 0x3

	stream   = 0x1
	datagram = 0x2
)

// blocks are the lengths of the address block by family.
var blocks = [...]int{unspecified: 0, inet: 2*4 + 2*2, inet6: 2*16 + 2*2, unixSocket: 2 * 108}

// decode2 reads a header of version 2. Extensions (TLVs) that stand behind the addresses are skipped with them.
func decode2(b []byte) (Header, int, error) {
	at := len(signature)
	if len(b) <= at {
		return Header{}, 0, nil
	}
	version, command := b[at]>>4, b[at]&15
	switch {
	case version != 2:
		return Header{}, 0, ErrVersion
	case command != local && command != proxy:
		return Header{}, 0, ErrInvalid
	case len(b) < head2:
		return Header{}, 0, nil
	}
	family, transport := int(b[at+1]>>4), b[at+1]&15
	n := head2 + int(binary.BigEndian.Uint16(b[at+2:]))
	if n > MaxBytes {
		return Header{}, 0, ErrLength
	}
	// For a LOCAL connection family and addresses are ignored, and only the length counts.
	if command == proxy && (family >= len(blocks) || transport > datagram || n < head2+blocks[family]) {
		return Header{}, 0, ErrInvalid
	}
	if len(b) < n {
		return Header{}, 0, nil
	}
	h := Header{Local: command == local}
	if h.Local || transport != stream {
		return h, n, nil
	}
	switch p := b[head2:n]; family {
	case inet:
		h.Source, h.Destination = ends(p, 4)
	case inet6:
		h.Source, h.Destination = ends(p, 16)
	}
	return h, n, nil
}

// ends reads two addresses of size bytes each and their ports.
func ends(p []byte, size int) (source, destination netip.AddrPort) {
	one := func(address, port int) netip.AddrPort {
		a, _ := netip.AddrFromSlice(p[address : address+size])
		return netip.AddrPortFrom(a.Unmap(), binary.BigEndian.Uint16(p[port:]))
	}
	return one(0, 2*size), one(size, 2*size+2)
}
