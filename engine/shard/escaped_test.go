package shard

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"stentor/engine/bus"
	"stentor/engine/deflate"
	"stentor/engine/session"
	"stentor/engine/websocket"
	"stentor/stomp"
)

// messages are those in what a client has read since, in frames of SockJS, compressed or without; what is in none it returns as part.
func messages(t *testing.T, form session.Form, in []byte) (all []string, part int) {
	t.Helper()
	unwrap := func(frame []byte) {
		if !form.Escaped() {
			all = append(all, string(frame))
			return
		}
		var one []string
		if frame[0] != 'a' || json.Unmarshal(frame[1:], &one) != nil || len(one) != 1 {
			t.Fatalf("no message: %.100q", frame)
		}
		all = append(all, one[0])
	}
	in = bytes.Clone(in)
	if form == session.SockJSHTTP {
		for {
			line, rest, whole := bytes.Cut(in, []byte("\n"))
			if !whole {
				return all, len(line)
			}
			unwrap(line)
			in = rest
		}
	}
	var r websocket.ClientReader
	if form == session.Deflated {
		r.Unpack()
	}
	var message []byte
	for len(in) > 0 {
		ev, n, err := r.Next(in, math.MaxInt64)
		if err != nil || n == 0 && len(in) > 10 {
			t.Fatalf("%d, %v", n, err)
		}
		if n == 0 {
			return all, len(in)
		}
		if message = append(message, ev.Payload...); ev.Final {
			if ev.Packed {
				if message, err = new(deflate.Inflater).Inflate(nil, message, 1<<24); err != nil {
					t.Fatal(err)
				}
			}
			unwrap(message)
			message = nil
		}
		in = in[n:]
	}
	return all, len(message)
}

var escapedForms = []session.Form{session.SockJS, session.SockJSHTTP}

// rich has what SockJS escapes, and what it does not.
func rich(n int) []byte {
	return bytes.Repeat([]byte("{\"a\":\"ü\\\u2028\x00😀\n\"}"), n/20+1)
}

// A client of SockJS gets the messages that a plain one gets, however large.
func TestEscapedDeliveries(t *testing.T) {
	for _, form := range escapedForms {
		for _, size := range []int{0, 20, 100, 9_000, 12_000, 17_000, 70_000, 300_000} {
			r := newReaders(t, true)
			plain := r.reader("ann")
			r.form = form
			same, other := r.reader("ben"), r.reader("ida")
			other.subscribe("/topic/*", "a\\b:c\"d")
			plain.kept, same.kept, other.kept = nil, nil, nil
			for i := range 3 {
				e := r.entry(bus.Record{Destination: "/topic/a", Body: rich(size), Headers: []bus.Header{{Name: "n:\r", Value: fmt.Sprint("\\\t\"", i)}}}, 0)
				r.hand(e)
			}
			for range 40 {
				r.tick()
			}
			want, part := messages(t, session.Plain, plain.kept)
			if len(want) != 3 || part > 0 {
				t.Fatalf("%d messages and %d bytes", len(want), part)
			}
			got, part := messages(t, form, same.kept)
			if fmt.Sprint(got) != fmt.Sprint(want) || part > 0 {
				t.Errorf("form %d, %d bytes: %.300q and %d bytes, want %.300q", form, size, got, part, want)
			}
			if got, part = messages(t, form, other.kept); len(got) != 6 || part > 0 {
				t.Errorf("form %d, %d bytes: %d messages and %d bytes for two subscriptions", form, size, len(got), part)
			}
			if n := r.s.stats.Transfers.Load(); n != 0 {
				t.Errorf("%d transfers are left", n)
			}
			p := r.s.projects[rigProject]
			for k := range r.all {
				r.close(k)
			}
			if p.escaping != 0 {
				t.Errorf("%d sessions are still counted", p.escaping)
			}
		}
	}
}

