// Package fake is a small push server for the tests of the load generator: WebSocket by gobwas/ws, STOMP, and as much
// of the HTTP API as the generator uses, with a goroutine per connection. It can misbehave on request, so that tests
// show whether the generator notices.
package fake
