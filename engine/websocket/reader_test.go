package websocket

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/gobwas/ws"
)

func TestReaderSize(t *testing.T) {
	if size := unsafe.Sizeof(Reader{}); size > 24 {
		t.Errorf("Reader has %d bytes", size)
	}
}

// header builds a frame header with any of the three length forms.
func header(first, form byte, length uint64, masked bool) []byte {
	b := []byte{first, form}
	switch form {
	case 126:
		b = binary.BigEndian.AppendUint16(b, uint16(length))
	case 127:
		b = binary.BigEndian.AppendUint64(b, length)
	}
	if masked {
		b[1] |= 0x80
		b = append(b, 1, 2, 3, 4)
	}
	return b
}

func TestReaderHeaders(t *testing.T) {
	const limit = 1 << 20
	for _, c := range []struct {
		name string
		in   []byte
		code ws.StatusCode // 0: accepted
	}{
		{"short", header(0x82, 125, 0, true), 0},
		{"16 bit", header(0x82, 126, 126, true), 0},
		{"16 bit, not minimal", header(0x82, 126, 125, true), ws.StatusProtocolError},
		{"16 bit, zero", header(0x82, 126, 0, true), ws.StatusProtocolError},
		{"64 bit", header(0x82, 127, 1<<16, true), 0},
		{"64 bit, not minimal", header(0x82, 127, 1<<16-1, true), ws.StatusProtocolError},
		{"64 bit, sign", header(0x82, 127, 1<<63, true), ws.StatusProtocolError},
		{"64 bit, all ones", header(0x82, 127, 1<<64-1, true), ws.StatusProtocolError},
		{"at the limit", header(0x82, 127, limit, true), 0},
		{"above the limit", header(0x82, 127, limit+1, true), ws.StatusMessageTooBig},
		{"far above the limit", header(0x81, 127, 1<<63-1, true), ws.StatusMessageTooBig},
		{"no mask", header(0x82, 5, 0, false), ws.StatusProtocolError},
		{"no mask, ping", header(0x89, 0, 0, false), ws.StatusProtocolError},
		{"ping, 16 bit", header(0x89, 126, 126, true), ws.StatusProtocolError},
		{"ping, 16 bit, not minimal", header(0x89, 126, 10, true), ws.StatusProtocolError},
		{"close, 64 bit", header(0x88, 127, 1<<16, true), ws.StatusProtocolError},
		{"continuation of nothing", header(0x80, 5, 0, true), ws.StatusProtocolError},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, size := range []int{len(c.in), 1} {
				var r Reader
				var err error
				var n int
				for have := size; err == nil && n == 0 && have <= len(c.in); have += size {
					_, n, err = r.Next(bytes.Clone(c.in[:have]), limit)
				}
				switch e, _ := err.(*Error); {
				case c.code == 0 && (err != nil || n != len(c.in)):
					t.Errorf("by %d: n = %d, error %v", size, n, err)
				case c.code != 0 && (e == nil || e.Code != c.code):
					t.Errorf("by %d: n = %d, error %v, want code %d", size, n, err, c.code)
				}
			}
		})
	}
}

// TestReaderEarly shows that the rules which two bytes can break need no third.
func TestReaderEarly(t *testing.T) {
	for _, in := range []string{"\x83\x80", "\x8B\x80", "\xC1\x80", "\x81\x05", "\x09\x80", "\x89\xFE", "\x80\x80", "GE"} {
		var r Reader
		if _, _, err := r.Next([]byte(in), noLimit); err == nil {
			t.Errorf("%x is not refused", in)
		}
	}
}

func TestReaderPieces(t *testing.T) {
	payload := "κόσμε and more of it"
	b := text(payload)
	var r Reader
	if ev, n, err := r.Next(b[:6], 100); ev.Kind != Data || len(ev.Payload) != 0 || ev.Final || n != 6 || err != nil {
		t.Fatalf("header alone: %v, %d, %v", ev, n, err)
	}
	if !r.MidMessage() {
		t.Error("not in a message")
	}
	if _, n, err := r.Next(nil, 100); n != 0 || err != nil {
		t.Errorf("nothing: %d, %v", n, err)
	}
	ev, n, err := r.Next(b[6:9], 100) // a code point and a half
	if string(ev.Payload) != payload[:3] || ev.Op != ws.OpText || ev.Final || n != 3 || err != nil {
		t.Fatalf("first piece: %v, %d, %v", ev, n, err)
	}
	behind := append(b[9:], ping("p")...)
	ev, n, err = r.Next(behind, 0) // the limit concerns headers only
	if string(ev.Payload) != payload[3:] || !ev.Final || err != nil {
		t.Fatalf("second piece: %v, %d, %v", ev, n, err)
	}
	if cap(ev.Payload) != len(ev.Payload) {
		t.Error("appending to Payload would write over what follows")
	}
	if r.MidMessage() {
		t.Error("still in a message")
	}
	if ev, _, _ = r.Next(behind[n:], 0); ev.Kind != Ping || string(ev.Payload) != "p" {
		t.Errorf("ping: %v", ev)
	}
}

