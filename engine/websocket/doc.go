// Package websocket speaks RFC 6455 on byte slices, with the primitives of gobwas/ws. It owns no socket, buffer, clock or
// goroutine: bytes go in, events and answers come out, and the caller keeps what was not consumed.
//
// A server reads the opening handshake with a Handshaker (one per event loop) and everything after it with a Reader
// (one per connection, 16 bytes):
//
//	n, protocol, out, refusal := h.Next(b, scanned, out[:0])
//	switch {
//	case refusal != nil: // write out, then close; Answered and ElsewhereServed are none
//	case n == 0: // keep b, remember len(b) as scanned, wait for more
//	default: // write out; b[n:] are frames already
//	}
//
//	for {
//		ev, n, err := r.Next(b, maxFrame)
//		if err != nil || n == 0 {
//			break // *Error: answer AppendClose(out, err.Code, err.Text); n == 0: keep b, wait for more
//		}
//		b = b[n:]
//		switch ev.Kind { ... }
//	}
//
// A client has AppendRequest, ParseAnswer, AppendMasked and ClientReader.
//
// Nothing here is safe for use by several goroutines at once.
package websocket
