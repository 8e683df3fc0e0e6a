package websocket

import (
	"github.com/gobwas/ws"
)

// Reader is the inbound state of one connection on the server's side: frames of a client, which are masked. The zero
// value stands at the first byte after the handshake. It belongs to the goroutine that reads the connection.
type Reader struct{ stream stream }

// Next reads the next event from b and consumes its n bytes, of which the payload is unmasked in place: no byte of it
// may be given to Next again. n == 0 without an error means that b is empty or ends inside a frame header or a control
// frame, so that at most 130 bytes are left: the caller keeps them, unchanged, and calls again with more behind them.
//
// The payload of a data frame is handed out as it arrives, in pieces, and never kept; a frame's header is consumed
// with its first piece, which is empty when b ends behind the header. Text is checked as it arrives. A data frame
// whose header declares more than maxFrame bytes is refused by its header (1009).
//
// An error is an *Error with the code to close with; no piece of the bytes that it is about is handed out. After an
// error or a Close event, Next consumes whatever it is given and reports nothing (RFC 6455 sections 1.4, 7.1.7).
func (r *Reader) Next(b []byte, maxFrame uint64) (ev Event, n int, err error) {
	return r.stream.next(b, maxFrame, ws.StateServerSide)
}

// Unpack allows compressed messages (RFC 7692) from now on: CompressionAgreed. Their pieces are handed out as they came.
func (r *Reader) Unpack() { r.stream.flags |= flagUnpack }

// MidMessage reports whether a text or binary message has begun and not ended.
func (r *Reader) MidMessage() bool { return r.stream.midMessage() }

// ClientReader is the inbound state of one connection on the client's side: frames of a server, which are not masked.
// The zero value stands at the first byte after the server's answer to the handshake, see ParseAnswer.
type ClientReader struct{ stream stream }

// Next is Reader.Next for the client's side. It does not change b.
func (r *ClientReader) Next(b []byte, maxFrame uint64) (ev Event, n int, err error) {
	return r.stream.next(b, maxFrame, ws.StateClientSide)
}

// Unpack is Reader.Unpack for the client's side.
func (r *ClientReader) Unpack() { r.stream.flags |= flagUnpack }

// MidMessage reports whether a text or binary message has begun and not ended.
func (r *ClientReader) MidMessage() bool { return r.stream.midMessage() }
