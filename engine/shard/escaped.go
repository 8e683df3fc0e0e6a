package shard

import (
	"github.com/gobwas/ws"

	"stentor/engine/history"
	"stentor/engine/session"
	"stentor/engine/sockjs"
	"stentor/engine/websocket"
	"stentor/stomp"
)

// Pushes for clients of SockJS are escaped where they are written: into the scratch of their form, once a round for all who
// chose the same id, or, when they are large, a piece at a time.

// headerRoom is what the header of a WebSocket message takes that is neither tiny nor much larger than a write.
const headerRoom = 4

// newScratches returns a scratch for each form.
func newScratches() (all [session.Forms]scratch) {
	for f := range session.Forms {
		all[f].form = f
	}
	return all
}

// carries reports whether a session of form f can be given e: SockJS carries only UTF-8.
func carries(f session.Form, e *history.Entry) bool { return !f.Escaped() || e.Message.Text() }

// escapedParts is the frame of the last push as a JSON string, without the receiver's lines: clients that chose different ids get
// the same around them.
type escapedParts struct {
	entry         *history.Entry
	version       stomp.Version
	before, after []byte // the receiver's lines
}

func (p *escapedParts) set(e *history.Entry, version stomp.Version) {
	if p.entry == e && p.version == version {
		return
	}
	p.entry, p.version = e, version
	first := e.Message.At(version, nil, 0)
	p.before, p.after = sockjs.Append(p.before[:0], first), p.after[:0]
	for at := len(first); ; {
		part := e.Message.At(version, nil, at)
		if len(part) == 0 {
			return
		}
		p.after = sockjs.Append(p.after, part)
		at += len(part)
	}
}

// appendEscaped appends the frame of e with these lines, as f's form has it.
func (f *scratch) appendEscaped(e *history.Entry, version stomp.Version, lines []byte) {
	start := len(f.buf)
	f.buf = append(f.buf, 0, 0, 0, 0) // headerRoom
	begin := len(f.buf)
	f.parts.set(e, version)
	f.buf = append(f.buf, sockjs.MessageHead...)
	f.buf = append(f.buf, f.parts.before...)
	f.buf = sockjs.Append(f.buf, lines)
	f.buf = append(f.buf, f.parts.after...)
	f.buf = append(f.buf, sockjs.MessageTail...)
	var header [10]byte
	n, heads := len(f.buf)-begin, 0
	if f.form == session.SockJSHTTP {
		f.buf = append(f.buf, '\n')
		n++
	} else {
		heads = len(websocket.AppendHeader(header[:0], ws.OpText, n))
	}
	if heads > headerRoom {
		f.buf = append(f.buf, header[headerRoom:heads]...)
	}
	if heads != headerRoom {
		copy(f.buf[start+heads:], f.buf[begin:begin+n])
	}
	copy(f.buf[start:], header[:heads])
	f.buf = f.buf[:start+heads+n]
}

// escapedWalk is where the escape of a large push stands: at a character of its frame, over bytes of whose escape are out.
type escapedWalk struct{ at, over int }

// beginEscaped measures a frame of SockJS and writes what comes before the escape to t.header.
func (t *transfer) beginEscaped() {
	n := t.entry.EscapedLen(t.version, t.lines) + sockjs.MessageExtra
	header := t.header[:0]
	if t.form == session.SockJS {
		header = websocket.AppendHeader(header, ws.OpText, n)
	}
	t.size = len(header) + n
	if t.form == session.SockJSHTTP {
		t.size++
	}
	t.heads = uint8(len(append(header, sockjs.MessageHead...)))
}

// escapedTail is what comes behind the escape.
func (t *transfer) escapedTail() string {
	if t.form == session.SockJSHTTP {
		return sockjs.MessageTail + "\n"
	}
	return sockjs.MessageTail
}

// escapedPiece builds what comes next in buf, a write's worth or a few bytes more, and returns where the walk stands behind it.
func (t *transfer) escapedPiece(buf []byte) (piece []byte, end escapedWalk) {
	end = t.walk
	if t.sent < int(t.heads) {
		buf = append(buf, t.header[t.sent:t.heads]...)
	}
	for len(buf) < writeBytes {
		p := t.entry.Message.At(t.version, t.lines, end.at)
		if len(p) == 0 {
			tail := t.escapedTail()
			buf = append(buf, tail[len(tail)-(t.left()-len(buf)):]...)
			break
		}
		before, most, used := len(buf), writeBytes, 0
		if end.over > 0 {
			most = before + 1 // this character alone
		}
		buf, used = sockjs.AppendUpTo(buf, p, most)
		if end.over > 0 {
			buf = append(buf[:before], buf[before+end.over:]...)
			end.over = 0
		}
		end.at += used
	}
	return buf, end
}

// advance moves the walk on behind the first n bytes of a piece.
func (t *transfer) advance(n int) {
	n -= min(n, max(0, int(t.heads)-t.sent))
	n += t.walk.over
	t.walk.over = 0
	for n > 0 {
		p := t.entry.Message.At(t.version, t.lines, t.walk.at)
		if len(p) == 0 {
			return // in the tail
		}
		used, left := sockjs.Skip(p, n)
		t.walk.at += used
		if used < len(p) {
			t.walk.over = left
			return
		}
		n = left
	}
}
