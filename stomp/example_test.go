package stomp_test

import (
	"fmt"

	"stentor/stomp"
)

// A decoder takes what has come so far. It says how much it used; 0 means that a frame is not complete.
func ExampleDecoder() {
	var (
		d        stomp.Decoder
		progress stomp.Progress
		frame    stomp.Frame
	)
	limits := stomp.Limits{Headers: 16, LineBytes: 256, HeaderBytes: 1024, BodyBytes: 4096}
	b := []byte("SEND\ndestination:/topic/a\\c b\n\nhello\x00SEND\ndest")
	for len(b) > 0 {
		n, err := d.Decode(b, stomp.V12, &limits, &progress, &frame)
		if err != nil {
			fmt.Println(err)
			return
		}
		if n == 0 {
			fmt.Printf("%d bytes are kept until more comes\n", len(b))
			return
		}
		b = b[n:]
		to, _ := frame.Get("destination")
		fmt.Printf("%s to %s: %s\n", frame.Command, to, frame.Body)
	}
	// Output:
	// SEND to /topic/a: b: hello
	// 9 bytes are kept until more comes
}

// A MESSAGE is encoded once. What only one subscriber's copy has, its subscription's id, is spliced in.
func ExampleMessage() {
	m := stomp.NewMessage("/topic/shop/all", "7-0-42", "text/plain", nil, []byte("hello"))
	for _, id := range []string{"sub-0", "sub-1"} {
		lines := stomp.AppendHeader(nil, stomp.V12, "subscription", id)
		fmt.Printf("%q\n", m.AppendTo(nil, stomp.V12, lines))
	}
	// Output:
	// "MESSAGE\ndestination:/topic/shop/all\nmessage-id:7-0-42\ncontent-type:text/plain\ncontent-length:5\nsubscription:sub-0\n\nhello\x00"
	// "MESSAGE\ndestination:/topic/shop/all\nmessage-id:7-0-42\ncontent-type:text/plain\ncontent-length:5\nsubscription:sub-1\n\nhello\x00"
}
