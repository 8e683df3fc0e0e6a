package shard

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gobwas/ws"

	"stentor/engine/bus"
	"stentor/engine/deflate"
	"stentor/engine/session"
	"stentor/engine/websocket"
	"stentor/stomp"
)

// newPackers is a rig whose pushes are compressed.
func newPackers(t *testing.T) *readers {
	r := newReaders(t, true)
	r.packer = new(deflate.Packer)
	return r
}

// price is a body that compresses well.
func price(n int) []byte { return bytes.Repeat([]byte(`{"symbol":"ACME","price":1}`), n/27+1)[:n] }

// A client with compression gets the messages that a plain one gets, however large, in fewer bytes.
func TestPackedDeliveries(t *testing.T) {
	for _, size := range []int{0, 100, 3_000, 17_000, 70_000, 300_000, 1 << 20} {
		r := newPackers(t)
		plain := r.reader("ann")
		r.form = session.Deflated
		same, other := r.reader("ben"), r.reader("ida")
		other.subscribe("/topic/*", "a\\b:c\"d")
		plain.kept, same.kept, other.kept = nil, nil, nil
		for i := range 3 {
			r.hand(r.entry(bus.Record{Destination: "/topic/a", Body: price(size), Headers: []bus.Header{{Name: "n:\r", Value: fmt.Sprint("\\\t\"", i)}}}, 0))
		}
		for range 100 {
			r.tick()
		}
		want, part := messages(t, session.Plain, plain.kept)
		if len(want) != 3 || part > 0 {
			t.Fatalf("%d messages and %d bytes", len(want), part)
		}
		got, part := messages(t, session.Deflated, same.kept)
		if fmt.Sprint(got) != fmt.Sprint(want) || part > 0 {
			t.Errorf("%d bytes: %.300q and %d bytes, want %.300q", size, got, part, want)
		}
		if len(same.kept) > len(plain.kept)*2/3 && size > 1000 {
			t.Errorf("%d bytes: %d bytes compressed, %d plain", size, len(same.kept), len(plain.kept))
		}
		if got, part = messages(t, session.Deflated, other.kept); len(got) != 6 || part > 0 {
			t.Errorf("%d bytes: %d messages and %d bytes for two subscriptions", size, len(got), part)
		}
		if saved, want := int(r.s.stats.Saved.Load()), plainBytes(t, same)+plainBytes(t, other)-len(same.kept)-len(other.kept); size > 1000 && max(saved-want, want-saved) > 60 { // frames have headers
			t.Errorf("%d bytes: %d are counted as saved, want %d", size, saved, want)
		}
		if n := r.s.stats.Transfers.Load(); n != 0 {
			t.Errorf("%d transfers are left", n)
		}
	}
}

// plainBytes is how much k would have read without compression.
func plainBytes(t *testing.T, k *reader) (n int) {
	got, _ := messages(t, session.Deflated, k.kept)
	for _, m := range got {
		n += len(websocket.AppendFrame(nil, ws.OpText, []byte(m)))
	}
	return n
}

// A push that was not compressed goes out plain, and so does one whose head does not fit into a stored block; a client
// without compression gets nothing else.
func TestPackedOrPlain(t *testing.T) {
	r := newPackers(t)
	plain := r.reader("ann")
	r.form = session.Deflated
	k := r.reader("ben")
	bits := func(k *reader) (all []byte) {
		var reader websocket.ClientReader
		reader.Unpack()
		for in := bytes.Clone(k.kept); len(in) > 0; {
			ev, n, err := reader.Next(in, math.MaxInt64)
			if err != nil || n == 0 {
				t.Fatalf("%d, %v", n, err)
			}
			if in = in[n:]; ev.Final {
				all = append(all, map[bool]byte{true: 'p', false: '-'}[ev.Packed])
			}
		}
		return all
	}
	plain.kept, k.kept = nil, nil
	r.push("/topic/a", 2000)
	packer := r.packer
	r.packer = nil
	r.push("/topic/a", 2000)
	r.packer = packer
	r.hand(r.entry(bus.Record{Destination: "/topic/a", Headers: []bus.Header{{Name: "x", Value: strings.Repeat("x", deflate.MaxStored)}}}, 2000))
	r.push("/topic/a", 2000)
	r.run()
	for range 20 {
		r.tick()
	}
	if got := string(bits(k)); got != "p--p" {
		t.Errorf("with compression: %s", got)
	}
	if got := string(bits(plain)); got != "----" {
		t.Errorf("without: %s", got)
	}
	if got, _ := messages(t, session.Deflated, k.kept); fmt.Sprint(got) != fmt.Sprint(first(messages(t, session.Plain, plain.kept))) {
		t.Errorf("%.100q", got)
	}
}

func first(all []string, _ int) []string { return all }

// A large push arrives whole however little of it the socket takes at once.
func TestPackedTransferInPieces(t *testing.T) {
	r := newRig(t)
	r.packer = new(deflate.Packer)
	body := bytes.Repeat(rich(300), 200)
	e := r.entry(bus.Record{Destination: "/topic/a", Body: body, Headers: []bus.Header{{Name: "n:\r", Value: "\\\""}}}, 0)
	for _, version := range []stomp.Version{stomp.V10, stomp.V11, stomp.V12} {
		for _, each := range []int{1, 2, 13, 1021, writeBytes, math.MaxInt} {
			x := &transfer{entry: e, version: version, form: session.Deflated, lines: []byte("subscription:ü\n")}
			if !x.beginPacked() {
				t.Fatal("there is no compressed form")
			}
			var out []byte
			for x.left() > 0 {
				p, end := x.next(make([]byte, 0, writeBytes))
				n := min(each, len(p))
				out = append(out, p[:n]...)
				x.move(n, len(p), end)
				x.reads = x.sent > writeBytes/2
			}
			got, part := messages(t, session.Deflated, out)
			if want := string(e.Message.AppendTo(nil, version, x.lines)); len(got) != 1 || part > 0 || got[0] != want {
				t.Fatalf("version %d, by %d: %d messages and %d bytes", version, each, len(got), part)
			}
		}
	}
}

