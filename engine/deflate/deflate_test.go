package deflate

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// plain is what compress/flate makes of a message's payload: with the four bytes that were cut off, and a last block.
func plain(payload []byte) ([]byte, error) {
	tail := "\x00\x00\xff\xff\x01\x00\x00\xff\xff"
	return io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(payload), strings.NewReader(tail))))
}

// compressed is what a client sends for parts, with a flush behind each.
func compressed(level int, parts ...[]byte) []byte {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, level)
	if err != nil {
		panic(err)
	}
	for _, p := range parts {
		_, _ = w.Write(p)
		_ = w.Flush()
	}
	return out.Bytes()[:out.Len()-4]
}

func contents() map[string][]byte {
	random := rand.New(rand.NewPCG(7, 7))
	noise := make([]byte, 100_000)
	words := []string{"push", "topic", `"price":`, "1234", " ", "\n", "ä", "{", "}"}
	var text []byte
	for i := range noise {
		noise[i] = byte(random.Uint32())
		text = append(text, words[random.IntN(len(words))]...)
	}
	skewed := make([]byte, 50_000) // codes of up to 15 bits
	for i := range skewed {
		skewed[i] = byte(min(255, int(random.ExpFloat64()*12)))
	}
	return map[string][]byte{
		"empty": nil, "one": []byte("x"), "short": []byte("Hello"), "text": text, "noise": noise, "skewed": skewed,
		"zeros": make([]byte, 300_000), "block": noise[:65_535], "one more": noise[:65_536],
	}
}

var levels = []int{flate.HuffmanOnly, flate.NoCompression, 1, 2, 4, 6, 9}

// What other compressors make is inflated, up to the bound and not beyond it.
func TestInflate(t *testing.T) {
	var f Inflater
	for name, want := range contents() {
		for _, level := range levels {
			half := len(want) / 2
			for flushes, payload := range [][]byte{compressed(level, want), compressed(level, want[:half], want[half:])} {
				name := fmt.Sprintf("%s at level %d, %d flushes", name, level, flushes+1)
				got, err := f.Inflate([]byte("before"), payload, len(want))
				if err != nil || string(got) != "before"+string(want) {
					t.Errorf("%s: %d bytes, %v, want %d", name, len(got)-len("before"), err, len(want))
				}
				if len(want) == 0 {
					continue
				}
				if got, err := f.Inflate([]byte("x"), payload, len(want)-1); !errors.Is(err, ErrTooLarge) || string(got) != "x" {
					t.Errorf("%s with one byte too few: %q, %v", name, got, err)
				}
			}
		}
	}
}

