// Package xhr is SockJS over HTTP: the transports xhr, xhr_streaming and eventsource, with xhr_send, for clients that cannot
// have a WebSocket. They are served by net/http over connections that the event loops feed; their sessions are a shard's like
// all others.
//
//	server.go    net/http, its connections and their bounds
//	handler.go   what a request asks for: its path, method, origin, session
//	sessions.go  all sessions of a node, by what names them
//	session.go   one session: the socket of a shard, which receivers empty
//	receive.go   a response that carries what a session has: to a poll one frame, stream.go up to 128 KiB
//	send.go      what a client sends
//
// A request costs a goroutine while it is served. One that streams is taken from net/http: it has a small goroutine of its own,
// and none of net/http's buffers.
package xhr
