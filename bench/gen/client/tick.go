package client

import (
	"time"

	"stentor/stomp"

	"github.com/gobwas/ws"
)

// tick is how often a thread does what is due by the clock, unless it is late. Each tick takes the next few connections in turn,
// as many as make every one have its turn once per interval: no connection needs a timer, and the load is even.
const tick = 100 * time.Millisecond

// turns takes the places of a list in turn.
type turns struct {
	cursor int
	owed   float64 // part of a turn left over from the last tick
}

// due calls f with the places of a list of n whose turn it is when so much time has passed, if each has one every interval.
func (r *turns) due(n int, passed, every time.Duration, f func(i int)) {
	for r.owed += float64(n) * min(1, float64(passed)/float64(every)); r.owed >= 1; r.owed-- {
		if r.cursor++; r.cursor >= n {
			r.cursor = 0
		}
		f(r.cursor)
	}
}

// heartbeats is what a thread knows about them.
type heartbeats struct {
	send   time.Duration // between two of ours, with a reserve; 0 for none
	expect time.Duration // a server silent for so long has missed some; 0: may be silent
	most   time.Duration // a server silent for so long is given up, with Options.GiveUp
	turns  turns
}

// agree takes over what CONNECTED says; millis is what was offered and wanted. A server may raise its own offer with
// the number of its connections: all of them then get ours as often as the one that wants them most often, and are
// given the time of the one that has most.
func (h *heartbeats) agree(connected *stomp.Frame, millis uint32) {
	value, present := connected.Get("heart-beat")
	sx, sy, err := stomp.ParseHeartbeat(value, present)
	if err != nil {
		return // none, then: the server will be heard of if it expects some
	}
	theirs, ours := stomp.NegotiateHeartbeat(sx, sy, millis, millis)
	if send := time.Duration(ours) * time.Millisecond * 4 / 5; send > 0 && (h.send == 0 || send < h.send) {
		h.send = send
	}
	h.expect = max(h.expect, 3*time.Duration(theirs)*time.Millisecond)
	h.most = max(h.most, 2*time.Duration(theirs)*time.Millisecond)
}

// due does what is due at now and returns how many milliseconds epoll_wait may wait, -1 for any time.
func (t *thread) due(now time.Time) int {
	h := &t.beats
	if t.pending == 0 {
		t.underway = nil
	}
	if h.send == 0 && h.expect == 0 && len(t.slow) == 0 && t.pending == 0 {
		t.nextTick = time.Time{}
		return -1
	}
	if wait := t.nextTick.Sub(now); wait > 0 {
		return int(wait.Milliseconds()) + 1
	}
	passed := tick
	if !t.nextTick.IsZero() {
		passed += now.Sub(t.nextTick) // a host with too much to do comes late to its ticks
	}
	t.nextTick = now.Add(tick)
	every := h.send
	if every == 0 {
		every = h.expect
	}
	if every > 0 {
		h.turns.due(t.conns.len(), passed, every, func(i int) {
			if c := t.conns.at(int32(i)); c.state == open {
				t.beat(c, now)
			}
		})
	}
	t.sip(passed)
	t.expire(now)
	return int(tick.Milliseconds())
}

var eol = []byte{'\n'}

func (t *thread) beat(c *conn, now time.Time) {
	h := &t.beats
	quiet := t.millis(now) - c.heard
	if t.client.options.GiveUp && c.kind == Reading && h.most > 0 && time.Duration(quiet)*time.Millisecond > h.most {
		t.fail(c, "the server is silent")
		return
	}
	if c.kind == Reading && h.expect > 0 && time.Duration(quiet)*time.Millisecond > h.expect {
		t.counts.HeartbeatsMissed++
		c.heard = t.millis(now)
	}
	if h.send > 0 {
		t.send(c, ws.OpText, eol)
	}
}

// slowTurn is how often a slow connection reads.
const slowTurn = time.Second

// sip reads a little from the slow connections whose turn it is after so much time, and forgets those that are gone.
func (t *thread) sip(passed time.Duration) {
	if len(t.slow) == 0 {
		return
	}
	gone := false
	t.sips.due(len(t.slow), passed, slowTurn, func(i int) {
		at := t.slow[i]
		c := t.conns.at(at.slot)
		if c.generation != at.generation || c.state != open {
			gone = true
			return
		}
		t.readSome(c, t.input[:min(t.client.options.SlowBytes, len(t.input))])
	})
	if gone {
		kept := t.slow[:0]
		for _, at := range t.slow {
			if c := t.conns.at(at.slot); c.generation == at.generation && c.state == open {
				kept = append(kept, at)
			}
		}
		t.slow = kept
	}
}

// expire fails the connections that are on their way for too long. They wait in the order in which they began.
func (t *thread) expire(now time.Time) {
	latest := now.Add(-t.client.options.OpenTimeout)
	for len(t.underway) > 0 {
		first := t.underway[0]
		c := t.conns.at(first.slot)
		waiting := c.generation == first.generation && c.state != open && c.state != closed
		if waiting && first.began.After(latest) {
			return
		}
		if waiting {
			t.fail(c, "not open in time: "+c.state.String())
		}
		t.underway = t.underway[1:]
	}
	t.underway = nil
}
