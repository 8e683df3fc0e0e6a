//go:build attacks

package attack

import (
	"context"
	"strings"

	"github.com/gobwas/ws"

	"stentor/engine/sockjs"
)

const sockJSPath = "/ws/000/hostile/websocket"

// withSockJS is a node whose endpoint serves it.
var withSockJS = []string{"endpoints=[{path: /ws, sockjs: true}]"}

// sockJSAttacks are attacks on what SockJS puts around STOMP: arrays that cost more than they bring, and escapes that make
// six bytes of one.
var sockJSAttacks = []attack{
	{
		name: "sockjs-arrays", does: "8 clients of SockJS send arrays of 20,000 empty strings, and of escapes, without end", set: withSockJS, may: floodMemory,
		prepare: overSockJS(pour(8, func(w *wire) error {
			if err := w.put(ws.OpText, []byte(`["`+strings.Repeat(`","`, 20_000)+`"]`)); err != nil {
				return err
			}
			return w.put(ws.OpText, []byte(`["`+strings.Repeat(`\n`, 30_000)+`"]`))
		})),
	},
	{
		name: "sockjs-silent", does: "pushes of 160 kB that SockJS makes 1 MB of, to 300 clients that read nothing", set: withSockJS, may: largeMemory,
		prepare: overSockJS(func(h *hostile) (func(context.Context), error) { return pushLargeOf(h, `\u0001`, 160_000, nil) }),
	},
}

// overSockJS has the attacker's clients use SockJS.
func overSockJS(prepare func(h *hostile) (func(context.Context), error)) func(h *hostile) (func(context.Context), error) {
	return func(h *hostile) (func(context.Context), error) {
		h.sockJS = true
		return prepare(h)
	}
}

// unwrapped is the message in a frame of SockJS, an EOL when it has none.
func unwrapped(frame []byte) ([]byte, error) {
	if len(frame) == 0 || frame[0] != 'a' {
		return []byte("\n"), nil
	}
	var d sockjs.Decoder
	return d.Append(nil, frame[1:])
}
