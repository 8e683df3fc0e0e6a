package tls13

import (
	"bytes"
	"strings"
	"testing"
)

func TestOpen(t *testing.T) {
	forSuites(t, func(t *testing.T, r *rig) {
		long := strings.Repeat("x", maxContent)
		for _, data := range []string{"a", "hello", long} {
			if got := r.took(r.data(data)); got != data {
				t.Errorf("got %.100q", got)
			}
		}
		// Several records give one piece, in place, with nothing of the rest.
		in := concat(r.data("one "), r.data("two "), r.data(""), r.data("three"), r.data("four")[:20])
		plain, n, err := r.layer.Open(&r.server, in)
		if err != nil || string(plain) != "one two three" || n != len(in)-20 {
			t.Fatalf("%q, %d of %d bytes, %v", plain, n, len(in), err)
		}
		if &plain[0] != &in[headerSize] || cap(plain) != len(plain) {
			t.Error("the data is not where it came from, or can grow over what follows")
		}
	})
}

// However the bytes arrive, the same comes out.
func TestOpenPieces(t *testing.T) {
	for _, piece := range []int{1, 2, 3, 7, 1000, 20000} {
		forSuites(t, func(t *testing.T, r *rig) {
			in := concat(r.data("a"), r.data(strings.Repeat("b", 3000)), r.update(requested), r.data("c"), r.update(notRequested, 1, 3, 1), r.record(typeApplication, "d", 200))
			in = append(in, r.record(typeAlert, "\x01\x00", 0)...)
			plain, err := open(r.layer, &r.server, in, piece)
			if err != ErrCloseNotify || string(plain) != "a"+strings.Repeat("b", 3000)+"cd" {
				t.Fatalf("%.100q, %v", plain, err)
			}
		})
	}
}

// Every bit of a record counts, and the record after it is no longer taken.
func TestOpenFlippedBits(t *testing.T) {
	for _, id := range allSuites {
		for bit := 0; ; bit++ {
			r := newRig(t, id)
			in := r.data("some bytes")
			if bit == 8*len(in) {
				break
			}
			in[bit/8] ^= 1 << (bit % 8)
			in = append(in, make([]byte, headerSize+maxEncrypted)...) // the length may have grown
			plain, _, err := r.layer.Open(&r.server, in)
			if _, ok := AlertOf(err); !ok || len(plain) > 0 {
				t.Fatalf("bit %d flipped: %q, error %v", bit, plain, err)
			}
			if _, _, err := r.layer.Open(&r.server, r.data("more")); err != ErrClosed {
				t.Fatalf("bit %d flipped, and the next record is taken: %v", bit, err)
			}
		}
	}
}

func TestOpenTruncated(t *testing.T) {
	forSuites(t, func(t *testing.T, r *rig) {
		in := r.data("some bytes")
		for n := range in {
			plain, used, err := r.layer.Open(&r.server, bytes.Clone(in[:n]))
			if plain != nil || used != 0 || err != nil {
				t.Fatalf("%d of %d bytes: %q, %d, %v", n, len(in), plain, used, err)
			}
		}
		if got := r.took(in); got != "some bytes" {
			t.Error(got)
		}
	})
}

// A record that comes twice, or in front of the one before it, is refused.
func TestOpenRepeatedAndSwapped(t *testing.T) {
	r := newRig(t, AES128GCMSHA256)
	in := r.data("a")
	r.refused(concat(in, in), "a", errMAC)
	r = newRig(t, AES128GCMSHA256)
	first, second := r.data("a"), r.data("b")
	r.refused(concat(second, first), "", errMAC)
}

// A header that is wrong is refused with the first byte that shows it: nothing is kept for it.
func TestOpenHeaders(t *testing.T) {
	for _, c := range []struct {
		in   string
		want error
	}{
		{"\x14", errType}, // change_cipher_spec, which is legal only during the handshake
		{"\x14\x03\x03\x00\x01\x01", errType},
		{"\x15\x03\x03\x00\x02\x01\x00", errType}, // an alert in plain text
		{"\x16", errType},                         // ClientHello: a renegotiation
		{"\x16\x03\x03\x00\x01\x00", errType},
		{"\x18", errType}, // heartbeat
		{"GET / HTTP/1.1\r\n", errType},
		{"\x00", errType},
		{"\x80", errType},
		{"\x17\x03\x01\x00\x20", errVersion},
		{"\x17\x03\x04\x00\x20", errVersion},
		{"\x17\x02\x03\x00\x20", errVersion},
		{"\x17\x02", errVersion},
		{"\x17\x03\x03\x41\x01", errOverflow},
		{"\x17\x03\x03\xff\xff", errOverflow},
		{"\x17\x03\x03\x00\x00", errMAC},
		{"\x17\x03\x03\x00\x0f", errMAC},
	} {
		r := newRig(t, AES128GCMSHA256)
		r.refused([]byte(c.in), "", c.want)
		r = newRig(t, AES128GCMSHA256)
		r.refused(concat(r.data("before"), []byte(c.in)), "before", c.want)
	}
	for _, in := range []string{"\x17", "\x17\x03", "\x17\x03\x03\x41", "\x17\x03\x03\x41\x00", "\x17\x03\x03\x00\x10"} {
		r := newRig(t, AES128GCMSHA256)
		if _, n, err := r.layer.Open(&r.server, []byte(in)); n != 0 || err != nil {
			t.Errorf("%q: %d, %v", in, n, err)
		}
	}
}

