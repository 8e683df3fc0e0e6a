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
