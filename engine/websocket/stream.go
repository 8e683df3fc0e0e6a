package websocket

import (
	"encoding/binary"

	"github.com/gobwas/ws"
)

// Kind says what an Event is. The zero Kind is no event.
type Kind uint8

// The kinds of events.
const (
	Data  Kind = iota + 1 // a piece of a text or binary message
	Ping                  // to be answered with a pong of the same payload
	Pong                  // an answer to a ping, or a heart-beat of the peer's own
	Close                 // the peer's last frame
)

// Event is what one call of Next found. Payload and Reason alias the bytes given to Next.
type Event struct {
	Kind    Kind
	Op      ws.OpCode     // of Data: OpText or OpBinary, as the message began, on its continuations too
	Final   bool          // of Data: the message ends with this piece
	Packed  bool          // of Data: the message is compressed, and its text was not checked
	Code    ws.StatusCode // of Close: its status code, 1005 when the frame has none
	Payload []byte        // of Data, Ping and Pong; may be empty
	Reason  []byte        // of Close
}

// stream is the inbound state of either side. Between two calls it is between frames or inside the payload of a data
// frame: headers and control frames are taken whole or not at all.
type stream struct {
	remain uint64    // bytes of the current data frame that have yet to come
	mask   [4]byte   // of the current data frame; zero when it has none
	op     ws.OpCode // of the message under way; OpContinuation between messages
	text   textState // of the text message under way; boundary between messages, since none ends elsewhere
	phase  uint8     // payload bytes of the current frame so far, modulo 4: where the mask goes on
	flags  uint8
}

const (
	flagLast   = 1 << iota // the current data frame is the last of its message
	flagDone               // a close frame or an error was seen: nothing that follows counts
	flagPacked             // the message under way is compressed
	flagUnpack             // messages may be compressed
)

const (
	bitFinal  = 0x80
	bitMasked = 0x80
	bitPacked = 0x40 // RSV1, on the first frame of a compressed message (RFC 7692 section 6)
	length16  = 126  // the length follows in 2 bytes
	length64  = 127  // the length follows in 8 bytes
)

func (s *stream) fail(err *Error) (Event, int, error) {
	s.flags |= flagDone
	return Event{}, 0, err
}

// next implements Next of both sides; side is gobwas.StateServerSide or StateClientSide.
func (s *stream) next(b []byte, maxFrame uint64, side ws.State) (Event, int, error) {
	if s.flags&flagDone != 0 {
		return Event{}, len(b), nil
	}
	if s.remain > 0 {
		if len(b) == 0 {
			return Event{}, 0, nil
		}
		return s.data(b, 0)
	}
	if len(b) < 2 {
		return Event{}, 0, nil
	}

	// RFC 6455 section 5.2. All rules but those on the long lengths need only the first two bytes.
	length := uint64(b[1] &^ bitMasked)
	h := ws.Header{
		Fin:    b[0]&bitFinal != 0,
		Rsv:    b[0] >> 4 & 7,
		OpCode: ws.OpCode(b[0] & 15),
		Masked: b[1]&bitMasked != 0,
		Length: int64(length),
	}
	packed := uint8(0)
	switch {
	case s.op != ws.OpContinuation:
		side = side.Set(ws.StateFragmented)
		packed = s.flags & flagPacked
	case s.flags&flagUnpack != 0 && b[0]&bitPacked != 0 && !h.OpCode.IsControl() && h.OpCode != ws.OpContinuation:
		packed = flagPacked
		h.Rsv &^= bitPacked >> 4
	}
	if err := ws.CheckHeader(h, side); err != nil {
		return s.fail(&Error{ws.StatusProtocolError, err.Error()})
	}
	size := 2
	switch length {
	case length16:
		size += 2
	case length64:
		size += 8
	}
	if h.Masked {
		size += len(s.mask)
	}
	if len(b) < size {
		return Event{}, 0, nil
	}
	var mask [4]byte
	if h.Masked {
		mask = [4]byte(b[size-len(mask) : size])
	}
	if h.OpCode.IsControl() {
		return s.control(h.OpCode, mask, b, size, size+int(length))
	}

	switch length {
	case length16:
		if length = uint64(binary.BigEndian.Uint16(b[2:])); length < length16 {
			return s.fail(errLengthForm)
		}
	case length64:
		length = binary.BigEndian.Uint64(b[2:])
		if length>>63 != 0 {
			return s.fail(errLengthSign)
		}
		if length <= 0xFFFF {
			return s.fail(errLengthForm)
		}
	}
	if length > maxFrame {
		return s.fail(errFrameTooBig)
	}
	if h.OpCode != ws.OpContinuation {
		s.op = h.OpCode
	}
	s.remain, s.mask, s.phase, s.flags = length, mask, 0, s.flags&flagUnpack|packed
	if h.Fin {
		s.flags |= flagLast
	}
	return s.data(b, size)
}

// data hands out what b has of the current frame's payload, from start on.
func (s *stream) data(b []byte, start int) (Event, int, error) {
	n := start + int(min(uint64(len(b)-start), s.remain))
	p := b[start:n:n]
	if s.mask != [4]byte{} {
		ws.Cipher(p, s.mask, int(s.phase))
		s.phase = (s.phase + uint8(len(p))) & 3
	}
	s.remain -= uint64(len(p))
	final := s.remain == 0 && s.flags&flagLast != 0
	packed := s.flags&flagPacked != 0
	if s.op == ws.OpText && !packed {
		s.text = s.text.advance(p)
		if s.text == invalid || final && s.text != boundary {
			return s.fail(errText)
		}
	}
	ev := Event{Kind: Data, Op: s.op, Final: final, Packed: packed, Payload: p}
	if final {
		s.op = ws.OpContinuation
	}
	return ev, n, nil
}

// control reads the control frame with the payload b[start:end] once all of it is there. It leaves the message under
// way alone (RFC 6455 section 5.4).
func (s *stream) control(op ws.OpCode, mask [4]byte, b []byte, start, end int) (Event, int, error) {
	if len(b) < end {
		return Event{}, 0, nil
	}
	p := b[start:end:end]
	ws.Cipher(p, mask, 0)
	ev := Event{Payload: p}
	switch op {
	case ws.OpPing:
		ev.Kind = Ping
	case ws.OpPong:
		ev.Kind = Pong
	default:
		code, reason, err := parseClose(p)
		if err != nil {
			return s.fail(err)
		}
		ev = Event{Kind: Close, Code: code, Reason: reason}
		s.flags |= flagDone
	}
	return ev, end, nil
}

func (s *stream) midMessage() bool {
	return s.op != ws.OpContinuation && s.flags&flagDone == 0
}