// TestReaderLeavesRest shows that bytes which are not consumed are not unmasked either.
func TestReaderLeavesRest(t *testing.T) {
	b := ping("payload")
	for have := range len(b) {
		in := bytes.Clone(b[:have])
		var r Reader
		if _, n, err := r.Next(in, noLimit); n != 0 || err != nil || !bytes.Equal(in, b[:have]) {
			t.Errorf("%d bytes: n = %d, %v, %x", have, n, err, in)
		}
	}
}

// TestReaderFragments checks that continuations tell their message's kind.
func TestReaderFragments(t *testing.T) {
	var r Reader
	for i, first := range []byte{0x02, 0x00, 0x80} {
		ev, _, err := r.Next(frame(first, "\xFF"), noLimit)
		if err != nil || ev.Op != ws.OpBinary || ev.Final != (i == 2) {
			t.Errorf("fragment %d: %v, %v", i, ev, err)
		}
	}
}

func TestAppendFrames(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 127, 65535, 65536, 1 << 20} {
		payload := bytes.Repeat([]byte("é"), size)[:size]
		var want bytes.Buffer
		if err := ws.WriteFrame(&want, ws.NewBinaryFrame(payload)); err != nil {
			t.Fatal(err)
		}
		got := AppendFrame([]byte("before"), ws.OpBinary, payload)
		if string(got) != "before"+want.String() {
			t.Errorf("%d bytes: AppendFrame differs from gobwas", size)
		}
		want.Reset()
		if err := ws.WriteFrame(&want, ws.MaskFrameWith(ws.NewBinaryFrame(payload), testMask)); err != nil {
			t.Fatal(err)
		}
		kept := bytes.Clone(payload)
		got = AppendMasked([]byte("before"), ws.OpBinary, testMask, payload)
		if string(got) != "before"+want.String() {
			t.Errorf("%d bytes: AppendMasked differs from gobwas", size)
		}
		if !bytes.Equal(kept, payload) {
			t.Errorf("%d bytes: AppendMasked changed the payload", size)
		}
	}
}

func TestAppendClose(t *testing.T) {
	for _, c := range []struct {
		code   ws.StatusCode
		reason string
		want   string
	}{
		{1000, "", "close 1000 "},
		{1002, "no", "close 1002 no"},
		{1012, "restart", "close 1012 restart"},
		{1013, "later", "close 1013 later"},
		{0, "not said", "close 1005 "},
		{1005, "not said", "close 1005 "},
		{1006, "not said", "close 1005 "},
		{1008, strings.Repeat("a", 123), "close 1008 " + strings.Repeat("a", 123)},
		{1008, strings.Repeat("a", 124), "close 1008 " + strings.Repeat("a", 123)},
		{1008, strings.Repeat("a", 122) + "é", "close 1008 " + strings.Repeat("a", 122)},
		{1008, strings.Repeat("a", 120) + "😀😀", "close 1008 " + strings.Repeat("a", 120)},
		{1008, strings.Repeat("é", 100), "close 1008 " + strings.Repeat("é", 61)},
	} {
		got, _ := read(t, new(ClientReader), 0, [][]byte{AppendClose(nil, c.code, c.reason)})
		if !slices.Equal(got, []string{c.want}) {
			t.Errorf("%d %q: got %q, want %q", c.code, c.reason, got, c.want)
		}
	}
}

func TestClientReader(t *testing.T) {
	in := concat(
		AppendFrame(nil, ws.OpText, []byte("hello κόσμε")),
		AppendFrame(nil, ws.OpPing, []byte("p")),
		AppendFrame(nil, ws.OpBinary, bytes.Repeat([]byte{0xFF}, 70000)),
		AppendClose(nil, 1001, "bye"),
		AppendFrame(nil, ws.OpText, []byte("not read")),
	)
	before := bytes.Clone(in)
	want := []string{"text hello κόσμε", "ping p", "binary " + abridge(bytes.Repeat([]byte{0xFF}, 70000)), "close 1001 bye"}
	for _, size := range []int{len(in), len(in) / 2, 1000, 1} {
		if got, _ := read(t, new(ClientReader), 1<<20, chop(in, size)); !slices.Equal(got, want) {
			t.Errorf("by %d: got %q", size, got)
		}
	}
	if !bytes.Equal(in, before) {
		t.Error("the input was changed")
	}
	if got, _ := read(t, new(ClientReader), 1<<20, [][]byte{text("masked")}); !slices.Equal(got, []string{"1002"}) {
		t.Errorf("masked: got %q", got)
	}
	if got, _ := read(t, new(ClientReader), 10, [][]byte{AppendFrame(nil, ws.OpText, make([]byte, 11))}); !slices.Equal(got, []string{"1009"}) {
		t.Errorf("too big: got %q", got)
	}
}