func TestOpenLengths(t *testing.T) {
	for _, c := range []struct {
		content, padding int
		want             error
	}{
		{maxContent, 0, nil},
		{maxContent - 1, 1, nil},
		{0, maxContent, nil},
		{maxContent + 1, 0, errLong},
		{maxContent, 1, errLong},
		{maxContent + 239, 0, errLong}, // the longest record
		{maxContent + 240, 0, errOverflow},
	} {
		r := newRig(t, AES128GCMSHA256)
		in := r.record(typeApplication, strings.Repeat("x", c.content), c.padding)
		plain, err := open(r.layer, &r.server, in, len(in))
		if err != c.want || err == nil && len(plain) != c.content {
			t.Errorf("%+v: %d bytes, error %v", c, len(plain), err)
		}
	}
}

func TestOpenPadding(t *testing.T) {
	r := newRig(t, AES128GCMSHA256)
	if got := r.took(concat(r.record(typeApplication, "a", 1), r.record(typeApplication, "b", 300), r.record(typeApplication, "c\x00\x00", 5))); got != "abc\x00\x00" {
		t.Errorf("%q", got)
	}
	r.refused(r.record(0, "", 0), "", errNoType)
	r = newRig(t, AES128GCMSHA256)
	r.refused(r.record(0, strings.Repeat("\x00", 100), 0), "", errNoType)
	// A record that has not even a type.
	r = newRig(t, AES128GCMSHA256)
	aead, _ := r.client.out.aead(r.client.suite())
	in := []byte{typeApplication, 3, 3, 0, tagSize}
	r.client.out.take(&r.layer.nonce)
	r.refused(aead.Seal(in, r.layer.nonce[:], nil, in[:headerSize]), "", errNoType)
}

func TestOpenContentTypes(t *testing.T) {
	for kind := range 256 {
		if kind == 0 || kind == typeApplication || kind == typeAlert || kind == typeHandshake {
			continue
		}
		r := newRig(t, AES128GCMSHA256)
		r.refused(concat(r.data("a"), r.record(byte(kind), "\x01", 0)), "a", errContentType)
	}
}

func TestOpenEmptyRecords(t *testing.T) {
	empty := func(r *rig) func() []byte { return func() []byte { return r.data("") } }
	r := newRig(t, AES128GCMSHA256)
	for range 3 {
		if got := r.took(concat(repeat(16, empty(r)), r.data("a"))); got != "a" {
			t.Fatal(got)
		}
	}
	r.refused(repeat(17, empty(r)), "", errEmpty)
	// Padding and alerts that are passed over do not help.
	r = newRig(t, AES128GCMSHA256)
	r.took(concat(repeat(8, empty(r)), repeat(8, func() []byte { return r.record(typeAlert, "\x01\x5a", 0) })))
	r.refused(r.record(typeApplication, "", 1000), "", errEmpty)
	// Nor do KeyUpdates.
	r = newRig(t, AES128GCMSHA256)
	r.took(concat(repeat(8, empty(r)), repeat(8, func() []byte { return r.update(notRequested) })))
	r.refused(r.data(""), "", errEmpty)
}

func TestOpenAlerts(t *testing.T) {
	for _, c := range []struct {
		content string
		want    error
	}{
		{"\x01\x00", ErrCloseNotify},
		{"\x02\x00", ErrCloseNotify},
		{"\x02\x28", RemoteAlert(40)},
		{"\x01\x28", RemoteAlert(40)}, // the level says nothing
		{"\x00\x74", RemoteAlert(116)},
		{"", errAlert},
		{"\x01", errAlert},
		{"\x01\x00\x00", errAlert},
		{"\x01\x00\x01\x00", errAlert},
	} {
		r := newRig(t, AES128GCMSHA256)
		r.refused(concat(r.data("a"), r.record(typeAlert, c.content, 0)), "a", c.want)
		if _, send := AlertOf(c.want); send != (c.want == errAlert) {
			t.Errorf("an alert for %v: %v", c.want, send)
		}
		if got := r.seal("b"); len(got) == 0 {
			t.Error("nothing can be sent any more")
		}
	}
	r := newRig(t, AES128GCMSHA256)
	if got := r.took(concat(r.record(typeAlert, "\x01\x5a", 0), r.data("a"))); got != "a" {
		t.Errorf("%q after user_canceled", got)
	}
}

// What is not taken over opens nothing.
func TestOpenZero(t *testing.T) {
	r := newRig(t, AES128GCMSHA256)
	var none Records
	if _, _, err := r.layer.Open(&none, r.data("a")); err != ErrClosed {
		t.Error(err)
	}
	if _, err := r.layer.Seal(nil, &none, []byte("a")); err != ErrClosed {
		t.Error(err)
	}
}
