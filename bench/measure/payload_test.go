package measure

import (
	"encoding/json"
	"testing"
)

func TestPayload(t *testing.T) {
	for _, c := range []struct {
		seq  uint32
		due  int64
		size int
		want int // bytes
	}{
		{1, 0, 0, MinPayload},
		{1, 1, MinPayload, MinPayload},
		{7, 1732292160123456789, 200, 200},
		{1<<32 - 1, 1<<63 - 1, 4096, 4096},
	} {
		b := AppendPayload([]byte("x"), c.seq, c.due, c.size)[1:]
		if len(b) != c.want {
			t.Errorf("size %d: %d bytes, want %d", c.size, len(b), c.want)
		}
		if !json.Valid(b) {
			t.Errorf("not JSON: %s", b)
		}
		seq, due, ok := ParsePayload(b)
		if !ok || seq != c.seq || due != c.due {
			t.Errorf("ParsePayload(%s) = %d, %d, %v", b, seq, due, ok)
		}
	}
}

// Every single changed byte must be noticed, or parse as another number or time.
func TestPayloadCorrupted(t *testing.T) {
	b := AppendPayload(nil, 5, 1732292160123456789, 200)
	for i := range b {
		c := append([]byte(nil), b...)
		c[i] ^= 1
		seq, due, ok := ParsePayload(c)
		inDue := i >= dueAt && i < dueAt+16
		if ok && (!inDue || seq != 5 || due == 1732292160123456789) {
			t.Errorf("byte %d changed unnoticed: %s", i, c)
		}
	}
	for n := range MinPayload {
		if _, _, ok := ParsePayload(b[:n]); ok {
			t.Errorf("%d bytes parsed", n)
		}
	}
}

func FuzzParsePayload(f *testing.F) {
	f.Add(AppendPayload(nil, 9, 12345, 100))
	f.Add([]byte(payloadStart))
	f.Fuzz(func(t *testing.T, b []byte) {
		seq, due, ok := ParsePayload(b)
		if !ok {
			return
		}
		// Hexadecimal digits may be upper case; all else is rebuilt byte for byte.
		again := AppendPayload(nil, seq, due, len(b))
		if len(again) != len(b) || string(again[fillAt:]) != string(b[fillAt:]) {
			t.Fatalf("%q parsed, but is rebuilt as %q", b, again)
		}
	})
}
