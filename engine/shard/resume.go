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

// resuming is a SUBSCRIBE with last-message-id that waits for this shard to come as far as the client.
type resuming struct {
	seen     []bus.Position
	deadline uint32 // ms
	token    uint32 // of the RECEIPT
	answer   bool
}

// behindTime is how long a shard that is behind the client has to catch up.
const behindTime = 2000 // ms

// resume begins a subscription with what its client has missed.
func (s *Shard) resume(c *Conn, i uint32, ev *session.Event) {
	r := &resuming{deadline: s.millis() + behindTime, answer: ev.HasReceipt}
	seen, err := bus.ParsePositions(string(ev.Resume))
	if err == nil {
		r.seen = seen
	}
	s.detach(i)
	b := s.subs.at(i)
	b.follow.resuming = r
	b.log.resuming++
	if b.log.kind == userQueue {
		b.follow.from = b.log.p.unicast.next()
	} else {
		b.follow.cursor = b.log.tail()
	}
	if r.answer {
		r.token = s.machine.Await(&c.sess, ev.Receipt, true)
	}
	s.followSoon(c)
}

// tryResume answers a resume unless this shard has yet to come as far as the client, or the RECEIPT would have to wait
// for others before it: it says what the messages behind it are. It reports whether the subscription may go on.
func (s *Shard) tryResume(c *Conn, i uint32) bool {
	b := s.subs.at(i)
	f, l := b.follow, b.log
	r := f.resuming
	if r.answer && !c.sess.Next(r.token) {
		return false
	}
	applied := l.p.applied
	if behind(r.seen, applied) && int32(s.millis()-r.deadline) < 0 {
		return false
	}
	b.begun()
	f.resumed = resumedGap
	b.gaps = l.gaps // the answer is about those too
	var missed []*history.Entry
	if len(r.seen) > 0 && !behind(r.seen, applied) {
		found, complete := l.p.settings.History.Since(wanted(c, l), r.seen, applied)
		if complete {
			f.resumed = resumedAll
			missed = found
		}
	}
	if f.resumed == resumedAll {
		s.stats.Resumed.Add(1)
	} else {
		s.stats.ResumeGaps.Add(1)
	}
	line := f.resumed.line() + positionLine(passed(applied, r.seen, missed))
	// It begins here: what came since SUBSCRIBE was missed too, or lies before the position that is answered.
	if l.kind == userQueue {
		missed = append(missed, s.own(c, b, r.seen)...)
		slices.SortFunc(missed, history.Compare)
		f.from = l.p.unicast.next()
	} else {
		f.cursor = l.tail()
	}
	for _, e := range missed {
		e.AddMatched(1)
	}
	f.backlog = missed
	f.progress = s.millis()
	if r.answer {
		s.settle(c, r.token, line)
	}
	return c.state == stateOpen && c.sess.Phase == session.Connected
}

// begun is called when a resuming subscription begins, or ends.
func (b *sub) begun() {
	if b.follow.resuming != nil {
		b.follow.resuming = nil
		b.log.resuming--
	}
}

// abandon answers a SUBSCRIBE whose client ends it before its resume has come out: other answers wait behind it.
func (s *Shard) abandon(c *Conn, i uint32) {
	if f := s.subs.at(i).follow; f != nil && f.resuming != nil && f.resuming.answer {
		s.machine.Settle(&c.sess, f.resuming.token, resumedGap.line())
	}
}

// wanted is what c's subscription to l gets of the history.
func wanted(c *Conn, l *log) history.Wanted {
	switch l.kind {
	case patterned:
		return history.Wanted{Match: l.pattern.Match}
	case userQueue:
		return history.Wanted{Chain: history.UserKey(c.user, l.name)}
	default:
		return history.Wanted{Chain: l.name}
	}
}

// passed is the position that a resumed subscription has behind it: what the shard has applied, but where pushes are
// yet to be given only what the client had.
func passed(applied map[int32]bus.Position, seen []bus.Position, missed []*history.Entry) map[int32]bus.Position {
	if len(missed) == 0 {
		return applied
	}
	all := maps.Clone(applied)
	for _, pos := range seen {
		if slices.ContainsFunc(missed, func(e *history.Entry) bool { return e.Position.Partition == pos.Partition }) {
			all[pos.Partition] = pos
		}
	}
	return all
}

// own are the pushes to c's very session that came since SUBSCRIBE and that its client has not seen. History has no
// chain of them.
func (s *Shard) own(c *Conn, b *sub, seen []bus.Position) (own []*history.Entry) {
	for _, e := range b.follow.backlog {
		if e.Session != "" && !has(seen, e.Position) {
			own = append(own, e)
		}
	}
	u := &b.log.p.unicast
	for n := max(b.follow.from, u.base); n < u.next(); n++ {
		e := u.entries.At(int(n - u.base))
		if e.Session != "" && e.Destination == b.log.name && s.addressee(b.log.p, e) == c && !has(seen, e.Position) {
			own = append(own, e)
		}
	}
	return own
}

// has reports whether a client that has seen these positions has what is at pos.
func has(seen []bus.Position, pos bus.Position) bool {
	return slices.ContainsFunc(seen, func(p bus.Position) bool {
		return p.Epoch == pos.Epoch && p.Partition == pos.Partition && p.Offset >= pos.Offset
	})
}

// behind reports whether a client has seen what the shard has not taken yet. Another node may have heard of a new
// partition before this one.
func behind(seen []bus.Position, applied map[int32]bus.Position) bool {
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
