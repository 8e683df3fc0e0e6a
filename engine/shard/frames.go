package shard

import (
	"math"
	"strconv"

	"github.com/gobwas/ws"

	"stentor/engine/history"
	"stentor/engine/session"
	"stentor/engine/websocket"
	"stentor/stomp"
)

// writeBytes is the most that one write to a subscription carries. A larger frame goes out in pieces of that size
// (transfer.go).
const writeBytes = 16 << 10

// linesGuess is the assumed length of the subscription line, for the choice of a round's range.
const linesGuess = 24

// frameLen is the length of a frame of e in STOMP 1.2, which escapes most; escaped as SockJS has it.
func frameLen(e *history.Entry, escaped bool) int {
	return e.LongestLen(linesGuess, escaped)
}

// scratch keeps the last built bytes of a round: most subscribers of a destination chose the same id, and get the
// same bytes. There is one for each form, so that clients of several forms side by side do not spoil each other's.
type scratch struct {
	form     session.Form
	buf      []byte
	messages int
	saved    int   // bytes by compression
	expired  int   // pushes that were left out
	skipped  int   // and those that the form cannot carry
	until    int64 // when the first of the others expires
	lines    []byte
	parts    escapedParts

	log  *log
	from uint64
	to   uint64
	id   *subID
	ack  bool
}

// forget is called when what was built may not be used again.
func (f *scratch) forget() { f.log, f.id = nil, nil }

// forget is called when a round begins.
func (s *Shard) forget() {
	for i := range s.frames {
		s.frames[i].forget()
		s.frames[i].parts.entry = nil
	}
}

// roundFrames returns what b gets in l's round: the range [head, end) without expired pushes. f is the scratch of its
// form. It is valid until the next call.
func (s *Shard) roundFrames(f *scratch, l *log, b *sub) []byte {
	if b.follow != nil || b.missed() {
		f.begin()
		note := b.note()
		for n := l.head; n < l.end; n++ {
			note = s.appendNoted(f, b, l.at(n), note)
		}
		return f.buf
	}
	ack := b.ack != session.AckAuto
	if f.log == l && f.from == l.head && f.to == l.end && f.id == b.id && f.ack == ack && s.now < f.until {
		if f.expired > 0 {
			s.stats.Expired.Add(uint64(f.expired))
		}
		if f.skipped > 0 {
			s.stats.Unsendable.Add(uint64(f.skipped))
		}
		return f.buf
	}
	f.begin()
	for n := l.head; n < l.end; n++ {
		s.appendMessage(f, b, l.at(n), nil)
	}
	f.log, f.from, f.to, f.id, f.ack = l, l.head, l.end, b.id, ack
	return f.buf
}

// appendMessage adds b's frame of e to f. It leaves out what has expired, and what the form cannot carry. note holds further header
// lines.
func (s *Shard) appendMessage(f *scratch, b *sub, e *history.Entry, note []byte) (added bool) {
	if e.Expired(s.now) {
		s.stats.Expired.Add(1)
		f.expired++
		return false
	}
	if !carries(f.form, e) {
		s.stats.Unsendable.Add(1)
		f.skipped++
		return false
	}
	if e.Expires != 0 {
		f.until = min(f.until, e.Expires)
	}
	lines, version := s.lines(f, b, e, note), b.id.key.version
	f.messages++
	if f.form.Escaped() {
		f.appendEscaped(e, version, lines)
		return true
	}
	if f.form == session.Deflated && f.appendPacked(e, version, lines) {
		return true
	}
	f.buf = websocket.AppendHeader(f.buf, opcode(e), e.Message.Len(version, len(lines)))
	f.buf = e.Message.AppendTo(f.buf, version, lines)
	return true
}

// lines returns the header lines of e that are b's own. They are valid until the next call.
func (s *Shard) lines(f *scratch, b *sub, e *history.Entry, note []byte) []byte {
	lines := b.id.lines
	if acked := b.ack != session.AckAuto && b.id.key.version == stomp.V12; acked || len(note) > 0 {
		f.lines = append(f.lines[:0], lines...)
		if acked {
			f.lines = append(f.lines, "ack:"...)
			f.lines = e.Position.AppendTo(f.lines)
			f.lines = append(f.lines, '.')
			f.lines = append(f.lines, b.id.wire...)
			f.lines = append(f.lines, '\n')
		}
		f.lines = append(f.lines, note...)
		return f.lines
	}
	return lines
}

func opcode(e *history.Entry) ws.OpCode {
	if e.Message.Text() {
		return ws.OpText
	}
	return ws.OpBinary
}

// begin empties the scratch.
func (f *scratch) begin() {
	f.forget()
	f.buf, f.messages, f.saved, f.expired, f.skipped, f.until = f.buf[:0], 0, 0, 0, 0, math.MaxInt64
}

// sent counts a write of f for p.
func (s *Shard) sent(f *scratch, p *project) {
	p.counts.deliveries.Add(uint64(f.messages))
	s.stats.Writes.Add(1)
	s.stats.Deliveries.Add(uint64(f.messages))
	if f.saved > 0 {
		s.stats.Saved.Add(uint64(f.saved))
	}
}

// cost of a write, in units of a small one.
func cost(n int) int { return 1 + n/4096 }

// appendNoted is appendMessage for a subscription with a follow: it expects the ACK, and returns the note that is still to
// be sent, nil once a message carries it.
func (s *Shard) appendNoted(f *scratch, b *sub, e *history.Entry, note []byte) []byte {
	if !s.appendMessage(f, b, e, note) {
		return note
	}
	s.expect(b, e)
	return nil
}

// missed reports whether there was a gap that b has yet to be told of.
func (b *sub) missed() bool { return b.gaps != b.target.lossCount() }

var gapLine = []byte(resumedGap.line())

// note builds the header lines that tell a subscription what happened to it: pushes dropped, the answer to its resume, a
// gap since. They go with its next MESSAGE. nil when there is nothing to announce.
func (b *sub) note() []byte {
	f, gap := b.follow, b.missed()
	switch {
	case gap && (f == nil || f.dropped == 0):
		return gapLine
	case f == nil || f.dropped == 0 && f.resumed == notResumed:
		return nil
	}
	answer := f.resumed
	if gap {
		answer = resumedGap
	}
	lines := make([]byte, 0, 64)
	if f.dropped > 0 {
		lines = append(lines, "dropped:"...)
		lines = strconv.AppendUint(lines, uint64(f.dropped), 10)
		lines = append(lines, '\n')
	}
	return append(lines, answer.line()...)
}

// told is called when the scratch, which has b's note, is about to be written.
func (s *Shard) told(b *sub) {
	b.gaps = b.target.lossCount()
	if f := b.follow; f != nil {
		f.dropped, f.resumed = 0, notResumed
		b.releaseFollow()
	}
}
