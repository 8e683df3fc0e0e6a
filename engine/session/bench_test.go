package session

import (
	"testing"

	"github.com/gobwas/ws"

	"stentor/engine/websocket"
)

// BenchmarkTurn is what a turn costs: the bytes of one WebSocket message in, its event out, its answer framed.
func BenchmarkTurn(b *testing.B) {
	const send = "SEND\ndestination:/topic/chat/lobby\ncontent-type:application/json\ncontent-length:27\n\n{\"text\":\"good morning all\"}\x00"
	for _, c := range []struct{ name, frame string }{
		{"heart-beat", "\n"},
		{"SEND", send},
		{"SEND with receipt", "SEND\nreceipt:77" + send[4:]},
		{"ACK", "ACK\nid:e-0-4711.sub-0\n\n\x00"},
		{"SUBSCRIBE", "SUBSCRIBE\nid:sub-0\ndestination:/topic/shop/shanghai\nack:auto\n\n\x00"},
	} {
		b.Run(c.name, func(b *testing.B) {
			m := NewMachine(testConfig, nil, nil)
			s := Session{Phase: Connected, Version: 2}
			message := websocket.AppendMasked(nil, ws.OpText, [4]byte{1, 2, 3, 4}, []byte(c.frame))
			in := make([]byte, len(message))
			b.ReportAllocs()
			for b.Loop() {
				copy(in, message)
				m.Begin(&s, in)
				for {
					ev := m.Next(&s)
					if ev.Kind == More {
						break
					}
					if ev.HasReceipt {
						m.Receipt(&s, ev.Receipt, "")
					}
				}
				m.End(&s)
				m.Out = m.Out[:0]
			}
		})
	}
}
