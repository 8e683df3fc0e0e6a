package client

import (
	"time"

	gobwas "github.com/gobwas/ws"

	"stentor/stomp"
)

// tick is how often a thread sends the heart-beats that are due. Each tick takes the next few connections in turn, as
// many as make every one have its turn once per interval: no connection needs a timer, and the load is even.
const tick = 100 * time.Millisecond

// heartbeats is what a thread knows about them. All its connections have agreed on the same with their one server.
type heartbeats struct {
	send   time.Duration // between two of ours, with a reserve; 0 for none
	expect time.Duration // a server silent for so long has missed some; 0: may be silent
	next   time.Time     // when the next tick is due
	cursor int           // slot whose turn is next
	owed   float64       // part of a connection left over from the last tick
}

// agree takes over what CONNECTED says; millis is what was offered and wanted.
func (h *heartbeats) agree(connected *stomp.Frame, millis uint32) {
	value, present := connected.Get("heart-beat")
	sx, sy, err := stomp.ParseHeartbeat(value, present)
	if err != nil {
		return // none, then: the server will be heard of if it expects some
	}
	theirs, ours := stomp.NegotiateHeartbeat(sx, sy, millis, millis)
	h.send = time.Duration(ours) * time.Millisecond * 4 / 5
	h.expect = 3 * time.Duration(theirs) * time.Millisecond
}

// beat sends the heart-beats that are due and returns how many milliseconds epoll_wait may wait, -1 for any time.
func (t *thread) beat(now time.Time) int {
	h := &t.beats
	if h.send == 0 && h.expect == 0 {
		return -1
	}
	if wait := h.next.Sub(now); wait > 0 {
		return int(wait.Milliseconds()) + 1
	}
	h.next = now.Add(tick)
	every := h.send
	if every == 0 {
		every = h.expect
	}
	h.owed += float64(len(t.conns)) * min(1, float64(tick)/float64(every))
	for ; h.owed >= 1; h.owed-- {
		if h.cursor++; h.cursor >= len(t.conns) {
			h.cursor = 0
		}
		if c := &t.conns[h.cursor]; c.state == open {
			t.beatOne(c, now)
		}
	}
	return int(tick.Milliseconds())
}

var eol = []byte{'\n'}

func (t *thread) beatOne(c *conn, now time.Time) {
	h := &t.beats
	if quiet := t.millis(now) - c.heard; c.kind == Reading && h.expect > 0 && time.Duration(quiet)*time.Millisecond > h.expect {
		t.counts.HeartbeatsMissed++
		c.heard = t.millis(now)
	}
	if h.send > 0 {
		t.send(c, gobwas.OpText, eol)
	}
}
