package shard

import (
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
	if r.answer {
		var ok bool
		if r.token, ok = s.machine.Await(&c.sess, ev.Receipt, true); !ok {
			s.fail(c, session.TooManyAnswers())
			return
		}
	}
	s.detach(i)
	b := s.subs.at(i)
	b.follow.resuming = r
	if b.log.kind == userQueue {
		b.follow.from = b.log.p.unicast.next()
	} else {
		b.follow.cursor = b.log.tail()
	}
	s.followSoon(c)
}

// tryResume answers a resume unless this shard has yet to come as far as the client. It reports whether the
// subscription may go on.
func (s *Shard) tryResume(c *Conn, i uint32) bool {
	b := s.subs.at(i)
	f, l := b.follow, b.log
	r := f.resuming
	applied := l.p.applied
	if behind(r.seen, applied) && int32(s.millis()-r.deadline) < 0 {
		return false
	}
	f.resuming = nil
	f.resumed = resumedGap
	wanted := history.Wanted{Chain: l.name}
	switch l.kind {
	case patterned:
		wanted = history.Wanted{Match: l.pattern.Match}
	case userQueue:
		wanted.Chain = history.UserKey(c.user, l.name)
	}
	upTo := make(map[int32]int64, len(applied))
	for n, p := range applied {
		upTo[n] = p.Offset
	}
	if len(r.seen) > 0 && !behind(r.seen, applied) {
		if missed, complete := l.p.settings.History.Since(wanted, r.seen, upTo); complete {
			f.resumed = resumedAll
			f.backlog = missed
			for _, e := range missed {
				e.AddMatched(1)
			}
			if l.kind == userQueue {
				f.from = l.p.unicast.next()
			} else {
				f.cursor = l.tail()
			}
		}
	}
	if f.resumed == resumedAll {
		s.stats.Resumed.Add(1)
	} else {
		s.stats.ResumeGaps.Add(1)
	}
	f.progress = s.millis()
	if r.answer {
		s.settle(c, r.token, f.resumed.line()+s.positionLine(l.p))
	}
	return c.state == stateOpen && c.sess.Phase == session.Connected
}

// behind reports whether a client has seen what the shard has not taken yet.
func behind(seen []bus.Position, applied map[int32]bus.Position) bool {
	for _, p := range seen {
		if a, ok := applied[p.Partition]; ok && a.Epoch == p.Epoch && a.Offset < p.Offset {
			return true
		}
	}
	return false
}
