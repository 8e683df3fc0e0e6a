package loop

import (
	"bytes"
	"testing"
)

// split feeds whole in pieces, and returns what came out.
func split(t *secure, in []byte, size int) (out []byte) {
	for len(in) > 0 {
		n := min(size, len(in))
		piece := bytes.Clone(in[:n])
		out = append(out, t.whole(piece)...)
		if t.some != nil && cap(t.some.part) > (recordHead+recordMost)*5/4+64 {
			panic("more than a record is kept")
		}
		in = in[n:]
	}
	return out
}

// FuzzWhole: whole records come out in order, whole, whatever the pieces; what is kept is bounded.
func FuzzWhole(f *testing.F) {
	f.Add([]byte("\x16\x03\x01\x00\x02ab\x17\x03\x03\x00\x00\x17\x03\x03\x00\x01x"), 1)
	f.Add([]byte("\x17\x03\x03\x48\x00x"), 3)
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), 2)
	f.Fuzz(func(t *testing.T, in []byte, size int) {
		if size < 1 {
			size = 1
		}
		n, wrong := wholeRecords(in)
		got := split(&secure{}, in, size)
		if !bytes.HasPrefix(in, got) {
			t.Fatalf("%q in pieces of %d became %q", in, size, got)
		}
		if len(got) < n || !wrong && len(got) != n {
			t.Errorf("%q in pieces of %d: %d bytes, want %d", in, size, len(got), n)
		}
	})
}

// FuzzHello: the answer for all of the bytes is the one that bytewise reading comes to.
func FuzzHello(f *testing.F) {
	f.Add([]byte("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"))
	f.Add([]byte("\x16\x03\x01\x00\x01\x01\x16\x03\x01\x00\x04\x00\x00\x01\x00"))
	f.Add([]byte("\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		whole, ok := helloEnd(in)
		for i := range in {
			w, o := helloEnd(in[:i])
			if w && !whole || !o && ok {
				t.Fatalf("%q: %t %t, its first %d bytes %t %t", in, whole, ok, i, w, o)
			}
		}
	})
}
