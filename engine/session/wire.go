package session

import (
	"bytes"

	"github.com/gobwas/ws"

	"stentor/engine/deflate"
	"stentor/engine/refusal"
	"stentor/engine/websocket"
)

// Wire is the WebSocket below the sessions of one event loop: the opening handshake, frames, the answers to pings and close
// frames, the keeping of incomplete input. A Machine speaks STOMP on top of it. On its own it carries messages of any kind,
// through the same turn of Begin, Next and End; a session then stays in phase Greeting until it is Closing.
type Wire struct {
	// Out collects the answers of a turn, ready for the socket; the owner writes and resets it.
	Out []byte
	// Refused is the last refusal of a handshake.
	Refused *websocket.Refusal
	// Piece is the piece of a message that the last Data was about. Its bytes are valid until End.
	Piece websocket.Event

	// Unpacked is what compressed messages have cost since the owner reset it.
	Unpacked Unpacked
	// Paused: the turn has inflated as much as one may, and the rest of its input is kept for another, which the owner begins.
	Paused bool
	// Lent is what came of the request that the last Lent was about, and behind it. Its bytes are valid until End.
	Lent []byte

	handshaker websocket.Handshaker
	maxFrame   uint64
	turn       int // bytes that a turn may inflate before it pauses; 0: as many as there are
	spent      int // of them
	greeting   int // bytes of a compressed message, and of its content, in phase Greeting; 0: maxFrame

	in       []byte // what this turn has not parsed yet
	joined   []byte // scratch: kept input and new input in one piece
	inflater *deflate.Inflater
	inflated []byte // scratch: the content of a compressed message
}

// maxEscape is how many times longer than itself a STOMP frame may be as a JSON string. Nothing is kept of the escapes.
const maxEscape = 6

// NewWire returns a Wire. maxFrame is how many bytes one WebSocket frame may declare.
func NewWire(h websocket.Handshaker, maxFrame uint64) *Wire {
	return &Wire{handshaker: h, maxFrame: maxFrame}
}

// Begin starts a turn of s with new input, which the Wire may change and which must stay until End.
func (w *Wire) Begin(s *Session, in []byte) {
	w.in, w.spent, w.Paused = in, 0, false
	p := s.partial
	switch {
	case p == nil || len(p.raw) == 0:
	case s.waits():
		p.raw = append(p.raw, in...)
		w.in = nil
	default:
		w.joined = append(append(w.joined[:0], p.raw...), in...)
		w.in = w.joined
		p.raw = nil
	}
}

// Next returns what comes next: More, Upgraded, Refused, Answered, Lent, Alive, Data, Closed, or Failed with the failure.
func (w *Wire) Next(s *Session) (Kind, *Failure) {
	switch s.Phase {
	case Closing, Leaving, Elsewhere:
		w.in = nil
		return More, nil
	case Handshake:
		return w.handshake(s), nil
	}
	most := w.maxFrame
	switch s.Form {
	case SockJSHTTP:
		if len(w.in) == 0 {
			return More, nil
		}
		w.Piece, w.in = websocket.Event{Kind: websocket.Data, Op: ws.OpText, Payload: w.in}, nil
		return Data, nil
	case SockJS:
		most *= maxEscape
	}
	for len(w.in) > 0 {
		if w.turn > 0 && w.spent >= w.turn {
			w.Paused = true
			return More, nil
		}
		piece, n, err := s.reader.Next(w.in, most)
		w.Piece = piece
		if err != nil {
			return Failed, wireFailure(err)
		}
		if n == 0 {
			return More, nil
		}
		w.in = w.in[n:]
		switch piece.Kind {
		case websocket.Data:
			goesOn, failure := w.unpack(s)
			switch {
			case failure != nil:
				return Failed, failure
			case goesOn:
				return Data, nil
			}
			continue
		case websocket.Ping:
			w.Out = websocket.AppendFrame(w.Out, ws.OpPong, piece.Payload)
		case websocket.Close:
			w.Out = websocket.AppendClose(w.Out, answerTo(piece.Code), "")
			s.close()
			return Closed, nil
		}
		return Alive, nil
	}
	return More, nil
}

func (w *Wire) handshake(s *Session) Kind {
	if len(w.in) == 0 {
		return More
	}
	scanned := 0
	if s.partial != nil {
		scanned = s.partial.scanned
	}
	n, _, out, refused := w.handshaker.Next(w.in, scanned, w.Out)
	w.Out = out
	switch {
	case refused == websocket.Answered:
		s.Phase = Closing
		return Answered
	case refused == websocket.ElsewhereServed:
		w.Lent, w.in = w.in, nil
		s.Phase = Elsewhere
		return Lent
	case refused != nil:
		w.Refused = refused
		s.Phase = Closing
		return Refused
	case n == 0:
		s.part().scanned = len(w.in)
		return More
	}
	w.in = w.in[n:]
	s.Phase = Greeting
	w.Out = s.Form.appendOpen(w.Out)
	if w.Compression() == websocket.CompressionAgreed {
		s.Form = Deflated
		s.reader.Unpack()
	}
	return Upgraded
}

// Compression is what became of permessage-deflate in the handshake of the last Upgraded.
func (w *Wire) Compression() websocket.Compression { return w.handshaker.Compression() }

// End finishes the turn: what is left of the input is kept in s.
func (w *Wire) End(s *Session) {
	if s.Phase >= Leaving {
		s.partial = nil
	} else if len(w.in) > 0 {
		s.part().raw = bytes.Clone(w.in)
	}
	if p := s.partial; p != nil {
		p.late = s.waits()
		if len(p.raw) == 0 && len(p.packed) == 0 && len(p.frame) == 0 && p.array.Idle() {
			s.partial = nil
		}
	}
	w.in, w.Lent, w.Piece = nil, nil, websocket.Event{}
	const keep = 256 << 10
	if cap(w.joined) > keep {
		w.joined = nil
	}
	if cap(w.inflated) > keep {
		w.inflated = nil
	}
}

// Close appends what a session ends with (when the WebSocket is open) and discards all input from now on.
func (w *Wire) Close(s *Session, code closeCode, reason string) {
	if s.Phase == Closing {
		return
	}
	if s.Phase.Opened() {
		w.Out = s.Form.appendClose(w.Out, code, reason)
	}
	s.close()
}

func (s *Session) close() { s.Phase, s.partial = Closing, nil }

// answerTo echoes a close code; a close frame without one is answered with 1000.
func answerTo(code ws.StatusCode) ws.StatusCode {
	if code == ws.StatusNoStatusRcvd {
		return CloseNormal
	}
	return code
}

// wireFailure sends an ERROR only where STOMP has one: a client that violates RFC 6455 gets its close code.
func wireFailure(err error) *Failure {
	e := err.(*websocket.Error)
	if e.Code == CloseTooLarge {
		return &Failure{Code: CodeTooLarge, Text: e.Text, Close: CloseTooLarge, Reason: refusal.FrameBytes}
	}
	return &Failure{Reason: refusal.WebSocket, Code: CodeProtocol, Text: e.Text, Close: e.Code, Silent: true}
}
