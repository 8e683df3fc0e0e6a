package shard

import (
	"bytes"
	"fmt"
	"testing"

	"stentor/engine/bus"
	"stentor/engine/history"
	"stentor/stomp"
)

// A client that reads slower than one of its subscriptions brings pushes still gets those of its others.
func TestSubscriptionsOfAClientShareIt(t *testing.T) {
	r := newRig(t, func(s *Settings) { s.Slow = DropOldest })
	k := r.connect("ann")
	k.keep = true
	k.subscribe("/topic/busy", "busy")
	k.subscribe("/topic/quiet", "quiet")
	k.onWrite = func(p []byte) error { k.buffered += len(p); return nil }
	k.buffered = 1
	for range 50 {
		r.push("/topic/busy", 20<<10)
	}
	r.push("/topic/quiet", 10)
	r.run()
	for range 100 {
		r.push("/topic/busy", 20<<10)
		k.buffered = max(0, k.buffered-22<<10) // the client reads on
		r.tick()
	}
	if !bytes.Contains(k.kept, []byte("subscription:quiet")) {
		t.Error("the quiet subscription was given nothing in two seconds")
	}
}

// A client that does not read costs a look now and then, not one each tick.
func TestBlockedHeartbeatsAreRare(t *testing.T) {
	r := newRig(t)
	k := r.connect("ann")
	k.conn.sends = 1000 // CONNECT asked for none
	r.s.rearm(k.conn)
	k.buffered = 1
	k.looks = 0
	for range 500 {
		r.tick()
	}
	if k.looks > 20 {
		t.Errorf("%d looks at a blocked socket in 10 s with heart-beats of 1 s", k.looks)
	}
}

// A subscription that is behind gets no farther than the rounds are, so that it can join them.
func TestFollowerJoinsTheRounds(t *testing.T) {
	r := newRig(t)
	r.fill(100, "/topic/a", sameID)
	late := r.connect("late")
	late.subscribe("/topic/a", "late")
	late.buffered = 1
	r.push("/topic/a", 10)
	r.run() // the late one is detached
	late.buffered = 0
	for range 40 {
		r.push("/topic/a", 1000) // several rounds
	}
	if r.s.stats.Detached.Load() != 1 {
		t.Fatal("nobody is detached")
	}
	r.tick()
	if late.writes > 10 {
		t.Errorf("%d writes", late.writes)
	}
	if n := r.s.stats.Detached.Load(); n != 0 {
		t.Errorf("%d are detached after all was given", n)
	}
}

// What comes for everybody at once is worked off in slices.
func TestResumesAreSliced(t *testing.T) {
	r := newRig(t)
	for range 20 {
		r.push("/topic/a", 5000)
	}
	r.run()
	for i := range 500 {
		k := r.connect(fmt.Sprint(i))
		k.cost = 6000
		k.subscribe("/topic/a", "sub-0", "last-message-id", "1-0-x")
	}
	for slices := 0; ; slices++ {
		start := r.now
		more := r.s.Run()
		if took := r.now - start; took > slice+500_000 {
			t.Fatalf("slice %d took %d us", slices, took/1000)
		}
		if !more {
			break
		}
	}
}

// The RECEIPT of a resume comes before the messages that it speaks of, also when it waits for one before it: here that
// of a subscription whose client has seen more than this shard.
func TestResumeIsAnsweredFirst(t *testing.T) {
	r := newRig(t)
	r.push("/topic/a", 10)
	r.push("/topic/b", 10)
	r.run()
	k := r.connect("ann")
	k.keep = true
	k.subscribe("/topic/a", "sub-a", "receipt", "receipt-a", "last-message-id", "1-0-2")
	k.subscribe("/topic/b", "sub-b", "receipt", "receipt-b", "last-message-id", "1-0-0")
	for range 5 {
		r.tick()
	}
	if bytes.Contains(k.kept, []byte("receipt-a")) || bytes.Contains(k.kept, []byte("sub-b")) {
		t.Errorf("too early: %q", k.kept)
	}
	r.push("/topic/a", 10)
	for range 5 {
		r.tick()
	}
	at := 0
	for _, want := range []string{"receipt-a", "receipt-b", "resumed:true", "subscription:sub-b"} {
		found := bytes.Index(k.kept[at:], []byte(want))
		if found < 0 {
			t.Fatalf("no %s behind %q", want, k.kept[:at])
		}
		at += found
	}
}

