package shard

import (
	"time"

	"stentor/engine/bus"
	"stentor/engine/history"
	"stentor/engine/refusal"
)

// follow is the state of a subscription that goes at its own pace: it could not take its write in a round, waits for ACKs,
// or resumes. One with an ACK window keeps its count here too. A slow subscription affects no other, and holds no push:
// what waits is in history, or in the log that all subscribers share.
type follow struct {
	cursor uint64         // number of the next push in its log; unused by a user's subscription
	from   uint64         // number in the project's unicast queue before which pushes are not for it
	past   history.Cursor // before cursor: what a resuming client has missed; for a user's subscription, all that waits

	buffered uint32 // of the socket, when last checked
	progress uint32 // ms when something last moved
	fed      uint32 // ms when it was last given something
	next     uint32 // tick of the next attempt
	dropped  uint32 // pushes lost to the policy, to be announced with the next MESSAGE
	lost     uint32 // in all
	wait     uint8  // ticks between attempts
	resumed  resumed

	resume  *resume        // while it is resuming
	early   *early         // of a user's, after its resume
	unacked []bus.Position // within the ACK window, in order
}

// maxWait bounds the ticks between attempts for a socket that does not drain: 640 ms.
const maxWait = 32

// releaseFollow frees the follow of a subscription that is not detached and has nothing to count or to announce.
func (b *sub) releaseFollow() {
	if f := b.follow; f != nil && !b.state.detached() && !b.windowed() && f.dropped == 0 && f.resumed == notResumed {
		b.forgive()
		b.follow = nil
	}
}

// turnWrites is how many writes a detached subscription gets in one attempt.
const turnWrites = 4

func (s *Shard) move(c *Conn, i uint32) {
	if s.subs.at(i).state == resuming && !s.tryResume(c, i) {
		return
	}
	for range turnWrites {
		if s.fallen(c, i) {
			return
		}
		if buffered := s.blocked(c); buffered > 0 {
			s.stuck(c, i, buffered)
			return
		}
		if other := s.hungriest(c, i); other != i {
			if i = other; s.fallen(c, i) {
				return
			}
		}
		if s.caughtUp(i) || !s.feed(c, i) {
			return
		}
	}
}

// hungriest is the detached subscription of c that can be given something and has waited longest; i among equals. They
// share a socket, and one that always has pushes waiting must not starve the others.
func (s *Shard) hungriest(c *Conn, i uint32) uint32 {
	for j := c.subs; j != 0; j = s.subs.at(j).next {
		b := s.subs.at(j)
		if b.state == following && int32(b.follow.fed-s.subs.at(i).follow.fed) < 0 &&
			b.waiting() > 0 && s.room(b) > 0 {
			i = j
		}
	}
	return i
}

// waiting is how many pushes a detached subscription has yet to be given; of a pattern that resumes, how many are to be
// scanned for it.
func (b *sub) waiting() int {
	n := b.follow.past.Waiting()
	if l := b.target.log; l != nil {
		n += int(l.tail() - b.follow.cursor)
	}
	return n
}

// caughtUp attaches a subscription that has reached the head, and reports that there is nothing more to give.
func (s *Shard) caughtUp(i uint32) bool {
	b := s.subs.at(i)
	f, l := b.follow, b.target.log
	if !f.past.Empty() {
		return false
	}
	if l == nil {
		if f.queuePassed(b.target.p.unicast.base) {
			f.early = nil
			s.enter(i, direct)
		}
		return true
	}
	if !s.join(i, f.cursor) {
		return b.waiting() == 0
	}
	l.trim()
	return true
}

// fallen applies the policy to a subscription whose next push history has evicted, and reports whether the connection was
// closed for it.
func (s *Shard) fallen(c *Conn, i uint32) (closed bool) {
	b := s.subs.at(i)
	f, t := b.follow, b.target
	settings, missed := t.p.settings, 0
	if l := t.log; l != nil {
		l.trim()
		missed = int(l.base - min(f.cursor, l.base))
	}
	past := settings.History
	fallen := past.Fallen(&f.past, t.matcher())
	if !fallen && missed == 0 {
		return false
	}
	if settings.Slow == Disconnect {
		s.tooSlow(c)
		return true
	}
	if missed > 0 {
		t.log.lost(f.cursor)
		f.cursor += uint64(missed)
	}
	if fallen {
		missed += past.Skip(&f.past, t.matcher())
	}
	s.lose(f, missed)
	if settings.Slow == KeepLatest {
		s.keepLast(b)
	}
	return false
}

// lose counts n pushes that a subscription will not get.
func (s *Shard) lose(f *follow, n int) {
	f.dropped += uint32(n)
	f.lost += uint32(n)
	s.stats.Dropped.Add(uint64(n))
}

// keepLast skips all that waits for b but the newest push.
func (s *Shard) keepLast(b *sub) {
	f, l := b.follow, b.target.log
	newer := l != nil && l.tail() > f.cursor
	n := b.target.p.settings.History.Latest(&f.past, newer)
	if newer {
		last := l.tail() - 1
		for number := max(f.cursor, l.base, last-min(last, goneReports)); number < last; number++ {
			l.at(number).AddDropped()
		}
		n += int(last - f.cursor)
		f.cursor = last
	}
	s.lose(f, n)
}

