package history

import (
	"sync/atomic"

	"stentor/engine/bus"
	"stentor/engine/sockjs"
	"stentor/stomp"
)

// Entry is one push: its encoded MESSAGE and what is needed to find its subscribers. Everything but the counters is
// written before Append and never after, so any goroutine may read it.
type Entry struct {
	Message     stomp.Message
	Destination string // for a push to a user or session the part behind /user
	User        string
	Session     string
	ID          string
	Position    bus.Position
	Expires     int64   // node clock in ns after which it is no longer delivered; 0 never
	Time        int64   // node clock in ns at which it was read
	Report      *Report // nil when none can be queried

	chain   *chain
	seq     uint64 // number in its Log
	number  uint64 // in its chain
	size    int32  // bytes that it takes, without its chain
	pending atomic.Int32
	escaped atomic.Int64 // length of the body as SockJS has it, with its NUL; 0: not known yet
}

// NewEntry encodes r once for all its subscribers, and keeps only references to its strings. now and expires are times of
// the node's clock.
func NewEntry(pos bus.Position, r *bus.Record, now, expires int64) *Entry {
	return NewPackedEntry(pos, r, nil, now, expires)
}

// NewPackedEntry is NewEntry with the compressed form of the body and its NUL, which Message.Packed has then; nil: none.
func NewPackedEntry(pos bus.Position, r *bus.Record, packed []byte, now, expires int64) *Entry {
	shown := r.Destination
	if r.User != "" || r.Session != "" {
		shown = "/user" + r.Destination
	}
	var few [8]stomp.HeaderField // most pushes have no more
	fields := few[:0]
	for _, h := range r.Headers {
		fields = append(fields, stomp.HeaderField(h))
	}
	e := &Entry{
		Message:     stomp.NewPackedMessage(shown, pos.String(), r.ContentType, fields, r.Body, packed),
		Destination: r.Destination,
		User:        r.User,
		Session:     r.Session,
		ID:          r.ID,
		Position:    pos,
		Expires:     expires,
		Time:        now,
	}
	if len(r.Body) > measured {
		e.measure()
	}
	return e
}

// measured is the size up to which a body is measured when a shard asks. A larger one is measured before: it would keep a loop
// for too long.
const measured = 256 << 10

// measure returns the length of the body as SockJS has it, with its NUL.
func (e *Entry) measure() int {
	n := sockjs.Len(e.Message.Body()) + sockjs.Len([]byte{0})
	e.escaped.Store(int64(n))
	return n
}

// Expired reports whether the push has outlived its time to live. Any goroutine may call it.
func (e *Entry) Expired(now int64) bool { return e.Expires != 0 && now >= e.Expires }

// EscapedLen is the length of the frame as a JSON string of SockJS. lines are the receiver's. The body, which all share, is
// measured once. Any goroutine may call it.
func (e *Entry) EscapedLen(v stomp.Version, lines []byte) int {
	head := e.Message.HeadLen(v, len(lines))
	n := int(e.escaped.Load())
	if n == 0 {
		n = e.measure()
	}
	for at := 0; at < head; {
		p := e.Message.At(v, lines, at)
		p = p[:min(len(p), head-at)]
		n += sockjs.Len(p)
		at += len(p)
	}
	return n
}

// LongestLen is the length of the frame with so many bytes of lines in STOMP 1.2, which escapes most; escaped: as SockJS has it.
// Any goroutine may call it.
func (e *Entry) LongestLen(lines int, escaped bool) int {
	if escaped {
		return e.EscapedLen(stomp.V12, nil) + lines
	}
	return e.Message.Len(stomp.V12, lines)
}

// Evicted reports whether history has evicted e: a cursor that still needs it has lost it. Any goroutine may call it.
func (e *Entry) Evicted() bool { return e.seq < e.chain.log.floor.Load() }

// Done reports that one shard's rounds no longer need e. Each shard calls it once.
func (e *Entry) Done() {
	if e.pending.Add(-1) == 0 {
		e.chain.log.pending.Add(-int64(e.size))
	}
}

// Taken implements bus.Taken: no shard's rounds need e any longer. Any goroutine may call it.
func (e *Entry) Taken() bool { return e.pending.Load() == 0 }

// Need reports that one more log of a shard needs e. It is called before that shard calls Done.
func (e *Entry) Need() { e.pending.Add(1) }

// Number is e's place among the pushes of its Log, which counts them from 0.
func (e *Entry) Number() uint64 { return e.seq }

// Of reports whether e belongs to l.
func (e *Entry) Of(l *Log) bool { return e.chain.log == l }
