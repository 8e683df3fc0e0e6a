package websocket

import (
	"bytes"
	"io"
	"testing"

	"github.com/gobwas/ws"
)

// browserRequest is what a current browser sends through a proxy.
var browserRequest = AppendRequest(nil, "push.example.com", "/ws?projectId=shop&token=eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln", "dGhlIHNhbXBsZSBub25jZQ==",
	"Pragma: no-cache",
	"Cache-Control: no-cache",
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
	"Origin: https://shop.example.com",
	"Accept-Encoding: gzip, deflate, br, zstd",
	"Accept-Language: en-GB,en;q=0.9,de;q=0.8",
	"Cookie: session=0123456789abcdef0123456789abcdef; theme=dark",
	"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
	"Sec-WebSocket-Protocol: v12.stomp, v11.stomp, v10.stomp",
	"X-Forwarded-For: 203.0.113.7",
	"X-Forwarded-Proto: https",
)

var stompProtocols = []string{"v10.stomp", "v11.stomp", "v12.stomp"}

func BenchmarkHandshake(b *testing.B) {
	for name, request := range map[string][]byte{
		"browser": browserRequest,
		"minimal": AppendRequest(nil, "localhost", "/ws", "dGhlIHNhbXBsZSBub25jZQ=="),
	} {
		b.Run(name, func(b *testing.B) {
			h := Handshaker{Protocols: stompProtocols, Check: func(*Request) *Refusal { return nil }}
			var out []byte
			b.ReportAllocs()
			for b.Loop() {
				var n int
				if n, _, out, _ = h.Next(request, 0, out[:0]); n == 0 {
					b.Fatal("not accepted")
				}
			}
		})
	}
}

// BenchmarkHandshakeGobwas is the yardstick for BenchmarkHandshake: gobwas.Upgrader over the same bytes, with the
// callbacks that would be needed to see what Check sees.
func BenchmarkHandshakeGobwas(b *testing.B) {
	var rw struct {
		bytes.Reader
		out bytes.Buffer
	}
	conn := struct {
		io.Reader
		io.Writer
	}{&rw.Reader, &rw.out}
	var seen int
	u := ws.Upgrader{
		Protocol: func(p []byte) bool {
			for _, q := range stompProtocols {
				if string(p) == q {
					return true
				}
			}
			return false
		},
		OnRequest: func(uri []byte) error { seen += len(uri); return nil },
		OnHost:    func(host []byte) error { seen += len(host); return nil },
		OnHeader: func(key, value []byte) error {
			switch string(key) {
			case "Origin", "Authorization", "Cookie", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host":
				seen += len(value)
			}
			return nil
		},
		OnBeforeUpgrade: func() (ws.HandshakeHeader, error) { return nil, nil },
	}
	b.ReportAllocs()
	for b.Loop() {
		if !bytes.Contains(browserRequest, []byte("\r\n\r\n")) {
			b.Fatal("no end")
		}
		rw.Reader.Reset(browserRequest)
		rw.out.Reset()
		if _, err := u.Upgrade(conn); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRefusal(b *testing.B) {
	request := bytes.Replace(browserRequest, []byte("Upgrade: websocket"), []byte("Upgrade: h2c"), 1)
	h := Handshaker{}
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		_, _, out, _ = h.Next(request, 0, out[:0])
	}
}

func BenchmarkReader(b *testing.B) {
	ascii := bytes.Repeat([]byte("0123456789abcdef"), 1<<12)
	greek := bytes.Repeat([]byte("κόσμε κόσμε "), 1<<12)
	for _, c := range []struct {
		name    string
		op      ws.OpCode
		payload []byte
	}{
		{"heartbeat", ws.OpText, []byte("\n")},
		{"text-100", ws.OpText, ascii[:100]},
		{"text-16k", ws.OpText, ascii[:16<<10]},
		{"greek-16k", ws.OpText, greek[:22*744]},
		{"binary-16k", ws.OpBinary, ascii[:16<<10]},
		{"ping", ws.OpPing, nil},
	} {
		b.Run(c.name, func(b *testing.B) {
			in := AppendMasked(nil, c.op, testMask, c.payload)
			work := make([]byte, len(in))
			var r Reader
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				copy(work, in)
				if _, n, err := r.Next(work, noLimit); n != len(in) || err != nil {
					b.Fatal(n, err)
				}
			}
		})
	}
}

func BenchmarkClientReader(b *testing.B) {
	in := AppendFrame(nil, ws.OpText, bytes.Repeat([]byte{'x'}, 200))
	var r ClientReader
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if _, n, err := r.Next(in, noLimit); n != len(in) || err != nil {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkAppendMasked(b *testing.B) {
	payload := bytes.Repeat([]byte{'x'}, 200)
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		out = AppendMasked(out[:0], ws.OpText, testMask, payload)
	}
}

func BenchmarkParseAnswer(b *testing.B) {
	h := Handshaker{Protocols: stompProtocols}
	_, _, answer, _ := h.Next(browserRequest, 0, nil)
	b.ReportAllocs()
	for b.Loop() {
		if n, _, err := ParseAnswer(answer, "dGhlIHNhbXBsZSBub25jZQ=="); n == 0 || err != nil {
			b.Fatal(err)
		}
	}
}