// stuck waits for a socket that has not drained, longer each time.
func (s *Shard) stuck(c *Conn, i uint32, buffered int) {
	f := s.subs.at(i).follow
	if uint32(buffered) < f.buffered {
		f.progress = s.millis()
		f.wait = 0
	}
	f.buffered = uint32(buffered)
	s.patience(c, i)
}

// patience applies the policy to a client that has taken nothing at all for too long, and otherwise waits. History decides
// what drop-oldest drops.
func (s *Shard) patience(c *Conn, i uint32) {
	b := s.subs.at(i)
	f, settings := b.follow, b.target.p.settings
	if stood := time.Duration(s.millis()-f.progress) * time.Millisecond; stood > settings.SlowTimeout && !s.grace.lasts {
		switch settings.Slow {
		case Disconnect:
			s.tooSlow(c)
			return
		case KeepLatest:
			s.keepLast(b)
		}
	}
	f.wait = min(max(1, 2*f.wait), maxWait)
	f.next = s.tick + uint32(f.wait)
}

const tooSlowText = "the client reads too slowly"

func (s *Shard) tooSlow(c *Conn) {
	s.stats.SlowCloses.Add(1)
	if c.socket.OutboundBuffered() > 0 || c.moves && !s.moves[c.idx].queued {
		s.cut(c, refusal.Slow, tooSlowText)
		return
	}
	s.expel(c, refusal.Slow, tooSlowText)
}

// feed writes the next pushes of a detached subscription and reports whether it may go on.
func (s *Shard) feed(c *Conn, i uint32) bool {
	b := s.subs.at(i)
	f, t, l := b.follow, b.target, b.target.log
	room := s.room(b)
	if room == 0 {
		s.patience(c, i)
		return false
	}
	out := &s.frames[c.sess.Form]
	out.begin()
	var dropped int
	s.given, dropped = t.p.settings.History.Read(&f.past, t.matcher(), s.given[:0], history.Budget{Pushes: room, Bytes: writeBytes, Lines: linesGuess + 4, Escaped: out.form.Escaped()})
	s.lose(f, dropped)
	for _, e := range s.given {
		if f.past.Counts(e) {
			e.AddMatched(1)
		}
	}
	if e := s.largeOne(out, b); e != nil {
		return s.feedLarge(c, i, e)
	}
	note := b.note()
	noted := note != nil
	for _, e := range s.given {
		note = s.appendNoted(out, b, e, note)
	}
	if l != nil && f.past.Empty() {
		end := l.tail()
		if f.cursor < l.end { // not past the rounds: where they are it can join them
			end = l.end
		}
		for ; f.cursor < end && s.fits(out, l.at(f.cursor), room); f.cursor++ {
			note = s.appendNoted(out, b, l.at(f.cursor), note)
			s.given = append(s.given, l.at(f.cursor))
		}
	}
	f.progress, f.fed, f.wait = s.millis(), s.millis(), 0
	s.skipped(out)
	if len(out.buf) == 0 {
		s.unfinished = len(s.given) == 0 && !f.past.Empty()
		clear(s.given)
		return !s.unfinished
	}
	if noted && note == nil {
		f.dropped, f.resumed = 0, notResumed
		b.gaps = t.lossCount()
	}
	s.sent(out, t.p)
	written := s.write(c, out.buf)
	for _, e := range s.given {
		switch {
		case !carries(out.form, e):
		case written:
			e.AddWritten(1, s.now)
		default:
			e.AddFailed(1, s.now)
		}
	}
	clear(s.given)
	return written
}

// skipped counts those that a detached subscription was given and that f left out because its form cannot carry them.
func (s *Shard) skipped(f *scratch) {
	if f.skipped == 0 {
		return
	}
	for _, e := range s.given {
		if !carries(f.form, e) {
			e.AddSkipped(1, s.now)
		}
	}
}

// largeOne takes the next push of a detached subscription from its history or its log if the push is large and so goes
// alone; else it returns nil.
func (s *Shard) largeOne(out *scratch, b *sub) *history.Entry {
	f, l, escaped := b.follow, b.target.log, out.form.Escaped()
	switch {
	case len(s.given) == 1 && large(s.given[0], escaped):
		e := s.given[0]
		clear(s.given)
		return e
	case len(s.given) == 0 && l != nil && f.past.Empty() && f.cursor < l.tail() && large(l.at(f.cursor), escaped):
		f.cursor++
		return l.at(f.cursor - 1)
	}
	return nil
}

// feedLarge is feed for a push that goes alone.
func (s *Shard) feedLarge(c *Conn, i uint32, e *history.Entry) bool {
	f := s.subs.at(i).follow
	f.progress, f.fed, f.wait = s.millis(), s.millis(), 0
	_, stands := s.transfer(c, i, e)
	return stands && !c.moves
}

// fits reports whether the write under way has room for one more push.
func (s *Shard) fits(out *scratch, e *history.Entry, room int) bool {
	n := len(s.given)
	return n == 0 || n < room && len(out.buf)+frameLen(e, out.form.Escaped()) <= writeBytes
}