// Clients of both forms side by side cost no more than each by itself: what is built for one is not lost by the other.
func TestFormsSideBySide(t *testing.T) {
	r := newPackers(t)
	const clients = 10
	for i := range 2 * clients {
		r.form = []session.Form{session.Plain, session.Deflated}[i%2]
		r.reader(fmt.Sprint(i))
	}
	e := r.entry(bus.Record{Destination: "/topic/a"}, 2000)
	built := map[*byte]int{}
	for k := range r.all {
		k.onWrite = func(p []byte) error { built[&p[0]]++; return nil }
	}
	r.hand(e)
	r.run()
	if len(built) != 2 {
		t.Errorf("%v", built)
	}
	for _, f := range []session.Form{session.Plain, session.Deflated} {
		if n := r.s.frames[f].messages; n != 1 {
			t.Errorf("form %d: %d messages in the scratch", f, n)
		}
	}
}

// The publisher compresses while there is a session that wants it.
func TestPackingSessionsAreCounted(t *testing.T) {
	var n atomic.Int64
	r := newRig(t, func(s *Settings) { s.Packing = &n })
	plain := r.connect("ann")
	r.form = session.Deflated
	first, second := r.connect("ben"), r.connect("ida")
	if n.Load() != 2 {
		t.Errorf("%d of two", n.Load())
	}
	first.send(stomp.Disconnect)
	r.close(second)
	r.close(plain)
	if n.Load() != 0 {
		t.Errorf("%d of none", n.Load())
	}
	if agreed, not := r.s.stats.Compression[websocket.CompressionAgreed].Load(), r.s.stats.Compression[websocket.CompressionOff].Load(); agreed != 2 || not != 1 {
		t.Errorf("%d agreed, %d off", agreed, not)
	}
}

// What a message inflates to counts against the client's rate, so that a little traffic cannot cost much.
func TestInflatingCounts(t *testing.T) {
	r := newRig(t)
	r.s.conf.Limits.FramesPerSecond = 100
	r.form = session.Deflated
	k := r.connect("ann")
	frame := "SEND\ndestination:/topic/a\n\n" + strings.Repeat("b", 40<<10) + "\x00"
	message := websocket.AppendMasked(nil, ws.OpText|0x40, [4]byte{1, 2, 3, 4}, new(deflate.Packer).Pack(nil, []byte(frame)))
	sent := 0
	for ; k.conn.sess.Phase == session.Connected && sent < 1000; sent++ {
		r.s.Input(k.conn, bytes.Clone(message))
	}
	if sent < 15 || sent > 25 {
		t.Errorf("closed after %d messages of 10 units, of 200", sent)
	}
	if in, out := r.s.stats.UnpackedBytes.Load(), r.s.stats.InflatedBytes.Load(); out < uint64(sent)*40<<10 || in > out/50 || r.s.stats.Unpacked.Load() != uint64(sent) {
		t.Errorf("%d bytes were inflated to %d", in, out)
	}
}

// Blocks that contain nothing take time as well.
func TestHollowBlocksCount(t *testing.T) {
	r := newRig(t)
	r.s.conf.Limits.FramesPerSecond = 100
	r.form = session.Deflated
	k := r.connect("ann")
	const hollow = "\x04\xc0\x81\x00\x00\x00\x00\x00\x90\xffk\x00\x00\x00\xff\xff" // a block with codes of its own, and one to end it at a byte
	message := websocket.AppendMasked(nil, ws.OpText|0x40, [4]byte{1, 2, 3, 4}, []byte(strings.Repeat(hollow, 32)+"\x00"))
	sent := 0
	for ; k.conn.sess.Phase == session.Connected && sent < 1000; sent++ {
		r.s.Input(k.conn, bytes.Clone(message))
	}
	if sent < 20 || sent > 25 {
		t.Errorf("closed after %d messages of 9 units, of 200", sent)
	}
}

// However much a client's input inflates to, a turn inflates little of it: the others have their turns in between.
func TestInflatingTakesTurns(t *testing.T) {
	r := newRig(t)
	r.form = session.Deflated
	k := r.connect("ann")
	frame := "SEND\ndestination:/topic/a\n\n" + strings.Repeat("b", 40<<10) + "\x00"
	message := websocket.AppendMasked(nil, ws.OpText|0x40, [4]byte{1, 2, 3, 4}, new(deflate.Packer).Pack(nil, []byte(frame)))
	const messages = 50
	r.s.Input(k.conn, bytes.Repeat(message, messages))
	turns, before := 1, uint64(0)
	for ; turns < 1000; turns++ {
		now := r.s.stats.InflatedBytes.Load()
		if now-before > 150<<10 {
			t.Fatalf("a turn inflated %d bytes", now-before)
		}
		if now == before {
			break
		}
		before = now
		r.s.Run()
	}
	if len(r.published) != messages || turns < messages/3 || k.conn.sess.Buffered() > 0 {
		t.Errorf("%d of %d messages in %d turns, %d bytes are left", len(r.published), messages, turns, k.conn.sess.Buffered())
	}
	// What waits is bounded like all input that waits.
	r.s.Input(k.conn, bytes.Repeat(message, (400<<10)/len(message)))
	if k.conn.sess.Phase != session.Closing {
		t.Errorf("%d bytes wait", k.conn.sess.Buffered())
	}
}
