// Package client is a blocking STOMP client over WebSocket, for back ends, command lines and tests. A connection costs two
// or three goroutines and its buffers.
//
// Client keeps subscriptions and publishes over many connections: it reconnects with a back-off, resumes after the last
// message that it has seen, and sends again what was not acknowledged.
//
//	push := &client.Client{
//		Options:      client.Options{URL: "wss://push.example.com/ws", Project: "shop", Heartbeat: 10 * time.Second},
//		FreshToken:   freshToken,
//		Destinations: []string{"/user/queue/orders"},
//		Message:      func(m *client.Message) bool { show(m.Body); return true },
//		Gap:          func(string) { reload() },
//	}
//	err := push.Run(ctx) // returns when ctx ends, or when the server refuses the client
//
// Conn is one connection, for who does all of that in another way.
package client