// The examples of RFC 7692 section 7.2.3, and what is not there.
func TestBlocks(t *testing.T) {
	final := func(s string) []byte {
		var out bytes.Buffer
		w, _ := flate.NewWriter(&out, 6)
		_, _ = io.WriteString(w, s)
		_ = w.Close()
		return out.Bytes()
	}
	long := strings.Repeat("abc", 20)
	for name, test := range map[string]struct {
		payload []byte
		want    string
		err     error
	}{
		"one block":                      {[]byte("\xf2\x48\xcd\xc9\xc9\x07\x00"), "Hello", nil},
		"stored":                         {[]byte("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), "Hello", nil},
		"final":                          {[]byte("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), "Hello", nil},
		"final, nothing behind it":       {[]byte("\xf3\x48\xcd\xc9\xc9\x07\x00"), "Hello", nil},
		"two blocks":                     {[]byte("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), "Hello", nil},
		"no payload":                     {nil, "", nil},
		"empty":                          {[]byte{0}, "", nil},
		"two streams":                    {append(final(long), final("def")...), long + "def", nil},
		"many empty stored blocks":       {append(bytes.Repeat([]byte("\x00\x00\x00\xff\xff"), 5000), 0), "", nil},
		"three bits of nothing":          {[]byte("\xf2\x48\xcd\xc9\xc9\x07"), "", ErrCorrupt},
		"cut":                            {[]byte("\xf2\x48\xcd"), "", ErrCorrupt},
		"cut in a stored block":          {[]byte("\x00\x05\x00\xfa\xff\x48\x65"), "", ErrCorrupt},
		"cut in its lengths":             {[]byte("\x00\x05\x00"), "", ErrCorrupt},
		"lengths that disagree":          {[]byte("\x00\x05\x00\xfb\xff\x48\x65\x6c\x6c\x6f\x00"), "", ErrCorrupt},
		"a block of type 3":              {[]byte("\x06"), "", ErrCorrupt},
		"a distance before the message":  {[]byte("\x02\x03\x00"), "", ErrCorrupt},
		"zlib's header":                  {[]byte("\x78\x9c\xf3\x48\xcd\xc9\xc9\x07\x00\x05\x8c\x01\xf5"), "", ErrCorrupt},
		"the four bytes were not cut":    {[]byte("\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff"), "", ErrCorrupt},
		"a window beyond a stream's end": {append(final(long), compressed(6, []byte(long))[1:]...), "", ErrCorrupt},
	} {
		var f Inflater
		got, err := f.Inflate(nil, test.payload, 10_000)
		if !errors.Is(err, test.err) || string(got) != test.want {
			t.Errorf("%s: %q, %v, want %q, %v", name, got, err, test.want, test.err)
		}
	}
}

// A message may be a head in a stored block and a body that was compressed alone.
func TestPack(t *testing.T) {
	var p Packer
	var f Inflater
	for name, body := range contents() {
		for _, head := range []string{"", "MESSAGE\n\n", strings.Repeat("h", MaxStored)} {
			packed := p.Pack([]byte("before"), body, []byte{0})
			if !bytes.HasPrefix(packed, []byte("before")) {
				t.Fatalf("%s: what was there is gone", name)
			}
			payload := append(AppendStored(nil, len(head)), head...)
			if len(payload) != StoredHeader+len(head) {
				t.Fatalf("%s: the header has %d bytes", name, len(payload)-len(head))
			}
			payload = append(payload, packed[len("before"):]...)
			want := head + string(body) + "\x00"
			if got, err := f.Inflate(nil, payload, 1<<20); err != nil || string(got) != want {
				t.Errorf("%s: %d bytes, %v, want %d", name, len(got), err, len(want))
			}
			if got, err := plain(payload); err != nil || string(got) != want {
				t.Errorf("%s with compress/flate: %d bytes, %v, want %d", name, len(got), err, len(want))
			}
		}
	}
}

func TestNothingIsAllocated(t *testing.T) {
	var p Packer
	var f Inflater
	body := contents()["text"][:2048]
	packed, inflated := p.Pack(nil, body), make([]byte, 0, 4096)
	scratch := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { scratch = p.Pack(scratch[:0], body) }); n > 0 {
		t.Errorf("Pack: %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { inflated, _ = f.Inflate(inflated[:0], packed, 4096) }); n > 0 {
		t.Errorf("Inflate: %v allocations", n)
	}
}

// bitWriter writes DEFLATE by hand.
type bitWriter struct {
	buf []byte
	n   int
}

func (w *bitWriter) put(v uint32, bits int) {
	for i := range bits {
		if w.n%8 == 0 {
			w.buf = append(w.buf, 0)
		}
		w.buf[w.n/8] |= byte(v>>i&1) << (w.n % 8)
		w.n++
	}
}

// hollow is a message of dynamic blocks that contain nothing.
func hollow(blocks int) []byte {
	var w bitWriter
	for range blocks {
		w.put(0, 1)
		w.put(2, 2)
		w.put(0, 5)
		w.put(0, 5)
		w.put(14, 4)
		for _, at := range lengthOrder[:18] { // the code lengths 1 and 18 have one bit each
			if at == 1 || at == 18 {
				w.put(1, 3)
			} else {
				w.put(0, 3)
			}
		}
		w.put(1, 1) // 138 zeros
		w.put(127, 7)
		w.put(1, 1) // 118 more
		w.put(118-11, 7)
		w.put(0, 1) // the end of the block has a code of one bit, and so has one distance
		w.put(0, 1)
		w.put(0, 1) // the end of the block
	}
	w.put(0, 3)
	return w.buf
}

// Each of these blocks costs as much as inflating a kilobyte.
func TestHollowBlocks(t *testing.T) {
	var f Inflater
	if got, err := f.Inflate(nil, hollow(freeBlocks), 100); err != nil || len(got) > 0 {
		t.Errorf("some: %q, %v", got, err)
	}
	if _, err := f.Inflate(nil, hollow(1000), 100); !errors.Is(err, ErrBlocks) {
		t.Errorf("many: %v", err)
	}
}

// Whatever is inflated is what compress/flate makes of it; and no bound is exceeded.
func FuzzInflate(f *testing.F) {
	for _, content := range contents() {
		content = content[:min(len(content), 3000)]
		for _, level := range levels {
			payload := compressed(level, content)
			f.Add(payload)
			f.Add(append(payload, payload...))
			f.Add(payload[:len(payload)/2])
		}
	}
	f.Add([]byte("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"))
	f.Add(hollow(3))
	var inflater Inflater
	f.Fuzz(func(t *testing.T, payload []byte) {
		const most = 1 << 20
		got, err := inflater.Inflate(nil, payload, most)
		if len(got) > most {
			t.Fatalf("%d bytes", len(got))
		}
		want, wrong := plain(payload)
		switch {
		case err != nil && len(got) > 0:
			t.Fatalf("%d bytes with an error", len(got))
		case err == nil && len(payload) > 0 && !bytes.HasPrefix(got, want):
			t.Fatalf("%d bytes, compress/flate: %d bytes, %v", len(got), len(want), wrong)
		case err == nil && wrong == nil && len(got) != len(want):
			// compress/flate ends with the first stream.
			if rest, end := ended(payload); !end || rest == 0 {
				t.Fatalf("%d bytes, compress/flate: %d", len(got), len(want))
			}
		case errors.Is(err, ErrCorrupt) && wrong == nil && !continues(payload):
			t.Fatalf("compress/flate inflates it to %d bytes", len(want))
		}
	})
}

// ended reports whether a DEFLATE stream ends in the payload, and how many bytes are behind it.
func ended(payload []byte) (rest int, end bool) {
	r := bytes.NewReader(payload)
	_, err := io.Copy(io.Discard, flate.NewReader(r))
	return r.Len(), err == nil
}

// continues reports whether the bytes that were cut off are more than the end of an empty block for compress/flate: content,
// or never read.
func continues(payload []byte) bool {
	if _, end := ended(payload); end {
		return true
	}
	_, err := io.Copy(io.Discard, flate.NewReader(io.MultiReader(bytes.NewReader(payload), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xfe\xff"))))
	return err == nil
}
