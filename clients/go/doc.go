// Package client is a blocking STOMP client over WebSocket, for command lines and tests: a connection costs two
// goroutines and its buffers.
//
// Conn is one connection. Follower keeps subscriptions alive over many: it reconnects with a back-off, and resumes
// after the last message that it has seen.
package client
