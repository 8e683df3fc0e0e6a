package websocket

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// FuzzReader feeds the same bytes whole and in chunks: the events must be the same, and so must the data of a message
// that is not complete, but for the pieces that come before an error and are not handed out when it is in one chunk.
func FuzzReader(f *testing.F) {
	for _, c := range slices.Concat(pings(), reservedBits(), opcodes(), fragmentation(), closeHandling()) {
		if whole := concat(c.send...); len(whole) < 1<<10 {
			f.Add(whole, uint8(3))
		}
	}
	for _, c := range utf8Handling() {
		f.Add(concat(c.send...), uint8(1))
	}
	f.Add(text(strings.Repeat("é", 200)), uint8(100))
	f.Add(concat(frame(0xC1, "\xff"), frame(0x41, "a"), ping("b"), frame(0x80, "c"), frame(0xC0, "")), uint8(2))
	f.Add(header(0x81, 127, 1<<63, true), uint8(2))
	f.Add(header(0x82, 127, 1<<40, true), uint8(2))
	f.Fuzz(func(t *testing.T, in []byte, size uint8) {
		const limit = 1 << 16
		for _, r := range []func() frameReader{
			func() frameReader { return new(Reader) },
			func() frameReader { return new(ClientReader) },
			func() frameReader { return unpacking() },
		} {
			whole, wholeUnder := read(t, r(), limit, [][]byte{bytes.Clone(in)})
			failed := len(whole) > 0 && strings.HasPrefix(whole[len(whole)-1], "10")
			for _, n := range []int{1, int(size) + 1, len(in)/2 + 1} {
				events, under := read(t, r(), limit, chop(bytes.Clone(in), n))
				if !slices.Equal(events, whole) {
					t.Fatalf("by %d: %q, whole: %q", n, events, whole)
				}
				if !bytes.Equal(under, wholeUnder) && !(failed && bytes.HasPrefix(under, wholeUnder)) {
					t.Fatalf("by %d: %q under way, whole: %q", n, under, wholeUnder)
				}
			}
		}
	})
}

// FuzzRoundTrip sends a message in two fragments with a ping between and compares what arrives.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("hello κόσμε"), uint16(7), true, uint8(3))
	f.Add([]byte{0xFF, 0}, uint16(1), false, uint8(1))
	f.Add(bytes.Repeat([]byte("0123456789"), 20), uint16(130), true, uint8(100))
	f.Fuzz(func(t *testing.T, payload []byte, cut uint16, asText bool, size uint8) {
		at := min(int(cut), len(payload))
		op, name := ws.OpBinary, "binary "
		if asText {
			op, name = ws.OpText, "text "
			payload = bytes.ToValidUTF8(payload, nil)
			at = min(at, len(payload))
		}
		first := AppendMasked(nil, op, testMask, payload[:at])
		first[0] &^= bitFinal
		in := concat(first, ping("between"), AppendMasked(nil, ws.OpContinuation, testMask, payload[at:]))
		want := []string{"ping between", name + abridge(payload)}
		if got, _ := read(t, new(Reader), noLimit, chop(in, int(size)+1)); !slices.Equal(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}

// FuzzHandshaker checks that the outcome depends on the bytes alone, not on how they arrive, that an answer is always
// whole, and that gobwas gives the same one where it accepts too (of lists it wants each element to be a token).
func FuzzHandshaker(f *testing.F) {
	f.Add([]byte(goodRequest), uint8(1))
	f.Add(browserRequest, uint8(100))
	f.Add([]byte(goodRequest+"\x81\x80abcd"), uint8(10))
	f.Add([]byte(strings.ReplaceAll(goodRequest, "\r\n", "\n")), uint8(0))
	f.Add([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), uint8(3))
	f.Add([]byte("GET http://a?b HTTP/1.1\r\nHost: c\r\n\r\n"), uint8(3))
	f.Add([]byte(goodRequest[:len(goodRequest)-2]+"Sec-WebSocket-Protocol: v10.stomp\"\r\n\r\n"), uint8(3))
	f.Add([]byte("\r\n"+goodRequest), uint8(0))
	f.Add([]byte("\r\nHEAD / HTTP/1.1\r\nHost: c\r\n\r\n"), uint8(1))
	f.Add([]byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), uint8(3))
	f.Fuzz(func(t *testing.T, in []byte, size uint8) {
		var seen Request
		h := Handshaker{Protocols: stompProtocols, MaxHeader: 1024, Check: func(r *Request) *Refusal {
			seen = *r
			if r.Path == "" || r.Path[0] != '/' || r.Host == "" {
				t.Fatalf("accepted %+v", *r)
			}
			return nil
		}}
		whole := handshakeIn(&h, in, len(in)+1)
		asked := seen
		for _, n := range []int{1, int(size) + 1, len(in)/2 + 1} {
			o := handshakeIn(&h, in, n)
			if o.String() != whole.String() || seen != asked {
				t.Fatalf("by %d: %v, whole: %v", n, o, whole)
			}
		}
		switch {
		case whole.refusal != nil:
			checkRefused(t, whole, whole.refusal.Status, "")
		case whole.n > 0:
			if whole.n > len(in) || whole.n > 1024 || !bytes.HasSuffix(in[:whole.n], []byte("\r\n\r\n")) {
				t.Fatalf("%v of %d bytes", whole, len(in))
			}
			answer, err := gobwasAnswer(bytes.Clone(in[:whole.n]), stompProtocols)
			// A quote after a name is no part of a list, which gobwas overlooks.
			if quoted := strings.Contains(asked.Protocols, `"`); err == nil && answer != whole.resp && !quoted {
				t.Fatalf("gobwas: %q, here %q", answer, whole.resp)
			}
		}
	})
}

func FuzzParseAnswer(f *testing.F) {
	h := Handshaker{Protocols: stompProtocols}
	_, _, answer, _ := h.Next(browserRequest, 0, nil)
	f.Add(answer)
	f.Add(Forbidden.AppendTo(nil))
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello"))
	f.Fuzz(func(t *testing.T, in []byte) {
		n, protocol, err := ParseAnswer(in, sampleKey)
		if n < 0 || n > len(in) || n > 0 == (err != nil) && n > 0 || n == 0 && err == nil && protocol != nil {
			t.Fatalf("n = %d, protocol %q, error %v", n, protocol, err)
		}
	})
}

func FuzzNames(f *testing.F) {
	f.Add("*.example.com", "a.example.com:80")
	f.Add("example.com", "[::1]")
	f.Fuzz(func(t *testing.T, name, host string) {
		n, err := ParseNames([]string{name})
		if err == nil && !strings.HasPrefix(name, "*") && !n.Has(name) {
			t.Fatalf("%q does not have itself", name)
		}
		n.Has(host)
	})
}

func FuzzOrigins(f *testing.F) {
	f.Add("https://*.example.com", "https://a.example.com", "push:80", "10.0.0.1, [::1]:80")
	f.Add("loopback", "http://[::1]", "[::1]", "a,b")
	f.Fuzz(func(t *testing.T, rule, header, host, forwarded string) {
		o, err := ParseOrigins([]string{rule})
		if err == nil {
			o.Allows(header, host, true, &own)
			if o.exact != nil && !o.Allows(rule, host, false, &own) {
				t.Fatalf("%q does not allow itself", rule)
			}
		}
		new(Origins).Allows(header, host, false, &own)
		peer := netip.MustParseAddr("10.0.0.1")
		if addr := ClientAddr(peer, forwarded, []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}); !addr.IsValid() || addr.Zone() != "" {
			t.Fatalf("%q: %v", forwarded, addr)
		}
	})
}
