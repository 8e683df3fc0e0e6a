package shard

import (
	"runtime"
	"testing"
	"unsafe"

	"stentor/engine/bus"
	"stentor/engine/history"
	"stentor/stomp"
)

func heapInUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A subscription that waits is a cursor: some hundred bytes, whatever it has missed.
func TestFollowSize(t *testing.T) {
	if n := unsafe.Sizeof(follow{}); n > 128 {
		t.Errorf("follow has %d bytes", n)
	}
}

// A hundred thousand clients come back over 5,000 pushes, and none of them reads.
func TestManyResumes(t *testing.T) {
	const pushes = 5000
	for _, c := range []struct {
		name, dest string
		clients    int
	}{
		{"topic", "/topic/a", 100_000}, {"user", "/user/queue/x", 20_000}, {"pattern", "/topic/*", 20_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			clients := c.clients
			if testing.Short() {
				clients = 5000
			}
			r := newRig(t)
			for range pushes / 2 {
				r.push("/topic/a", 100)
				r.pushUser("ann", "/queue/x", 100)
			}
			r.run()
			var all []*stubSocket
			for range clients {
				all = append(all, r.connect("ann"))
			}
			for _, k := range all {
				k.subscribe(c.dest, "sub-0")
			}
			plain := heapInUse()
			for _, k := range all {
				k.send(stomp.Unsubscribe, "id", "sub-0")
			}
			for i, k := range all {
				k.buffered = 1
				k.subscribe(c.dest, "sub-0", "last-message-id", "1-0-x")
				if i%100 == 0 {
					r.run()
				}
			}
			r.run()
			more := heapInUse() - plain
			t.Logf("%d bytes for each of %d that wait", more/int64(clients), clients)
			if n := r.s.stats.Resumed.Load(); n != uint64(clients) || r.s.stats.Detached.Load() != int64(clients) {
				t.Fatalf("%d are resumed, %d detached", n, r.s.stats.Detached.Load())
			}
			most := int64(200)
			if c.name == "pattern" {
				most = 300 // it has its positions
			}
			if more > most*int64(clients)+1<<20 {
				t.Errorf("%d bytes for %d that wait", more, clients)
			}
			if n := r.s.subs.at(all[0].conn.subs).waiting(); c.name != "pattern" && n != pushes/2 {
				t.Errorf("%d wait for the first", n)
			}
			all[0].buffered = 0
			r.now += maxWait * tickTime
			for range 400 {
				r.tick()
			}
			if all[0].conn.subs == 0 || r.s.subs.at(all[0].conn.subs).state.detached() {
				t.Errorf("who reads again has not all: %d wait", r.s.subs.at(all[0].conn.subs).waiting())
			}
		})
	}
}

// A user's client that does not read costs no more for each push to it.
func TestSlowUserHoldsNothing(t *testing.T) {
	r := newRig(t)
	k := r.connect("ann")
	k.subscribe("/user/queue/x", "sub-0")
	k.buffered = 1
	own := bus.Record{Destination: "/queue/x", Session: r.s.sessionID(k.conn)}
	r.pushUser("ann", "/queue/x", 10)
	r.hand(r.entry(own, 10))
	r.run()
	var pushes []*history.Entry
	for range 1001 {
		pushes = append(pushes, r.entry(bus.Record{Destination: "/queue/x", User: "ann"}, 10), r.entry(own, 10))
	}
	i := k.conn.subs
	if n := testing.AllocsPerRun(1000, func() {
		for _, e := range pushes[:2] {
			r.s.give(k.conn, i, e, r.s.subs.at(i).follow.from)
		}
		pushes = pushes[2:]
	}); n > 0 {
		t.Errorf("%v allocations for two pushes", n)
	}
	if n := r.s.subs.at(i).waiting(); n != 2004 {
		t.Errorf("%d wait", n)
	}
}

// What came to a user who was away stands in no queue, though a push to another who was there waits in one before it.
func TestUserResumesBehindAQueue(t *testing.T) {
	r := newRig(t)
	r.connect("ann").subscribe("/user/queue/x", "a")
	r.pushUser("bob", "/queue/x", 11)
	r.run()
	r.pushUser("ann", "/queue/x", 12)
	away := r.pushUser("bob", "/queue/x", 13)
	if r.route(); !away.Taken() {
		t.Error("a push to a user who is not here waits")
	}
	bob := r.connect("bob")
	bob.keep = true
	bob.subscribe("/user/queue/x", "b", "last-message-id", "1-0-0", "receipt", "r")
	r.pushUser("bob", "/queue/x", 14)
	r.route()
	r.s.followNamed(1 << 62) // before the queue has its turn
	r.run()
	r.tick()
	checkGot(t, &reader{stubSocket: bob}, "receipt r, b:13, b:14")
}

// Pushes to those who have left meanwhile take their part of a turn too.
func TestPushesToWhoLeftAreCounted(t *testing.T) {
	r := newRig(t)
	r.connect("ann").subscribe("/user/queue/x", "a")
	bob := r.connect("bob")
	for range 100 {
		r.pushUser("bob", "/queue/x", 10)
		r.hand(r.entry(bus.Record{Destination: "/queue/x", Session: r.s.sessionID(bob.conn)}, 10))
	}
	r.route()
	r.close(bob)
	if used, more := r.s.unicast(r.s.projects[rigProject], 50); used != 50 || !more {
		t.Errorf("a turn of 50 has used %d, more %v", used, more)
	}
	r.run()
	if n := r.settings.History.Pending(); n != 0 {
		t.Errorf("%d bytes wait", n)
	}
}

// route takes what was handed over, and delivers nothing.
func (r *rig) route() {
	r.s.drain(1 << 62)
	r.s.routeAll(r.s.projects[rigProject])
}
