package session

import (
	"github.com/gobwas/ws"

	"stentor/engine/refusal"
	"stentor/engine/sockjs"
)

// unwrap turns the piece of a message of SockJS, an array of strings in JSON, into the STOMP bytes in it. Where a string
// ends, and where a message does, means nothing to STOMP.
func (m *Machine) unwrap(s *Session) *Failure {
	if m.Piece.Op != ws.OpText {
		return notText
	}
	var d sockjs.Decoder
	if s.partial != nil {
		d = s.partial.array
	}
	dst, apart := m.Piece.Payload[:0], d.Pending()
	if apart {
		dst = m.array[:0]
	}
	data, err := d.Append(dst, m.Piece.Payload)
	if apart {
		m.array = data
	}
	if err == nil && m.Piece.Final {
		err = d.End()
	}
	if err != nil {
		return notArray
	}
	if s.partial != nil || !d.Idle() {
		s.part().array = d
	}
	m.Piece.Payload = data
	return nil
}

var (
	notText  = &Failure{Reason: refusal.WebSocket, Code: CodeProtocol, Text: "a message of SockJS is text", Close: CloseProtocol}
	notArray = protocolFailure("a message of SockJS is an array of strings or a string, in JSON")
)
