// Package client is the load side of a push server: thousands of STOMP-over-WebSocket connections on a few threads.
//
// A Client has some threads, each with an epoll descriptor, one read buffer and a slice of connections of about a
// hundred bytes each. No connection has a goroutine, a timer or a buffer of its own; only one whose last read ended
// inside a frame keeps that piece until the rest arrives.
//
// Every message is checked: its body must be a payload of bench/gen/measure, complete to the byte, on the subscription
// that it names, and next in that subscription's sequence. Because a broadcast brings the same bytes to every
// connection, a thread remembers the frames that it has read in full (known.go) and compares the bytes that
// follow with the frame that followed on another connection. Equal bytes need no parsing. So a delivery costs
// little more than its read(2).
//
// With Options.Resume a connection that was dropped and is opened again continues after the last message that it read:
//
//	err = c.Drop(client.Reading, 5000)
//	// ... push ...
//	err = c.Open(ctx, client.Reading, 5000) // c.Counts() then has Resumed, Gaps and, in Order, what got lost or repeated
//
// Latency counts from the time that the payload says it was due, not from when it was sent.
//
//	c, err := client.New(client.Options{Address: address, Path: "/ws", Subscriptions: []string{"/topic/demo/all"}})
//	err = c.Open(ctx, client.Reading, 10000)
//	// ... push ...
//	err = c.WaitDelivered(ctx, 10000)
//	fmt.Println(c.Counts(), c.Latency())
package client
