package tls13

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"stentor/engine/testkit/ledger"
)

func TestMain(m *testing.M) {
	if os.Getenv("BOGO_SHIM") != "" {
		os.Exit(bogoShim())
	}
	os.Exit(ledger.Main(m, Observe))
}

// allSuites are the cipher suites that every test of records runs with.
var allSuites = []uint16{AES128GCMSHA256, AES256GCMSHA384, ChaCha20Poly1305SHA256}

// rig is a server and a client after a handshake.
type rig struct {
	t              testing.TB
	layer          *Layer
	server, client Records
}

// newRig makes up the secrets of a handshake.
func newRig(t testing.TB, id uint16) *rig {
	t.Helper()
	index, ok := indexOf(id)
	if !ok {
		t.Fatalf("%#x is no suite", id)
	}
	r := &rig{t: t, layer: NewLayer(1 << 20)}
	size := suites[index].hashSize
	up, down := random(size), random(size)
	r.server.begin(index, up, down)
	r.client.begin(index, down, up)
	return r
}

func forSuites(t *testing.T, f func(t *testing.T, r *rig)) {
	for _, id := range allSuites {
		t.Run(fmt.Sprintf("%#x", id), func(t *testing.T) { f(t, newRig(t, id)) })
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

// seal is what the server sends for data.
func (r *rig) seal(data string) []byte {
	r.t.Helper()
	out, err := r.layer.Seal(nil, &r.server, []byte(data))
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

// record is a record of the client with that content, right or wrong.
func (r *rig) record(kind byte, content string, padding int) []byte {
	r.t.Helper()
	aead, err := r.client.out.aead(r.client.suite())
	if err != nil {
		r.t.Fatal(err)
	}
	b := append(make([]byte, headerSize), content...)
	if padding > 0 {
		b = append(append(b, kind), make([]byte, padding-1)...)
		kind = 0 // seal puts it behind the rest
	}
	return r.layer.seal(b, 0, &r.client, aead, kind)
}

func (r *rig) data(content string) []byte { return r.record(typeApplication, content, 0) }

// update is a KeyUpdate of the client, in records of the sizes given, after which the client has the next key.
func (r *rig) update(request byte, sizes ...int) (records []byte) {
	r.t.Helper()
	message := string([]byte{typeKeyUpdate, 0, 0, 1, request})
	if len(sizes) == 0 {
		sizes = []int{len(message)}
	}
	for _, n := range sizes {
		records = append(records, r.record(typeHandshake, message[:n], 0)...)
		message = message[n:]
	}
	r.client.out.update(r.client.suite())
	return records
}

// open opens a copy of in, in pieces of at most so many bytes, as a loop does.
func open(l *Layer, r *Records, in []byte, piece int) (plain []byte, err error) {
	var kept []byte
	for len(in) > 0 {
		n := min(piece, len(in))
		kept, in = append(kept, in[:n]...), in[n:]
		var some []byte
		some, n, err = l.Open(r, kept)
		plain = append(plain, some...)
		if err != nil {
			return plain, err
		}
		if kept = kept[n:]; len(kept) > headerSize+maxEncrypted {
			return plain, fmt.Errorf("%d bytes are kept", len(kept))
		}
	}
	return plain, nil
}

// took is what the server finds in records of the client.
func (r *rig) took(in []byte) string {
	r.t.Helper()
	plain, err := open(r.layer, &r.server, in, len(in))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(plain)
}

// gets fails unless the client finds the data in what the server sent.
func (r *rig) gets(sent []byte, want string) {
	r.t.Helper()
	plain, err := open(r.layer, &r.client, sent, len(sent))
	if err != nil {
		r.t.Fatal(err)
	}
	if string(plain) != want {
		r.t.Fatalf("got %.100q, want %.100q", plain, want)
	}
}

// refused fails unless the server refuses the records with this error, after the data.
func (r *rig) refused(in []byte, data string, want error) {
	r.t.Helper()
	plain, err := open(r.layer, &r.server, in, len(in))
	if err != want || string(plain) != data {
		r.t.Fatalf("got %q and error %v, want %q and %v", plain, err, data, want)
	}
	if _, n, err := r.layer.Open(&r.server, r.data("more")); err != ErrClosed || n != 0 {
		r.t.Fatalf("took %d bytes after an error, error %v", n, err)
	}
}

func concat(parts ...[]byte) []byte { return slices.Concat(parts...) }

func repeat(n int, f func() []byte) []byte {
	var b bytes.Buffer
	for range n {
		b.Write(f())
	}
	return b.Bytes()
}

// sealedLen is how many bytes Seal appends for n bytes, at most.
func sealedLen(n int) int {
	if n == 0 {
		return 0
	}
	return n + (n+maxContent-1)/maxContent*overhead + overhead + updateSize
}
