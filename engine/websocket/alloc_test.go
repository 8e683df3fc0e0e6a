package websocket

import (
	"bytes"
	"testing"

	"github.com/gobwas/ws"
)

func TestAllocations(t *testing.T) {
	frames := concat(
		text("a text message with a κόσμε in it"), frame(0x01, "first"), ping("ping"), frame(0x80, "last"),
		frame(0x82, string(make([]byte, 70000))), frame(0x8A, ""),
	)
	closed := append(bytes.Clone(frames), closing(1001, "going away")...)
	work := make([]byte, len(closed))
	reading := func(b []byte, chunk int) func() {
		return func() {
			in := work[:copy(work, b)]
			var r Reader
			for start, end := 0, 0; start < len(in); {
				end = min(end+chunk, len(in))
				for {
					_, n, err := r.Next(in[start:end], noLimit)
					if err != nil {
						t.Fatal(err)
					}
					if start += n; n == 0 || start == end {
						break
					}
				}
			}
		}
	}
	server := concat(AppendFrame(nil, ws.OpText, []byte("hello")), AppendFrame(nil, ws.OpPing, nil))
	h := Handshaker{Protocols: stompProtocols, Check: func(*Request) *Refusal { return nil }}
	_, _, answer, _ := h.Next(browserRequest, 0, nil)
	compressing := Handshaker{Check: func(r *Request) *Refusal { r.Compress = CompressUnlessWebKit; return nil }}
	refused := bytes.Replace(browserRequest, []byte("websocket"), []byte("h2c"), 1)
	out := make([]byte, 0, 1<<10)
	payload := make([]byte, 200)
	origins, _ := ParseOrigins([]string{"https://shop.example.com", "https://*.example.com"})
	var same Origins

	for _, c := range []struct {
		name string
		most float64
		f    func()
	}{
		{"Reader.Next", 0, reading(closed, len(closed))},
		{"Reader.Next, small chunks", 0, reading(closed, 7)},
		{"ClientReader.Next", 0, func() {
			var r ClientReader
			for b := server; len(b) > 0; {
				_, n, _ := r.Next(b, noLimit)
				b = b[n:]
			}
		}},
		{"Handshaker.Next, accepted", 0, func() { _, _, out, _ = h.Next(browserRequest, 0, out[:0]) }},
		{"Handshaker.Next, compression", 0, func() { _, _, out, _ = compressing.Next(browserRequest, 0, out[:0]) }},
		{"Handshaker.Next, incomplete", 0, func() { _, _, out, _ = h.Next(browserRequest[:500], 499, out[:0]) }},
		{"Handshaker.Next, refused", 0, func() { _, _, out, _ = h.Next(refused, 0, out[:0]) }},
		{"AppendFrame", 0, func() { out = AppendFrame(out[:0], ws.OpText, payload) }},
		{"AppendClose", 0, func() { out = AppendClose(out[:0], 1012, "restart") }},
		{"AppendMasked", 0, func() { out = AppendMasked(out[:0], ws.OpText, testMask, payload) }},
		{"AppendRequest", 0, func() {
			out = AppendRequest(out[:0], "localhost", "/ws", sampleKey, "Sec-WebSocket-Protocol: v12.stomp")
		}},
		{"ParseAnswer", 0, func() {
			if n, _, err := ParseAnswer(answer, sampleKey); n == 0 || err != nil {
				t.Fatal(err)
			}
		}},
		{"Origins.Allows", 0, func() {
			origins.Allows("https://a.example.com", "push.example.com", true, &own)
			same.Allows("https://push.example.com", "push.example.com", true, &own)
		}},
	} {
		if got := testing.AllocsPerRun(100, c.f); got > c.most {
			t.Errorf("%s: %v allocations, at most %v are allowed", c.name, got, c.most)
		}
	}
}
