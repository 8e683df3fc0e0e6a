package shard

import (
	"maps"
	"slices"

	"stentor/engine/bus"
	"stentor/engine/history"
	"stentor/engine/session"
)

// resumed is the answer to a last-message-id, told on the RECEIPT and on the next MESSAGE.
type resumed uint8

const (
	notResumed resumed = iota
	resumedAll
	resumedGap
)

func (r resumed) line() string {
	switch r {
	case resumedAll:
		return "resumed:true\n"
	case resumedGap:
		return "resumed:false\n"
	default:
		return ""
	}
}

// resume is a SUBSCRIBE with last-message-id that waits for this shard to catch up with the client, or for the search for
// what the client has missed.
type resume struct {
	search   history.Resume
	deadline uint32 // ms
	token    uint32 // of the RECEIPT
	answer   bool
	taken    uint64 // what the shard had taken at SUBSCRIBE
}

// early is what a user's subscription keeps of its resume while pushes wait in the project's unicast queue that came before
// the answer.
type early struct {
	from, until uint64 // numbers in the queue at SUBSCRIBE, and at the answer
	seen        []bus.Position
}

// catchUpTime is how long a shard that is behind the client has to catch up.
const catchUpTime = 2000 // ms

// resume begins a subscription with what its client has missed.
func (s *Shard) resume(c *Conn, i uint32, ev *session.Event) {
	r := &resume{deadline: s.millis() + catchUpTime, answer: ev.HasReceipt, taken: s.subs.at(i).target.p.taken}
	if seen, err := bus.ParsePositions(string(ev.Resume)); err == nil {
		r.search = history.NewResume(seen)
	}
	s.enter(i, resuming)
	b := s.subs.at(i)
	b.follow.resume = r
	b.target.p.pool.add(b.resumes())
	if l := b.target.log; l == nil {
		b.follow.from = b.target.p.unicast.next()
	} else {
		b.follow.cursor = l.tail()
	}
	if r.answer {
		r.token = s.machine.Await(&c.sess, ev.Receipt, true, 0)
	}
	s.followSoon(c)
}

// tryResume answers a resume, unless this shard is still behind the client, the search for what was missed is unfinished,
// or the RECEIPT would have to wait for others before it, since it says which messages follow it. It reports whether the
// subscription may go on.
func (s *Shard) tryResume(c *Conn, i uint32) bool {
	b := s.subs.at(i)
	f, t := b.follow, b.target
	r := f.resume
	if r.answer && !c.sess.Next(r.token) {
		return false
	}
	p := t.p
	seen := r.search.Seen()
	late := ahead(seen, p.applied)
	if late && (s.grace.lasts || int32(s.millis()-r.deadline) < 0) {
		return false
	}
	past, answer := history.Cursor{}, history.Gap
	if len(seen) > 0 && !late {
		past, answer = p.settings.History.Resume(wanted(c, t), &r.search, p.applied, b.given())
	}
	switch answer {
	case history.Unsure:
		s.unfinished = true
		return false
	case history.Whole:
		f.resumed = resumedAll
		s.stats.Resumed.Add(1)
	default:
		f.resumed = resumedGap
		past = history.From(p.taken)
		s.stats.ResumeGaps.Add(1)
	}
	s.enter(i, following)
	b.gaps = t.lossCount() // the answer is about those too
	line := f.resumed.line() + positionLine(t.passed(seen, answer, &past))
	s.beginResumed(b, past, answer, seen)
	f.progress = s.millis()
	if r.answer {
		s.settle(c, r.token, line)
	}
	return c.state == stateOpen && c.sess.Phase == session.Connected
}

// beginResumed lets b, whose resume is answered, go on with past. What came since SUBSCRIBE was missed too, or lies before
// the answered position. Pushes to the session itself are different, since history gives a resume none of them: they are
// b's from SUBSCRIBE on. Those that came are in its cursor, others may wait for their turn.
func (s *Shard) beginResumed(b *sub, past history.Cursor, answer history.Answer, seen []bus.Position) {
	f := b.follow
	if l := b.target.log; l != nil {
		f.past, f.cursor = past, l.tail()
		return
	}
	u := &b.target.p.unicast
	past.Join(&f.past)
	f.past = past
	if u.entries.Len() > 0 {
		f.early = &early{f.from, u.next(), seen}
	}
	if answer == history.Whole {
		f.from = max(f.from, u.untouched())
	} else {
		f.from = u.next()
	}
}

// given is the number in history behind the last push that b, whose resume is asked for, gets out of history. A user's
// subscription gets what waits in the unicast queue when its turn comes. But only what came since SUBSCRIBE is sure to be
// there: before that the user may not have been on this shard.
func (b *sub) given() uint64 {
	u := &b.target.p.unicast
	switch at := u.untouched(); {
	case b.target.log != nil || at >= u.next():
		return b.target.p.taken
	case at < b.follow.from:
		return b.follow.resume.taken
	default:
		return u.entries.At(int(at - u.base)).Number()
	}
}

// endResume drops the resume of a subscription that begins or ends.
func (b *sub) endResume() {
	b.target.p.pool.add(-b.resumes())
	b.follow.resume = nil
}

// abandon answers a SUBSCRIBE that its client ends before the resume is answered: other answers wait behind it.
func (s *Shard) abandon(c *Conn, i uint32) {
	if b := s.subs.at(i); b.state == resuming && b.follow.resume.answer {
		s.machine.Settle(&c.sess, b.follow.resume.token, resumedGap.line())
	}
}

// wanted is what c's subscription to t gets of the history.
func wanted(c *Conn, t *target) history.Wanted {
	switch pattern := t.matcher(); {
	case pattern != nil:
		return history.Wanted{Match: pattern}
	case t.log == nil:
		return history.Wanted{Chain: history.UserKey(c.user, t.name)}
	default:
		return history.Wanted{Chain: t.name}
	}
}

// passed is the position of a resumed subscription: what the shard has applied, but only what the client had in partitions
// of which pushes are, or may be, still to be given.
func (t *target) passed(seen []bus.Position, answer history.Answer, past *history.Cursor) map[int32]bus.Position {
	waits := answer == history.Whole && t.log == nil && t.p.unicast.entries.Len() > 0
	if past.Empty() && !waits {
		return t.p.applied
	}
	all := maps.Clone(t.p.applied)
	for _, pos := range seen {
		if waits || past.Has(pos.Partition) {
			all[pos.Partition] = pos
		}
	}
	return all
}

// has reports whether a client that has seen these positions has what is at pos.
func has(seen []bus.Position, pos bus.Position) bool {
	return slices.ContainsFunc(seen, func(p bus.Position) bool {
		return p.Epoch == pos.Epoch && p.Partition == pos.Partition && p.Offset >= pos.Offset
	})
}

// ahead reports whether a client has seen what the shard has not taken yet. Another node may have heard of a new
// partition before this one.
func ahead(seen []bus.Position, applied map[int32]bus.Position) bool {
	for _, p := range seen {
		a, known := applied[p.Partition]
		if known && a.Epoch == p.Epoch && a.Offset < p.Offset || !known && reads(applied, p.Epoch) {
			return true
		}
	}
	return false
}

// reads reports whether a shard is in this epoch, or has yet to hear of any: its node has just started.
func reads(applied map[int32]bus.Position, epoch uint64) bool {
	for _, a := range applied {
		return a.Epoch == epoch // all are of one
	}
	return true
}
