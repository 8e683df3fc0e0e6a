package client

import (
	"encoding/json"
	"fmt"

	"stentor/engine/sockjs"
)

// Form is how STOMP frames go in WebSocket messages.
type Form uint8

const (
	// Plain is one frame a message.
	Plain Form = iota
	// SockJS is as sockjs-client does over WebSocket: frames in JSON, below a path with a server and a session.
	SockJS
	// Deflated is Plain with permessage-deflate, which the server has to agree on. What the client sends is not compressed.
	Deflated
)

// sockjsPath is what follows the path of an endpoint. Over WebSocket the session is a name that nobody looks for.
const sockjsPath = "/000/stentor-bench/websocket"

// framed returns what goes in a message for a STOMP frame.
func (t *thread) framed(frame []byte) []byte {
	if t.client.options.Form != SockJS {
		return frame
	}
	t.array = sockjs.AppendMessage(t.array[:0], frame)
	return t.array[1:] // a client's array is a server's frame without the a
}

// unpack inflates a message. It returns false when c is closed.
func (t *thread) unpack(c *conn, whole []byte) ([]byte, bool) {
	var err error
	if t.decoded, err = t.inflater.Inflate(t.decoded[:0], whole, maxMessage); err != nil {
		t.fail(c, err.Error())
		return nil, false
	}
	return t.decoded, true
}

// sockjs handles one message of a SockJS server. frame is its WebSocket frame, nil when it came in several frames or reads.
func (t *thread) sockjs(c *conn, whole, frame []byte, nanos int64) {
	kind := byte(0)
	if len(whole) > 0 {
		kind = whole[0]
	}
	switch {
	case kind == 'o' && len(whole) == 1 && c.state == greeting:
		t.connect(c)
	case c.state == greeting:
		t.fail(c, "SockJS: the first frame is not o")
	case kind == 'h' && len(whole) == 1:
	case kind == 'a':
		var d sockjs.Decoder
		var err error
		if t.decoded, err = d.Append(t.decoded[:0], whole[1:]); err == nil {
			err = d.End()
		}
		if err != nil {
			t.fail(c, "SockJS: "+err.Error())
			return
		}
		t.stomp(c, t.decoded, frame, nanos)
	case kind == 'c':
		var end []any
		if json.Unmarshal(whole[1:], &end) == nil && len(end) == 2 {
			code, _ := end[0].(float64)
			t.closed(c, uint16(code), fmt.Sprint(end[1]))
			return
		}
		fallthrough
	default:
		t.fail(c, "SockJS: a frame that there is not")
	}
}
