package proxyproto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"testing"
)

// v2 is a header of version 2 with this address block, and whatever stands behind it.
func v2(command, family byte, block ...byte) []byte {
	b := append([]byte(nil), signature...)
	b = append(b, 0x20|command, family)
	b = binary.BigEndian.AppendUint16(b, uint16(len(block)))
	return append(b, block...)
}

var (
	block4 = []byte{192, 168, 0, 1, 192, 168, 0, 11, 0xDB, 0xFC, 0x01, 0xBB}
	block6 = append(append(make([]byte, 0, 36), append(netip.MustParseAddr("2001:db8::1").AsSlice(), netip.MustParseAddr("2001:db8::2").AsSlice()...)...), 0xDB, 0xFC, 0x01, 0xBB)
	mapped = append(append(make([]byte, 0, 36), append(netip.MustParseAddr("::ffff:10.0.0.9").AsSlice(), netip.MustParseAddr("::ffff:10.0.0.1").AsSlice()...)...), 0, 1, 0, 2)
	tlvs   = []byte{0x01, 0, 2, 'h', '2', 0x20, 0, 3, 1, 2, 3}
	paths  = make([]byte, 216)
)

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// good headers, and who they say the client is.
var good = []struct {
	name   string
	header []byte
	source string // "" when none is told
	local  bool
}{
	{"the specification's line", []byte("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"), "192.168.0.1:56324", false},
	{"longest TCP4", []byte("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), "255.255.255.255:65535", false},
	{"longest TCP6", []byte("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"), "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", false},
	{"short TCP6", []byte("PROXY TCP6 ::1 ::2 0 1\r\n"), "[::1]:0", false},
	{"IPv4 in TCP6", []byte("PROXY TCP6 ::ffff:10.0.0.9 ::ffff:10.0.0.1 1 2\r\n"), "10.0.0.9:1", false},
	{"UNKNOWN", []byte("PROXY UNKNOWN\r\n"), "", false},
	{"longest UNKNOWN", []byte("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"), "", false},
	{"UNKNOWN with anything", []byte("PROXY UNKNOWN \x00\xFF x\r\n"), "", false},

	{"TCP over IPv4", v2(proxy, 0x11, block4...), "192.168.0.1:56316", false},
	{"TCP over IPv6", v2(proxy, 0x21, block6...), "[2001:db8::1]:56316", false},
	{"IPv4 in IPv6", v2(proxy, 0x21, mapped...), "10.0.0.9:1", false},
	{"TLVs", v2(proxy, 0x11, join(block4, tlvs)...), "192.168.0.1:56316", false},
	{"TLVs that are none", v2(proxy, 0x11, join(block4, []byte{1, 0xFF, 0xFF})...), "192.168.0.1:56316", false},
	{"UDP", v2(proxy, 0x12, block4...), "", false},
	{"no protocol", v2(proxy, 0x10, block4...), "", false},
	{"UNSPEC", v2(proxy, 0x00), "", false},
	{"UNSPEC with something", v2(proxy, 0x00, tlvs...), "", false},
	{"UNIX", v2(proxy, 0x31, paths...), "", false},
	{"UNIX datagrams with TLVs", v2(proxy, 0x32, join(paths, tlvs)...), "", false},
	{"LOCAL", v2(local, 0x00), "", true},
	{"LOCAL with addresses", v2(local, 0x11, block4...), "", true},
	{"LOCAL of an unknown family", v2(local, 0xFF, 1, 2, 3), "", true},
	{"longest", v2(proxy, 0x11, join(block4, make([]byte, MaxBytes-head2-len(block4)))...), "192.168.0.1:56316", false},
}

// TestGood decodes each header whole, with more behind it, halved at every place, and byte by byte.
func TestGood(t *testing.T) {
	for _, c := range good {
		for _, behind := range []string{"", "GET / HTTP/1.1\r\n", "\r\n"} {
			in := join(c.header, []byte(behind))
			h, n, err := Decode(in)
			if err != nil || n != len(c.header) {
				t.Errorf("%s: %d bytes of %d, %v", c.name, n, len(c.header), err)
				continue
			}
			if got := h.Source; got.IsValid() != (c.source != "") || got.IsValid() && got.String() != c.source {
				t.Errorf("%s: the client is %v, want %s", c.name, got, c.source)
			}
			if h.Source.IsValid() != h.Destination.IsValid() || h.Local != c.local {
				t.Errorf("%s: %+v", c.name, h)
			}
			for cut := range c.header {
				if h, n, err := Decode(in[:cut]); err != nil || n != 0 || h != (Header{}) {
					t.Fatalf("%s: with %d bytes: %v %d %v", c.name, cut, h, n, err)
				}
			}
		}
	}
}

func TestDestination(t *testing.T) {
	for in, want := range map[string]string{
		"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n": "192.168.0.11:443",
		string(v2(proxy, 0x21, block6...)):                  "[2001:db8::2]:443",
	} {
		if h, _, err := Decode([]byte(in)); err != nil || h.Destination.String() != want {
			t.Errorf("%q: %v, %v", in, h.Destination, err)
		}
	}
}

// TestBad: what is wrong is refused as soon as it can be seen, which is not later than at byte first.
func TestBad(t *testing.T) {
	old := v2(proxy, 0x11, block4...)
	old[12] = 0x11
	for _, c := range []struct {
		name  string
		in    []byte
		first int
		want  error
	}{
		{"HTTP", []byte("GET / HTTP/1.1\r\n"), 1, ErrMissing},
		{"HTTP that begins alike", []byte("PROPFIND / HTTP/1.1\r\n"), 4, ErrMissing},
		{"lower case", []byte("proxy TCP4"), 1, ErrMissing},
		{"an empty request", []byte("\r\n\r\nGET"), 5, ErrMissing},
		{"TLS", []byte{0x16, 3, 1}, 1, ErrMissing},
		{"other protocol", []byte("PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n"), 32, ErrInvalid},
		{"two spaces", []byte("PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n"), 33, ErrInvalid},
		{"UNKNOWNX", []byte("PROXY UNKNOWNX\r\n"), 16, ErrInvalid},
		{"a word too few", []byte("PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n"), 30, ErrInvalid},
		{"a word too many", []byte("PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n"), 34, ErrInvalid},
		{"a space at the end", []byte("PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n"), 33, ErrInvalid},
		{"IPv6 in TCP4", []byte("PROXY TCP4 ::1 ::2 1 2\r\n"), 24, ErrInvalid},
		{"IPv4 in TCP6", []byte("PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n"), 32, ErrInvalid},
		{"a zone", []byte("PROXY TCP6 fe80::1%eth0 ::2 1 2\r\n"), 33, ErrInvalid},
		{"leading zeroes of an address", []byte("PROXY TCP4 01.1.1.1 2.2.2.2 1 2\r\n"), 33, ErrInvalid},
		{"leading zeroes of a port", []byte("PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n"), 33, ErrInvalid},
		{"a sign", []byte("PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n"), 33, ErrInvalid},
		{"no port", []byte("PROXY TCP4 1.1.1.1 2.2.2.2 1 \r\n"), 31, ErrInvalid},
		{"a port too large", []byte("PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n"), 36, ErrInvalid},
		{"LF alone", []byte("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\nGET"), 31, ErrInvalid},
		{"CR alone", []byte("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\rGET"), 32, ErrInvalid},
		{"no end", []byte("PROXY UNKNOWN " + strings.Repeat("x", 200)), 107, ErrLength},
		{"an end too late", []byte("PROXY UNKNOWN " + strings.Repeat("x", 92) + "\r\n"), 107, ErrLength},
		{"version 1 in binary", old, 13, ErrVersion},
		{"an unknown command", v2(2, 0x11, block4...), 13, ErrInvalid},
		{"an unknown family", v2(proxy, 0x41, block4...), 16, ErrInvalid},
		{"an unknown transport", v2(proxy, 0x13, block4...), 16, ErrInvalid},
		{"too short for IPv4", v2(proxy, 0x11, block4[:11]...), 16, ErrInvalid},
		{"too short for IPv6", v2(proxy, 0x21, block6[:35]...), 16, ErrInvalid},
		{"too short for UNIX", v2(proxy, 0x31, paths[:215]...), 16, ErrInvalid},
		{"too long", v2(proxy, 0x11, make([]byte, MaxBytes-head2+1)...), 16, ErrLength},
		{"too long and LOCAL", v2(local, 0, make([]byte, 0xFFFF)...), 16, ErrLength},
	} {
		if _, n, err := Decode(c.in); !errors.Is(err, c.want) || n != 0 {
			t.Errorf("%s: %d, %v, want %v", c.name, n, err, c.want)
			continue
		}
		first := 0
		for first = range len(c.in) + 1 {
			if _, _, err := Decode(c.in[:first]); err != nil {
				break
			}
		}
		if first != c.first {
			t.Errorf("%s: refused at byte %d, want %d", c.name, first, c.first)
		}
	}
}

func TestAllocations(t *testing.T) {
	header := v2(proxy, 0x21, join(block6, tlvs)...)
	if n := testing.AllocsPerRun(100, func() { _, _, _ = Decode(header) }); n > 0 {
		t.Errorf("%v allocations for a header", n)
	}
}

// FuzzDecode: no panic, no more bytes than there are, and the same answer however the bytes come.
func FuzzDecode(f *testing.F) {
	for _, c := range good {
		f.Add(join(c.header, []byte("GET")))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		h, n, err := Decode(in)
		switch {
		case n < 0 || n > len(in) || n > MaxBytes:
			t.Fatalf("%d bytes of %d", n, len(in))
		case err != nil && (n != 0 || h != Header{}):
			t.Fatalf("%v with %d and %v", err, n, h)
		case err == nil && n == 0 && len(in) >= MaxBytes:
			t.Fatalf("still waiting with %d bytes", len(in))
		}
		for cut := range in {
			h2, n2, err2 := Decode(in[:cut])
			if (n2 != 0 || err2 != nil) && (n2 != n || h2 != h || !errors.Is(err2, err)) {
				t.Fatalf("with %d of %d bytes: %v %d %v, with all %v %d %v", cut, len(in), h2, n2, err2, h, n, err)
			}
		}
	})
}
