package stomp

import (
	"strings"
	"testing"
)

func BenchmarkDecode(b *testing.B) {
	for _, bench := range []struct{ name, input string }{
		{"heart-beat", "\n"},
		{"connect", connectFrame},
		{"send", sendFrame},
		{"subscribe", subscribeFrame},
		{"escaped", escapedFrame},
		{"crlf", crlfFrame},
		{"send-16k", "SEND\ndestination:/topic/a\n\n" + strings.Repeat("x", 16<<10) + "\x00"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			var (
				d     Decoder
				f     Frame
				p     Progress
				input = []byte(bench.input)
			)
			b.SetBytes(int64(len(input)))
			b.ReportAllocs()
			for b.Loop() {
				if n, err := d.Decode(input, V12, &plainLimits, &p, &f); n != len(input) || err != nil {
					b.Fatal(n, err)
				}
			}
		})
	}
}

// BenchmarkDecodeByByte costs the same per byte whatever the size: Progress makes it linear.
func BenchmarkDecodeByByte(b *testing.B) {
	for _, bench := range []struct{ name, input string }{
		{"body-1k", "SEND\n\n" + strings.Repeat("x", 1<<10) + "\x00"},
		{"body-64k", "SEND\n\n" + strings.Repeat("x", 1<<16) + "\x00"},
		{"line-1k", "SEND\na:" + strings.Repeat("x", 1<<10) + "\n\n\x00"},
		{"line-64k", "SEND\na:" + strings.Repeat("x", 1<<16) + "\n\n\x00"},
		{"lines-1k", "SEND\n" + strings.Repeat("abc:def\n", 1<<7) + "\n\x00"},
		{"lines-64k", "SEND\n" + strings.Repeat("abc:def\n", 1<<13) + "\n\x00"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			var (
				d     Decoder
				f     Frame
				p     Progress
				lim   Limits
				input = []byte(bench.input)
			)
			b.SetBytes(int64(len(input)))
			for b.Loop() {
				for n := 1; n <= len(input); n++ {
					if _, err := d.Decode(input[:n], V12, &lim, &p, &f); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

func BenchmarkMessageAppendTo(b *testing.B) {
	for _, bench := range []struct {
		name    string
		headers []HeaderField
	}{
		{"plain", []HeaderField{{"kind", "order"}}},
		{"escaped", []HeaderField{{"url", "http://example.com"}}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			m := NewMessage("/topic/shop/all", "0-0-1", "application/json", bench.headers, make([]byte, 200))
			dst := make([]byte, 0, 1024)
			lines := []byte("subscription:sub-0\n")
			b.ReportAllocs()
			for b.Loop() {
				m.AppendTo(dst, V12, lines)
			}
		})
	}
}

func BenchmarkNewMessage(b *testing.B) {
	body := []byte(strings.Repeat("x", 200))
	headers := []HeaderField{{"kind", "order"}, {"time", "1700000000000"}}
	b.ReportAllocs()
	for b.Loop() {
		NewMessage("/topic/shop/all", "0-0-1", "application/json", headers, body)
	}
}

func BenchmarkAppendReceipt(b *testing.B) {
	dst := make([]byte, 0, 256)
	id := []byte("message-12345")
	b.ReportAllocs()
	for b.Loop() {
		reply := AppendCommand(dst, Receipt)
		reply = AppendHeader(reply, V12, "receipt-id", id)
		AppendBody(reply, nil)
	}
}
