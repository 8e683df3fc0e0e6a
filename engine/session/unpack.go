package session

import (
	"errors"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"stentor/engine/deflate"
	"stentor/engine/refusal"
	"stentor/engine/websocket"
)

// Unpacked counts compressed messages of clients.
type Unpacked struct {
	Messages int
	Packed   int // their bytes as they came
	Bytes    int // and inflated
	Blocks   int // that had codes of their own: each costs time, even if it contains nothing
}

// turnBytes is what a turn inflates before the others have theirs: some 300 us.
const turnBytes = 64 << 10

// BlockCost is how many inflated bytes take as long as the codes of a block. 361 bytes can have 32 blocks that contain nothing, on
// which a loop works for a tenth of a millisecond.
const BlockCost = 1 << 10

// unpack takes a piece of a message. One that is not compressed goes on as it is. A compressed message is inflated into
// Piece.Payload at its last piece, at once: what it may have, and what it may inflate to, are both bounded by the largest frame.
// Until then goesOn is false, except for an empty fragment, which counts as a frame.
func (w *Wire) unpack(s *Session) (goesOn bool, failure *Failure) {
	if !w.Piece.Packed {
		return true, nil
	}
	p, most, limit := w.Piece.Payload, int(w.maxFrame), refusal.FrameBytes
	if w.greeting > 0 && s.Phase == Greeting {
		most, limit = w.greeting, refusal.ConnectFrameBytes
	}
	var kept []byte
	if s.partial != nil {
		kept = s.partial.packed
	}
	if len(kept)+len(p) > most {
		return false, unpackFailure(deflate.ErrTooLarge, limit)
	}
	switch {
	case !w.Piece.Final && len(p) == 0:
		return true, nil
	case !w.Piece.Final:
		s.part().packed = grow(kept, p, 0)
		return false, nil
	case len(kept) > 0:
		p = grow(kept, p, 0)
		s.partial.packed = nil
	}
	if w.inflater == nil {
		w.inflater = new(deflate.Inflater)
	}
	content, err := w.inflater.Inflate(w.inflated[:0], p, most)
	w.inflated = content
	w.spent += len(p) + len(content) + w.inflater.Blocks*BlockCost
	w.Unpacked.Messages++
	w.Unpacked.Packed += len(p)
	w.Unpacked.Bytes += len(content)
	w.Unpacked.Blocks += w.inflater.Blocks
	if err == nil && w.Piece.Op == ws.OpText && !utf8.Valid(content) {
		err = errPackedText
	}
	if err != nil {
		return false, unpackFailure(err, limit)
	}
	w.Piece.Payload = content
	return true, nil
}

var errPackedText = errors.New("compressed text message is not valid UTF-8")

// unpackFailure is the failure of a client whose compressed message is refused; limit is the reason for one that is too
// large.
func unpackFailure(err error, limit refusal.Reason) *Failure {
	if errors.Is(err, deflate.ErrTooLarge) {
		return &Failure{Reason: limit, Code: CodeTooLarge, Text: err.Error(), Close: CloseTooLarge}
	}
	return wireFailure(&websocket.Error{Code: ws.StatusInvalidFramePayloadData, Text: err.Error()})
}
