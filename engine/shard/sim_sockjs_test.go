package shard

import (
	"bytes"
	"encoding/json"

	"github.com/gobwas/ws"

	"stentor/engine/session"
	"stentor/engine/sockjs"
)

// simSockJS is the path of a WebSocket with SockJS.
const simSockJS = "/ws/000/s/websocket"

// line is a line of a frame as the client gets it.
func (c *simClient) line(text string) []byte {
	if c.form.Escaped() {
		return append([]byte(text), `\n`...)
	}
	return []byte(text + "\n")
}

var simForms = map[string]session.Form{"websocket": session.SockJS, "http": session.SockJSHTTP}

// wrapped sends STOMP bytes as an array of SockJS, of one string or two, or as a string alone. Over HTTP what they came in does
// not get so far.
func (l *simLink) wrapped(stomp []byte) {
	if l.c.form == session.SockJSHTTP {
		l.out = append(l.out, stomp...)
		return
	}
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
		if l.c.form == session.SockJSHTTP {
			l.closeFrame(ws.StatusCode(code), reason)
		}
	default:
		l.w.failf("%v: no frame of SockJS: %.100q", l.sock, frame)
	}
}

// line takes the next line of an answer over HTTP, and returns how long it was.
func (l *simLink) line() int {
	n := bytes.IndexByte(l.in, '\n')
	if n < 0 {
		return 0
	}
	l.begun = l.read
	l.read += n + 1
	if l.closing {
		l.w.failf("%v: %q behind the end", l.sock, l.in[:n])
		return 0
	}
	l.unwrap(ws.OpText, bytes.Clone(l.in[:n]))
	return n + 1
}
