// Package stomp speaks the wire vocabulary of STOMP 1.0, 1.1 and 1.2: an incremental decoder over byte slices,
// append-style encoders, escaping by version, version and heart-beat negotiation, and Message, a MESSAGE that is
// encoded once and then spliced for each subscriber. It does no I/O, reads no clock and holds no locks.
//
// Reading. A Decoder is scratch memory that all connections of one event loop share. A connection itself only keeps its
// unfinished bytes and a Progress of 16 bytes:
//
//	for len(b) > 0 {
//		n, err := d.Decode(b, version, limits, &progress, &frame)
//		if err != nil {
//			return err // an *Error: answer ERROR and close
//		}
//		if n == 0 {
//			break // keep b, call again with the same bytes and more after them
//		}
//		b = b[n:]
//		if frame.Command != stomp.None {
//			handle(&frame) // its slices are good until the next Decode
//		}
//	}
//
// Writing. Everything appends to a slice that the caller owns:
//
//	dst = stomp.AppendCommand(dst, stomp.Receipt)
//	dst = stomp.AppendHeader(dst, version, "receipt-id", id)
//	dst = stomp.AppendBody(dst, nil)
//
// Lines are written with LF; CRLF is accepted wherever an EOL is. A bare CR or a NUL in the headers is an error, and so is
// text there that is not UTF-8. Headers are split at the first colon and never trimmed.
package stomp
