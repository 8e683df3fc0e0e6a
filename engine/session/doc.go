// Package session is one client's protocol state machine: bytes in, events and replies out.
//
// A Session is the state of one client, small and without a socket, clock or goroutine. A Machine has the scratch that
// the sessions of one event loop share: a Wire, which is the WebSocket and could be used alone, and STOMP on top of it.
// Each turn of a connection goes
//
//	m.Begin(s, bytes)
//	for {
//		ev := m.Next(s)
//		if ev.Kind == session.More {
//			break
//		}
//		... act, answer with m.Receipt, m.Fail, ...
//	}
//	m.End(s)
//	write m.Out
//
// When a session waits for Config.Unanswered answers, or for its authentication, Next returns More and keeps
// the rest of the input. The owner begins a turn without input when Settle says so, or after it has sent CONNECTED.
//
// Everything in this package belongs to the goroutine of the event loop.
package session
