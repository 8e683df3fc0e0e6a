package shard

import (
	"testing"

	"stentor/engine/bus"
	"stentor/engine/session"
	"stentor/engine/websocket"
)

// While it is patient a drain passes over those who have yet to get something, and closes them once they have it.
func TestEndSomeWaitsForThoseBehind(t *testing.T) {
	r := newReaders(t, true)
	quick, large, slow := r.reader("ann"), r.reader("ben"), r.reader("cem")
	large.left, slow.left = 100_000, 0
	slow.buffered = 1
	r.hand(r.entry(bus.Record{Destination: "/topic/a"}, mebi))
	r.run()
	end := func(step string, patient bool, want int) {
		t.Helper()
		if ended, next := r.s.EndSome(0, 10, patient, session.CloseServiceLeaves, "bye"); ended != want || next != 0 {
			t.Errorf("%s: %d were closed, want %d; goes on from %d", step, ended, want, next)
		}
	}
	end("at first", true, 1)
	end("again", true, 0)
	large.left = mebi
	r.reads(large, mebi)
	end("one has all", true, 1)
	end("out of patience", false, 1)
	if quick.conn.sess.Phase != session.Closing {
		t.Error("the one that was up to date stands")
	}
}

// Those who are sent to other nodes are sessions that are old enough and up to date. The others stay.
func TestShedSome(t *testing.T) {
	r := newReaders(t, true)
	old, young, slow := r.reader("ann"), r.reader("ben"), r.reader("cem")
	stranger := r.open()
	r.s.Input(stranger.conn, websocket.AppendRequest(nil, "host", "/ws", "dGhlIHNhbXBsZSBub25jZQ=="))
	slow.left, slow.buffered = 0, 1
	r.hand(r.entry(bus.Record{Destination: "/topic/a"}, mebi))
	r.run()
	until := old.conn.since
	young.conn.since++
	shed := func(until uint32, want int) {
		t.Helper()
		if ended, next := r.s.ShedSome(0, 10, until, false, session.CloseServiceLeaves, "bye"); ended != want || next != 0 {
			t.Errorf("%d were closed, want %d; goes on from %d", ended, want, next)
		}
	}
	shed(until-1, 0)
	shed(until, 1)
	if old.conn.sess.Phase != session.Closing {
		t.Error("the old one stands")
	}
	shed(until, 0)
	shed(until+1, 1)
	if n := r.s.stats.Shed.Load(); n != 2 {
		t.Errorf("%d are counted", n)
	}
}

// Who is idle can be sent away before those that are served.
func TestShedIdle(t *testing.T) {
	r := newReaders(t, true)
	served, idle := r.reader("ann"), r.reader("ben")
	r.s.now += 2 * idleMillis * 1e6
	served.conn.lastWrite = r.s.millis()
	until := served.conn.since
	for i, c := range []*Conn{idle.conn, served.conn} {
		if ended, next := r.s.ShedSome(0, 10, until, i == 0, session.CloseServiceLeaves, "bye"); ended != 1 || next != 0 || c.sess.Phase != session.Closing {
			t.Errorf("%d: %d were closed, goes on from %d", i, ended, next)
		}
	}
}