// A push reaches those who are there while many others resume: it does not wait until all of these had a turn.
func TestPushPassesResumes(t *testing.T) {
	r := newRig(t)
	for range 20 {
		r.push("/topic/a", 5000)
	}
	here := r.connect("here")
	here.subscribe("/topic/a", "sub-0")
	r.run()
	for i := range 500 {
		k := r.connect(fmt.Sprint(i))
		k.cost = 6000
		k.subscribe("/topic/a", "sub-0", "last-message-id", "1-0-x")
	}
	before := here.writes
	r.push("/topic/a", 10)
	r.s.Run()
	if here.writes != before+1 {
		t.Error("the push waits")
	}
	r.run()
	r.tick()
	if n := r.s.stats.Detached.Load(); n != 0 {
		t.Errorf("%d are detached after all was given", n)
	}
}

// A session that may not wait for more answers is closed, and nobody else's subscription suffers.
func TestRefusedSubscribe(t *testing.T) {
	for _, more := range [][]string{nil, {"last-message-id", "1-0-x"}} {
		r := newRig(t)
		other := r.connect("bob")
		other.subscribe("/topic/a", "sub-0")
		k := r.connect("ann")
		ack := func() { r.s.machine.Await(&k.conn.sess, nil, false, 0) }
		for range 64 {
			ack()
		}
		k.subscribe("/topic/a", "sub-0", append([]string{"receipt", "r"}, more...)...)
		r.push("/topic/a", 10)
		before := other.writes
		r.run()
		if other.writes != before+1 || r.panics > 0 {
			t.Errorf("%v: %d writes to the other, %d panics", more, other.writes-before, r.panics)
		}
	}
}

// A panic in a write costs the connection, a panic elsewhere in a round the push.
func TestPanics(t *testing.T) {
	r := newRig(t)
	all := r.fill(5, "/topic/a", sameID)
	all[2].onWrite = func([]byte) error { panic("write") }
	r.push("/topic/a", 10)
	r.run()
	all[2].onWrite = nil
	if r.panics != 1 || len(r.closed) != 1 || r.closed[0] != all[2] {
		t.Errorf("%d panics, closed %v", r.panics, r.closed)
	}
	for i, k := range all {
		if k.conn.state == stateOpen && k.writes != 3 {
			t.Errorf("client %d has %d writes", i, k.writes)
		}
	}
	broken := r.entry(bus.Record{Destination: "/topic/a"}, 10)
	broken.Message = stomp.Message{}
	broken.Destination = "/topic/a"
	r.hand(broken)
	r.push("/topic/a", 10)
	r.run()
	if pending := r.settings.History.Pending(); pending != 0 {
		t.Errorf("%d bytes are pending", pending)
	}
}

// The queue of a session that one push sends to its own death is worked on by nobody else.
func TestSessionLeavesDuringItsUnicast(t *testing.T) {
	r := newRig(t)
	for range 3 {
		k := r.connect("ann")
		k.subscribe("/user/queue/x", "sub-0")
		k.onWrite = k.fail
	}
	other := r.connect("bob")
	other.subscribe("/user/queue/x", "sub-0")
	var pushes []*history.Entry
	for range 3 {
		pushes = append(pushes, r.pushUser("ann", "/queue/x", 10), r.pushUser("bob", "/queue/x", 10))
	}
	before := other.writes
	r.run()
	if other.writes != before+3 {
		t.Errorf("%d writes to the other", other.writes-before)
	}
	for _, e := range pushes {
		if !e.Taken() {
			t.Errorf("%v is still needed", e.Position)
		}
	}
	if n := r.s.stats.Sessions.Load(); n != 1 {
		t.Errorf("%d sessions", n)
	}
}
