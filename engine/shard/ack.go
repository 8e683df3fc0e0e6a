package shard

import (
	"math"
	"slices"
	"strings"

	"stentor/engine/bus"
	"stentor/engine/history"
	"stentor/engine/session"
	"stentor/stomp"
)

// windowed reports whether b's client has to acknowledge before it gets more.
func (b *sub) windowed() bool { return b.ack != session.AckAuto && b.target.p.settings.AckWindow > 0 }

// room is how many pushes b may get before its client acknowledges some.
func (s *Shard) room(b *sub) int {
	if b.follow == nil || !b.windowed() {
		return math.MaxInt32
	}
	return max(0, b.target.p.settings.AckWindow-len(b.follow.unacked))
}

// expect notes that b's client owes an ACK for e, which it is about to get. Without a window nothing is owed. What was sent
// then stays unowed when a reload brings the window back; in client mode an ACK may still name it.
func (s *Shard) expect(b *sub, e *history.Entry) {
	switch {
	case b.follow == nil:
	case !b.windowed():
		b.forgive()
	case b.owe(e.Position):
		s.postTo(s.conns.at(b.conn).ref(), s.reckon)
	}
}

// owe notes that b's client owes an ACK for pos. It reports whether it allocated enough memory to be counted.
func (b *sub) owe(pos bus.Position) (grew bool) {
	before := b.window()
	b.follow.unacked = append(b.follow.unacked, pos)
	after := b.window()
	if after == before {
		return false
	}
	b.target.p.pool.add(after - before)
	return after > Allowance/2
}

// acknowledge frees room. ACK is flow control only: nothing is redelivered when one is missing, and an unknown id is not an
// error.
func (s *Shard) acknowledge(c *Conn, ev *session.Event) {
	position, sub := string(ev.ID), ev.Sub
	if c.sess.Version == stomp.V12 {
		var name string
		position, name, _ = strings.Cut(position, ".")
		sub = []byte(name)
	}
	pos, err := bus.ParsePosition(position)
	if err != nil {
		return
	}
	work := 0
	for i := c.subs; i != 0; i = s.subs.at(i).next {
		b := s.subs.at(i)
		if b.follow == nil || len(sub) > 0 && b.id.key.id != string(sub) {
			continue
		}
		freed, steps := b.free(pos)
		work += steps
		if freed && b.state.detached() {
			b.follow.progress = s.millis()
			b.follow.next, b.follow.wait = s.tick, 0
			s.followSoon(c)
		}
	}
	c.frames += int32(work / ackWork)
}

// ackWork is how many positions an ACK may scan before it counts as one more frame: a window may have 65,535, and a session
// many of them.
const ackWork = 1024

// free removes pos from the ACKs that b's client owes; in client mode all before it too. Each step scans or moves one
// position.
func (b *sub) free(pos bus.Position) (freed bool, steps int) {
	f := b.follow
	at := slices.Index(f.unacked, pos)
	if at < 0 {
		return false, len(f.unacked)
	}
	before := b.window()
	n, later := at+1, len(f.unacked)-at-1
	const small = 64 // so few are moved rather than allocated again
	switch {
	case len(f.unacked) <= small && b.ack == session.AckClient:
		f.unacked = slices.Delete(f.unacked, 0, n)
	case len(f.unacked) <= small:
		f.unacked = slices.Delete(f.unacked, at, n)
	case b.ack == session.AckClient && n >= later:
		f.unacked = slices.Delete(f.unacked, 0, n)
	case b.ack == session.AckClient:
		f.unacked = f.unacked[n:] // a large rest stays where it is
	case at >= later:
		f.unacked = slices.Delete(f.unacked, at, n)
	default:
		copy(f.unacked[1:], f.unacked[:at])
		f.unacked = f.unacked[1:]
	}
	b.target.p.pool.add(b.window() - before)
	b.slim()
	return true, at + min(at, later)
}

// slim releases the memory for many ACKs when none is owed.
func (b *sub) slim() {
	const keep = 64
	if f := b.follow; len(f.unacked) == 0 && cap(f.unacked) > keep {
		b.forgive()
	}
}

// forgive drops the ACKs that b's client owes.
func (b *sub) forgive() {
	if n := b.window(); n > 0 {
		b.target.p.pool.add(-n)
		b.follow.unacked = nil
	}
}

// window is what b holds for ACKs that are owed.
func (b *sub) window() int {
	if b.follow == nil {
		return 0
	}
	return cap(b.follow.unacked) * ackCost
}
