package stomp

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
	"unsafe"
)

// HeaderField is one user header of a push.
type HeaderField struct{ Name, Value string }

// Message is a MESSAGE encoded once for all its receivers: everything but the lines that differ between receivers. Those
// are spliced in before the user headers, so that among equal names they come first. NewMessage makes it. It never
// changes, and any number of goroutines may read it; copies share the bytes.
type Message struct {
	buf     []byte // as 1.0 writes it; for all versions if nothing has to be escaped
	split   uint32 // where the receiver's lines go
	body    uint32 // where the body begins
	end     uint32 // where the frame ends, and packed begins
	text    bool
	escaped *escapedHeads // nil if nothing has to be escaped
}

// escapedHeads is what 1.1 and 1.2 write before the body, which always comes from Message.buf.
type escapedHeads struct{ v11, v12 messageHead }

type messageHead struct {
	buf   []byte
	split uint32
}

// NewMessage encodes a MESSAGE and copies its arguments. The order is destination, message-id, content-type unless empty,
// content-length, the place for the subscriber's lines, and then headers, without those that are reserved (ReservedHeader)
// or have no name.
func NewMessage(destination, messageID, contentType string, headers []HeaderField, body []byte) Message {
	return NewPackedMessage(destination, messageID, contentType, headers, body, nil)
}

// NewPackedMessage is NewMessage with packed beside it, another form of the body and its NUL: see Packed.
func NewPackedMessage(destination, messageID, contentType string, headers []HeaderField, body, packed []byte) Message {
	parts := messageParts{destination, messageID, contentType, headers, len(body)}
	plain := parts.size(V10)
	buf, split := parts.appendTo(make([]byte, 0, plain+len(body)+1+len(packed)), V10)
	buf = append(append(buf, body...), 0)
	m := Message{split: uint32(split), body: uint32(plain), end: uint32(len(buf)), text: utf8.Valid(buf)}
	m.buf = append(buf, packed...)

	if size12 := parts.size(V12); size12 > plain {
		m.escaped = parts.escape(size12)
	}
	return m
}

// Len returns the length of the frame with so many bytes of lines.
func (m *Message) Len(v Version, lines int) int {
	if h := m.head(v); h != nil {
		return len(h.buf) + lines + int(m.end-m.body)
	}
	return int(m.end) + lines
}

// HeadLen returns how long the frame is up to its body.
func (m *Message) HeadLen(v Version, lines int) int { return m.Len(v, lines) - int(m.end-m.body) }

// AppendTo appends the frame for a subscriber that uses v. lines are complete header lines, escaped for v, each with its
// LF: at least subscription.
func (m *Message) AppendTo(dst []byte, v Version, lines []byte) []byte {
	if h := m.head(v); h != nil {
		dst = slices.Grow(dst, m.Len(v, len(lines)))
		dst = append(dst, h.buf[:h.split]...)
		dst = append(dst, lines...)
		dst = append(dst, h.buf[h.split:]...)
		return append(dst, m.buf[m.body:m.end]...)
	}
	dst = slices.Grow(dst, int(m.end)+len(lines))
	dst = append(dst, m.buf[:m.split]...)
	dst = append(dst, lines...)
	return append(dst, m.buf[m.split:m.end]...)
}

// AppendPacked is AppendTo with Packed in place of the body and its NUL.
func (m *Message) AppendPacked(dst []byte, v Version, lines []byte) []byte {
	head, split := m.buf[:m.body], m.split
	if h := m.head(v); h != nil {
		head, split = h.buf, h.split
	}
	dst = slices.Grow(dst, len(head)+len(lines)+len(m.Packed()))
	dst = append(dst, head[:split]...)
	dst = append(dst, lines...)
	dst = append(dst, head[split:]...)
	return append(dst, m.Packed()...)
}

// At returns the frame from offset on, as far as it is contiguous in memory, and nothing at its end. The frame is the one
// that AppendTo appends with the same lines. Nothing is copied; the bytes must not be changed.
func (m *Message) At(v Version, lines []byte, offset int) []byte {
	head, split := m.buf[:m.body], int(m.split)
	h := m.head(v)
	if h != nil {
		head, split = h.buf, int(h.split)
	}
	if offset < split {
		return head[offset:split]
	}
	if offset -= split; offset < len(lines) {
		return lines[offset:]
	}
	offset += split - len(lines) // as if there were no lines
	if h == nil {
		return m.buf[offset:m.end]
	}
	if offset < len(head) {
		return head[offset:]
	}
	return m.buf[int(m.body)+offset-len(head) : m.end]
}

