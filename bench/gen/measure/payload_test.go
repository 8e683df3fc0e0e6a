package measure

import (
	"encoding/json"
	"testing"
)

func TestPayload(t *testing.T) {
	for _, c := range []struct {
		p    Payload
		size int
		want int // bytes
	}{
		{Payload{Seq: 1}, 0, MinPayload},
		{Payload{Seq: 1, Due: 1, Stream: 1}, MinPayload, MinPayload},
		{Payload{Seq: 7, Due: 1732292160123456789, Stream: 0xfedc_0000_0001}, 200, 200},
		{Payload{Seq: 1<<32 - 1, Due: 1<<63 - 1, Stream: 1<<64 - 1}, 4096, 4096},
	} {
		b := c.p.Append([]byte("x"), c.size)[1:]
		if len(b) != c.want {
			t.Errorf("size %d: %d bytes, want %d", c.size, len(b), c.want)
		}
		if !json.Valid(b) {
			t.Errorf("not JSON: %s", b)
		}
		if p, ok := ParsePayload(b); !ok || p != c.p {
			t.Errorf("ParsePayload(%s) = %+v, %v", b, p, ok)
		}
	}
}

// Every single changed byte must be noticed, or parse as another number, time or stream.
func TestPayloadCorrupted(t *testing.T) {
	whole := Payload{Seq: 5, Due: 1732292160123456789, Stream: 77}
	b := whole.Append(nil, 200)
	for i := range b {
		c := append([]byte(nil), b...)
		c[i] ^= 1
		p, ok := ParsePayload(c)
		inNumber := i >= dueAt && i < dueAt+16 || i >= streamAt && i < streamAt+16
		if ok && (!inNumber || p == whole) {
			t.Errorf("byte %d changed unnoticed: %s", i, c)
		}
	}
	for n := range MinPayload {
		if _, ok := ParsePayload(b[:n]); ok {
			t.Errorf("%d bytes parsed", n)
		}
	}
}

func FuzzParsePayload(f *testing.F) {
	f.Add(Payload{Seq: 9, Due: 12345, Stream: 3}.Append(nil, 150))
	f.Add(Payload{Seq: 9, Due: 12345, Stream: 3}.AppendDocument(nil))
	f.Add([]byte(payloadStart))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, ok := ParsePayload(b)
		if !ok {
			return
		}
		// Hexadecimal digits may be upper case; all else is rebuilt byte for byte.
		again := p.Append(nil, len(b))
		if isDocument(b, p.Seq) {
			again = p.AppendDocument(nil)
		}
		if len(again) != len(b) || string(again[fillAt:]) != string(b[fillAt:]) {
			t.Fatalf("%q parsed, but is rebuilt as %q", b, again)
		}
	})
}