// A large push arrives whole however little of it the socket takes at once: no escape is lost or repeated where a piece was
// cut.
func TestEscapedTransferInPieces(t *testing.T) {
	r := newRig(t)
	body := rich(writeBytes)
	e := r.entry(bus.Record{Destination: "/topic/a", Body: body, Headers: []bus.Header{{Name: "n:\r", Value: "\\\""}}}, 0)
	buf := make([]byte, 0, writeBytes+pieceSlack)
	for _, form := range escapedForms {
		for _, version := range []stomp.Version{stomp.V10, stomp.V11, stomp.V12} {
			for _, each := range []int{1, 2, 3, 5, 7, 11, 13, 1021, writeBytes - 1, writeBytes, math.MaxInt} {
				x := &transfer{entry: e, version: version, form: form, lines: []byte("subscription:\"ü\"\n")}
				x.beginEscaped()
				var out []byte
				for x.left() > 0 {
					p, end := x.next(buf)
					if len(p) == 0 || len(p) > cap(buf) {
						t.Fatalf("a piece of %d bytes", len(p))
					}
					n := min(each, len(p))
					if x.sent > 300 && x.left() > 300 {
						n = min(max(each, 4093), len(p), x.left()-300)
					}
					out = append(out, p[:n]...)
					x.move(n, len(p), end)
				}
				got, part := messages(t, form, out)
				if want := string(e.Message.AppendTo(nil, version, x.lines)); len(got) != 1 || part > 0 || got[0] != want {
					t.Fatalf("form %d, version %d, by %d: %d messages and %d bytes", form, version, each, len(got), part)
				}
			}
		}
	}
}

// Whatever a push is made of, no write to a client of SockJS has much more than one may have.
func TestEscapesStayWithinAWrite(t *testing.T) {
	for _, form := range escapedForms {
		r := newReaders(t, true)
		plain := r.reader("ann")
		r.form = form
		k := r.reader("ben")
		largest := 0
		k.onWrite = func(p []byte) error { largest = max(largest, len(p)); return nil }
		plain.writes = 0
		for range 40 {
			r.hand(r.entry(bus.Record{Destination: "/topic/a"}, 3000)) // NULs: 18,000 bytes
		}
		r.run()
		if largest > writeBytes || k.most > writeBytes+pieceSlack {
			t.Errorf("form %d: a write of %d bytes, a piece of %d", form, largest, k.most)
		}
		// One that is behind gets no more at once.
		k.buffered = 1
		for range 40 {
			r.hand(r.entry(bus.Record{Destination: "/topic/a"}, 1000)) // 6,000
		}
		r.run()
		k.buffered = 0
		for range 100 {
			r.tick()
		}
		if largest > writeBytes || k.most > writeBytes+pieceSlack {
			t.Errorf("form %d, behind: a write of %d bytes, a piece of %d", form, largest, k.most)
		}
		if got, part := messages(t, form, k.kept); len(got) != 80 || part > 0 {
			t.Errorf("%d messages", len(got))
		}
	}
}

// SockJS carries text only. Other pushes are left out and counted, and what follows arrives.
func TestEscapedSkipsWhatIsNotText(t *testing.T) {
	for _, form := range escapedForms {
		r := newReaders(t, true)
		r.form = form
		k := r.reader("ann")
		k.subscribe("/user/queue/x", "sub-1")
		k.kept = nil
		for _, size := range []int{10, 20_000} {
			r.hand(r.entry(bus.Record{Destination: "/topic/a", Body: bytes.Repeat([]byte{0xFF}, size)}, 0))
			r.hand(r.entry(bus.Record{Destination: "/topic/a", Body: []byte("ok")}, 0))
			r.hand(r.entry(bus.Record{Destination: "/queue/x", User: "ann", Body: bytes.Repeat([]byte{0xFF}, size)}, 0))
			r.hand(r.entry(bus.Record{Destination: "/queue/x", User: "ann", Body: []byte("ok")}, 0))
			r.run()
		}
		got, part := messages(t, form, k.kept)
		if n := r.s.stats.Unsendable.Load(); len(got) != 4 || part > 0 || n != 4 {
			t.Errorf("form %d: %d messages and %d bytes, %d skipped", form, len(got), part, n)
		}
	}
}