// PackedAt is At for what AppendPacked appends.
func (m *Message) PackedAt(v Version, lines []byte, offset int) []byte {
	head := m.HeadLen(v, len(lines))
	if offset >= head {
		return m.Packed()[offset-head:]
	}
	p := m.At(v, lines, offset)
	return p[:min(len(p), head-offset)]
}

// Text reports whether the frame is UTF-8, provided that the lines are.
func (m *Message) Text() bool { return m.text }

// Body returns the body, which must not be changed.
func (m *Message) Body() []byte { return m.buf[m.body : m.end-1] }

// Packed returns what NewPackedMessage was given, which must not be changed; nothing if there is none.
func (m *Message) Packed() []byte { return m.buf[m.end:] }

// Size returns how many bytes all encodings take together, without the struct itself.
func (m *Message) Size() int {
	n := len(m.buf)
	if e := m.escaped; e != nil {
		n += int(unsafe.Sizeof(*e)) + len(e.v12.buf)
		if len(e.v11.buf) != len(e.v12.buf) {
			n += len(e.v11.buf)
		}
	}
	return n
}

// head returns the head that v needs instead of the plain one, or nil.
func (m *Message) head(v Version) *messageHead {
	switch {
	case m.escaped == nil || v == V10:
		return nil
	case v == V11:
		return &m.escaped.v11
	}
	return &m.escaped.v12
}

// messageParts is what NewMessage writes before the body.
type messageParts struct {
	destination, messageID, contentType string
	headers                             []HeaderField
	length                              int // of the body
}

// size returns the length of the head as v writes it, the blank line included.
func (p *messageParts) size(v Version) int {
	field := func(name, value string) int {
		if v == V10 { // which replaces bytes one for one
			return len(name) + len(value) + len(":\n")
		}
		return escapedLen(names[v], name) + escapedLen(values[v], value) + len(":\n")
	}
	n := len("MESSAGE\n") + field("destination", p.destination) + field("message-id", p.messageID)
	if p.contentType != "" {
		n += field("content-type", p.contentType)
	}
	n += len("content-length:\n\n")
	for rest := p.length; ; rest /= 10 {
		n++
		if rest < 10 {
			break
		}
	}
	for i := range p.headers {
		if h := &p.headers[i]; passes(h.Name) {
			n += field(h.Name, h.Value)
		}
	}
	return n
}

// appendTo appends the head as v writes it to an empty dst and returns where the subscriber's lines go.
func (p *messageParts) appendTo(dst []byte, v Version) (head []byte, split int) {
	dst = AppendCommand(dst, MessageCommand)
	dst = AppendHeader(dst, v, "destination", p.destination)
	dst = AppendHeader(dst, v, "message-id", p.messageID)
	if p.contentType != "" {
		dst = AppendHeader(dst, v, "content-type", p.contentType)
	}
	dst = append(dst, "content-length:"...)
	dst = append(strconv.AppendInt(dst, int64(p.length), 10), '\n')
	split = len(dst)
	for i := range p.headers {
		if h := &p.headers[i]; passes(h.Name) {
			dst = AppendHeader(dst, v, h.Name, h.Value)
		}
	}
	return append(dst, '\n'), split
}

// escape makes the heads of 1.1 and 1.2; size12 is the length of the latter. Both are the same unless there is a CR, which
// only 1.2 can express.
func (p *messageParts) escape(size12 int) *escapedHeads {
	var e escapedHeads
	buf, split := p.appendTo(make([]byte, 0, size12), V12)
	e.v12 = messageHead{buf, uint32(split)}
	e.v11 = e.v12
	if size11 := p.size(V11); size11 != size12 {
		buf, split = p.appendTo(make([]byte, 0, size11), V11)
		e.v11 = messageHead{buf, uint32(split)}
	}
	return &e
}

func passes(name string) bool { return name != "" && !ReservedHeader(name) }

// ReservedHeader reports whether a header cannot be a user header: it belongs to STOMP, or only the server may set it on a
// message. White space around a name is ignored, since some clients trim names.
func ReservedHeader(name string) bool {
	switch TrimName(name) {
	case "subscription", "destination", "message-id", "content-type", "content-length", "ack", "receipt",
		"receipt-id", "transaction", "id", "version", "session", "server", "heart-beat":
		return true
	case "resumed", "dropped", "position": // what became of a subscription
		return true
	}
	return false
}

// TrimName returns a header's name as clients that trim names see it: without what JavaScript counts as white space.
func TrimName(name string) string {
	return strings.TrimFunc(name, func(c rune) bool { return unicode.IsSpace(c) || c == '\uFEFF' })
}
