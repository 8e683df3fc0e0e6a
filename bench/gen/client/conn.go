package client

import (
	"crypto/tls"

	"stentor/bench/gen/measure"
	"stentor/engine/websocket"
)

// state is a connection's state.
type state uint8

const (
	closed      state = iota // the slot is free
	dialing                  // until the socket can be written to
	securing                 // until the TLS handshake is done; a worker has the descriptor
	upgrading                // until the 101 answer
	greeting                 // until the open frame of SockJS
	signing                  // until a worker has made the CONNECT headers
	connecting               // until CONNECTED
	subscribing              // until the receipt, if there is to be one
	open
)

func (s state) String() string {
	return [...]string{"closed", "no TCP connection", "TLS handshake", "no answer to the WebSocket handshake", "no open frame of SockJS", "waits for its token", "no CONNECTED", "no RECEIPT", "open"}[s]
}

// conn is one connection. Its thread owns it.
type conn struct {
	fd   int32
	slot int32
	// generation distinguishes this connection's events from those, left in a batch, of an earlier one in this slot.
	generation int32
	state      state
	kind       Kind
	// subscriptions is how many it has. before: it was open before, and has kept its sequences.
	subscriptions uint8
	before        bool
	again         bool   // it failed, or was ended, before, and has been counted for that
	more          bool   // crypto/tls may have read ahead
	heard         uint32 // when something was read last, in ms since the client started
	at            uint32 // position in known of the last message
	due           int64  // when it was due to open, in ns since the client started
	streams       [MaxSubscriptions]uint32
	sequence      [MaxSubscriptions]measure.Sequence
	reader        websocket.ClientReader
	pieces        *pieces // nil: the last read ended with a frame
	places        *places // nil unless Options.Resume
	tls           *tls.Conn
}

// pieces is a connection's incomplete input.
type pieces struct {
	raw     []byte // start of a handshake answer, of a frame header or of a control frame
	message []byte // start of a WebSocket message
}

func (c *conn) keepRaw(b []byte) {
	if c.pieces == nil {
		c.pieces = &pieces{}
	}
	c.pieces.raw = append([]byte(nil), b...)
}

// takeRaw returns b after the kept rest of earlier reads.
func (c *conn) takeRaw(b []byte) []byte {
	p := c.pieces
	if p == nil || p.raw == nil {
		return b
	}
	b = append(p.raw, b...)
	if p.raw = nil; p.message == nil {
		c.pieces = nil
	}
	return b
}

// join returns the whole message when ev is its last piece, else keeps the piece and returns false.
func (c *conn) join(ev *websocket.Event) (whole []byte, ok bool) {
	p := c.pieces
	if ev.Final && (p == nil || p.message == nil) {
		return ev.Payload, true
	}
	if p == nil {
		p = &pieces{}
		c.pieces = p
	}
	p.message = append(p.message, ev.Payload...)
	if !ev.Final {
		return nil, false
	}
	c.pieces = nil // no raw piece can be there: it would have come before ev
	return p.message, true
}
