package shard

import (
	"stentor/engine/deflate"
	"stentor/engine/history"
	"stentor/engine/session"
	"stentor/engine/websocket"
	"stentor/stomp"
)

// A client that agreed to compression is given the body as its publisher compressed it, behind the head in a stored block,
// which is all that differs between clients. Pushes that were not compressed, and heads that do not fit into one block, go
// out plain.

// packable returns the length of e's compressed message with these lines, and that of its head; 0 when there is none.
func packable(e *history.Entry, v stomp.Version, lines []byte) (n, head int) {
	packed := e.Message.Packed()
	if head = e.Message.HeadLen(v, len(lines)); len(packed) == 0 || head > deflate.MaxStored {
		return 0, 0
	}
	return deflate.StoredHeader + head + len(packed), head
}

// appendPacked appends the compressed frame of e with these lines, if there is one.
func (f *scratch) appendPacked(e *history.Entry, v stomp.Version, lines []byte) bool {
	n, head := packable(e, v, lines)
	if n == 0 {
		return false
	}
	f.buf = websocket.AppendPackedHeader(f.buf, opcode(e), n)
	f.buf = deflate.AppendStored(f.buf, head)
	f.buf = e.Message.AppendPacked(f.buf, v, lines)
	f.saved += e.Message.Len(v, len(lines)) - n
	return true
}

// beginPacked is beginEscaped for a client that is given the compressed form, if there is one.
func (t *transfer) beginPacked() bool {
	if t.form != session.Deflated {
		return false
	}
	n, head := packable(t.entry, t.version, t.lines)
	if n == 0 {
		return false
	}
	t.packed = true
	header := websocket.AppendPackedHeader(t.header[:0], opcode(t.entry), n)
	t.size = len(header) + n
	t.heads = uint8(len(deflate.AppendStored(header, head)))
	return true
}
