package shard

import (
	"encoding/json"

	"github.com/gobwas/ws"

	"stentor/engine/sockjs"
)

// simSockJS is the path of a WebSocket with SockJS.
const simSockJS = "/ws/000/s/websocket"

// line is a line of a frame as the client gets it.
func (c *simClient) line(text string) []byte {
	if c.sockJS {
		return append([]byte(text), `\n`...)
	}
	return []byte(text + "\n")
}

// wrapped sends STOMP bytes as an array of SockJS, of one string or two, or as a string alone.
func (l *simLink) wrapped(stomp []byte) {
	begin, end := `["`, `"]`
	array := sockjs.Append([]byte(begin), stomp)
	switch {
	case l.w.chance(4):
		array = append(array, `",""]`...)
	case l.w.chance(4):
		array = append(array[1:], '"')
	default:
		array = append(array, end...)
	}
	l.raw(ws.OpText, array)
}

// unwrap takes a frame of SockJS: the first opens the session, the last says with which code it ends, and the others have a
// message each.
func (l *simLink) unwrap(op ws.OpCode, frame []byte) {
	if op != ws.OpText || l.ends != 0 || (string(frame) == sockjs.Open) == l.begins {
		l.w.failf("%v: a frame of SockJS out of place, opcode %d: %.100q", l.sock, op, frame)
		return
	}
	l.begins = true
	var messages []string
	var code int
	var reason string
	switch {
	case string(frame) == sockjs.Open:
	case frame[0] == 'a' && json.Unmarshal(frame[1:], &messages) == nil && len(messages) == 1:
		l.frame(op, []byte(messages[0]))
	case frame[0] == 'c' && json.Unmarshal(frame[1:], &[]any{&code, &reason}) == nil && code != 0:
		l.ends = code
	default:
		l.w.failf("%v: no frame of SockJS: %.100q", l.sock, frame)
	}
}
