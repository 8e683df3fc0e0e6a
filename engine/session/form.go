package session

import (
	"unicode/utf8"

	"github.com/gobwas/ws"

	"stentor/engine/sockjs"
	"stentor/engine/websocket"
)

// Form is how the STOMP frames of a session travel. The handshake decides on it, and it never changes.
type Form uint8

const (
	// Plain: one STOMP frame in each WebSocket message.
	Plain Form = iota
	// Deflated: the same, and the client accepts compressed messages (RFC 7692).
	Deflated
	// SockJS: frames of SockJS in WebSocket messages.
	SockJS
	// SockJSHTTP: frames of SockJS for its HTTP transports, one a line. What the client sends is plain STOMP here.
	SockJSHTTP
	// Forms is how many there are.
	Forms
)

// Escaped reports whether the STOMP frames are JSON strings in frames of SockJS, and so have to be UTF-8.
func (f Form) Escaped() bool { return f >= SockJS }

// Transport is what operators call it.
func (f Form) Transport() string {
	return [Forms]string{"websocket", "websocket+deflate", "sockjs-websocket", "sockjs-http"}[f]
}

// Heartbeat is a heart-beat of STOMP, one EOL, ready for the wire; Ping is what asks whether a client without heart-beats is
// still there. Over HTTP nobody answers it, but proxies see that the connection is in use.
func (f Form) Heartbeat() []byte { return ready[f].heartbeat }
func (f Form) Ping() []byte      { return ready[f].ping }

var ready = func() (all [Forms]struct{ heartbeat, ping []byte }) {
	for f := range Forms {
		all[f].heartbeat = f.append(nil, []byte("\n"))
		all[f].ping = websocket.AppendFrame(nil, ws.OpPing, nil)
	}
	all[SockJSHTTP].ping = []byte(sockjs.Heartbeat + "\n")
	return all
}()

// append appends text, which is one STOMP frame or an EOL, ready for the wire. Plain is one WebSocket message: text when it is
// UTF-8, binary otherwise.
func (f Form) append(dst, text []byte) []byte {
	switch f {
	case SockJS:
		dst = websocket.AppendHeader(dst, ws.OpText, sockjs.MessageExtra+sockjs.Len(text))
		return sockjs.AppendMessage(dst, text)
	case SockJSHTTP:
		return append(sockjs.AppendMessage(dst, text), '\n')
	}
	op := ws.OpText
	if !utf8.Valid(text) {
		op = ws.OpBinary
	}
	return websocket.AppendFrame(dst, op, text)
}

// appendOpen appends what a session begins with.
func (f Form) appendOpen(dst []byte) []byte {
	switch f {
	case SockJS:
		return websocket.AppendFrame(dst, ws.OpText, []byte(sockjs.Open))
	case SockJSHTTP:
		return append(dst, sockjs.Open+"\n"...)
	}
	return dst
}

// appendClose appends what a session ends with.
func (f Form) appendClose(dst []byte, code closeCode, reason string) []byte {
	if f.Escaped() {
		text := sockjs.AppendClose(nil, int(code), reason)
		if f == SockJSHTTP {
			return append(append(dst, text...), '\n')
		}
		dst = websocket.AppendFrame(dst, ws.OpText, text)
	}
	return websocket.AppendClose(dst, code, reason)
}