// Clients of both kinds side by side find their frames made.
func TestEscapedRoundAllocates(t *testing.T) {
	r := newRig(t)
	for i := range 300 {
		r.form = []session.Form{session.Plain, session.SockJS, session.SockJSHTTP}[i%3]
		r.connect(fmt.Sprint("user", i)).subscribe("/topic/a", "sub-0")
	}
	e := r.push("/topic/a", 200)
	perDelivery(t, r, 300, func() { r.again(e) })
}

func TestEscapedHeartbeats(t *testing.T) {
	for form, want := range map[session.Form]string{session.SockJS: "\x81\x07a[\"\\n\"]", session.SockJSHTTP: "a[\"\\n\"]\n"} {
		r := newRig(t)
		r.form = form
		k := r.connect("ann", "heart-beat", "0,1000")
		k.keep = true
		for range 600 {
			r.tick()
		}
		if n := strings.Count(string(k.kept), want); n == 0 || n*len(want) != len(k.kept) {
			t.Errorf("form %d: %.200q", form, k.kept)
		}
	}
}

// An answer of an HTTP transport is never silent for long, and nobody answers what keeps it so.
func TestSockJSHeartbeatOverHTTP(t *testing.T) {
	r := newRig(t)
	r.s.conf.Limits.Heartbeat = 25e9
	r.form = session.SockJSHTTP
	k := r.connect("ann", "heart-beat", "0,0")
	k.keep = true
	for range 50 * 110 {
		r.tick()
	}
	if string(k.kept) != "h\nh\nh\nh\n" || k.conn.state != stateOpen {
		t.Errorf("%q, state %d", k.kept, k.conn.state)
	}
}

// What a large push of many escapes costs for each client, when they are measured once.
func BenchmarkEscapedLen(b *testing.B) {
	r := newRig(b)
	e := r.entry(bus.Record{Destination: "/topic/a", Body: rich(1 << 20)}, 0)
	lines := []byte("subscription:sub-0\n")
	b.ReportAllocs()
	for b.Loop() {
		e.EscapedLen(stomp.V12, lines)
	}
}

func benchForms(b *testing.B, id func(int) string, forms ...session.Form) {
	r := newRig(b)
	for i := range benchClients {
		r.form = forms[i%len(forms)]
		r.connect(fmt.Sprint("user", i)).subscribe("/topic/a", id(i))
	}
	var body []byte
	for i := 0; len(body) < 200; i++ {
		body = fmt.Appendf(body, `{"symbol":"ACME%d","price":%d.25},`, i, i)
	}
	e := r.entry(bus.Record{Destination: "/topic/a", Body: body}, 0)
	r.hand(e)
	r.run()
	b.ReportAllocs()
	for b.Loop() {
		e.Need()
		r.hand(e)
		r.run()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*benchClients), "ns/delivery")
}

// BenchmarkForms is a broadcast to clients of each form, and to some of all.
func BenchmarkForms(b *testing.B) {
	ids := func(i int) string { return fmt.Sprint("sub-", i) }
	b.Run("plain", func(b *testing.B) { benchForms(b, sameID, session.Plain) })
	b.Run("sockjs", func(b *testing.B) { benchForms(b, sameID, session.SockJS) })
	b.Run("both", func(b *testing.B) { benchForms(b, sameID, session.Plain, session.SockJS) })
	b.Run("plain-ids", func(b *testing.B) { benchForms(b, ids, session.Plain) })
	b.Run("sockjs-ids", func(b *testing.B) { benchForms(b, ids, session.SockJS) })
}
