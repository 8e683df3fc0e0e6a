package websocket_test

import (
	"fmt"

	"github.com/gobwas/ws"

	"stentor/engine/websocket"
)

// A reader is given what has come so far. It unmasks in place what there is of a data frame, and returns how many bytes it used.
func ExampleReader() {
	var r websocket.Reader
	b := websocket.AppendMasked(nil, ws.OpText, [4]byte{1, 2, 3, 4}, []byte("hello"))
	for _, come := range []int{3, len(b)} {
		event, n, err := r.Next(b[:come], 1024)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("of %d bytes %d are used: %q\n", come, n, event.Payload)
	}
	// Output:
	// of 3 bytes 0 are used: ""
	// of 11 bytes 11 are used: "hello"
}

// A handshaker is given what has come so far, too, and writes the answer: here to the request of RFC 6455 section 1.2.
func ExampleHandshaker() {
	h := websocket.Handshaker{Protocols: []string{"v12.stomp"}}
	request := websocket.AppendRequest(nil, "push.example.com", "/ws", "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol: v12.stomp, v11.stomp")
	for scanned, come := 0, 20; ; scanned, come = come, len(request) {
		n, protocol, answer, refusal := h.Next(request[:come], scanned, nil)
		if refusal != nil {
			fmt.Println(refusal.Status, refusal.Text)
			return
		}
		if n == 0 {
			fmt.Println("more is needed")
			continue
		}
		fmt.Printf("all %t, %s\n", n == len(request), protocol)
		_, chosen, err := websocket.ParseAnswer(answer, "dGhlIHNhbXBsZSBub25jZQ==")
		fmt.Printf("the client reads %s, %v\n", chosen, err)
		return
	}
	// Output:
	// more is needed
	// all true, v12.stomp
	// the client reads v12.stomp, <nil>
}
