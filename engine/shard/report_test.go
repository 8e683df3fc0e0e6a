package shard

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"stentor/engine/bus"
	"stentor/engine/history"
)

// shards are several rigs with one history, as the loops of a node have.
type shards struct {
	rigs    []*rig
	history *history.Log
	pushes  []*history.Entry
}

func newShards(t testing.TB, n int, bounds history.Bounds, change ...func(*Settings)) *shards {
	all := &shards{history: history.NewLog(bounds)}
	change = append(change, func(s *Settings) { s.History = all.history })
	for i := range n {
		r := newRig(t, change...)
		r.s.conf.Index = i
		all.rigs = append(all.rigs, r)
	}
	return all
}

// push publishes to all shards and returns the push's report.
func (a *shards) push(rec bus.Record, size int, ttl time.Duration) *history.Report {
	r := a.rigs[0]
	rec.Project, rec.Body = rigProject, make([]byte, size)
	var expires int64
	if ttl > 0 {
		expires = r.now + int64(ttl)
	}
	e := history.NewEntry(bus.Position{Epoch: 1, Offset: int64(len(a.pushes))}, &rec, r.now, expires)
	e.Report = &history.Report{}
	a.pushes = append(a.pushes, e)
	if _, taken := a.history.Append(e, len(a.rigs)); !taken {
		r.t.Fatal("history does not take the push")
	}
	for _, r := range a.rigs {
		r.hand(e)
	}
	return e.Report
}

func (a *shards) run() {
	for _, r := range a.rigs {
		r.run()
	}
}

func (a *shards) tick() {
	for _, r := range a.rigs {
		r.tick()
	}
}

func checkReport(t *testing.T, what string, r *history.Report, matched, written, dropped, failed int64) {
	t.Helper()
	if r.Matched.Load() != matched || r.Written.Load() != written || r.Dropped.Load() != dropped || r.Failed.Load() != failed {
		t.Errorf("%s: %d matched, %d written, %d dropped, %d failed; want %d, %d, %d, %d", what,
			r.Matched.Load(), r.Written.Load(), r.Dropped.Load(), r.Failed.Load(), matched, written, dropped, failed)
	}
}

var roomy = history.Bounds{Window: time.Hour, Bytes: 1 << 30}

// What each shard did adds up; the first write is the earliest of all, the last the latest.
func TestReportOverShards(t *testing.T) {
	a := newShards(t, 3, roomy)
	for i, r := range a.rigs {
		r.now = int64(10-i) * 1e6 // the last shard's loop is the first to write
		r.fill(4+i, "/topic/a", sameID)
		r.fill(2, "/topic/*", sameID)
		r.fill(2, "/user/queue/x", sameID)
		r.connect("user0").subscribe("/user/queue/x", "another")
	}
	topic := a.push(bus.Record{Destination: "/topic/a"}, 10, 0)
	user := a.push(bus.Record{Destination: "/queue/x", User: "user0"}, 10, 0)
	nobody := a.push(bus.Record{Destination: "/topic"}, 10, 0)
	session := a.push(bus.Record{Destination: "/queue/x", Session: a.rigs[1].s.sessionID(a.rigs[1].connect("eve").conn)}, 10, 0)
	a.run()
	checkReport(t, "topic", topic, 15+6, 15+6, 0, 0)
	checkReport(t, "user", user, 6, 6, 0, 0)
	checkReport(t, "nobody", nobody, 0, 0, 0, 0)
	checkReport(t, "a session that did not subscribe", session, 0, 0, 0, 0)
	if first, last := topic.First.Load(), topic.Last.Load(); first != 8e6 || last != 10e6 {
		t.Errorf("first write at %d, last at %d", first, last)
	}
	if nobody.First.Load() != 0 || nobody.Last.Load() != 0 {
		t.Error("a push for nobody has times")
	}
}

// A write that breaks its connection is a failure, also when it was the log's last subscription, and not of a push
// that had expired.
func TestReportOfFailures(t *testing.T) {
	a := newShards(t, 2, roomy)
	for _, r := range a.rigs {
		k := r.connect("ann")
		k.subscribe("/topic/a", "sub-0")
		k.onWrite = k.fail
		r.fill(1, "/topic/b", sameID)[0].onWrite = func([]byte) error { panic("write") }
		user := r.connect("bob")
		user.subscribe("/user/queue/x", "sub-0")
		user.onWrite = user.fail
	}
	old := a.push(bus.Record{Destination: "/topic/a"}, 10, 1)
	failed := a.push(bus.Record{Destination: "/topic/a"}, 10, 0)
	panicked := a.push(bus.Record{Destination: "/topic/b"}, 10, 0)
	user := a.push(bus.Record{Destination: "/queue/x", User: "bob"}, 10, 0)
	for _, r := range a.rigs {
		r.now += 2
	}
	a.run()
	checkReport(t, "expired", old, 2, 0, 0, 0)
	checkReport(t, "failed", failed, 2, 0, 0, 2)
	checkReport(t, "panicked", panicked, 2, 0, 0, 2)
	checkReport(t, "user", user, 2, 0, 0, 2)
	if n := a.history.Pending(); n != 0 {
		t.Errorf("%d bytes are pending", n)
	}
}

// A panic in a round costs its pushes: who had been given them has them, the others' are failures.
func TestReportOfAPanic(t *testing.T) {
	a := newShards(t, 1, roomy)
	r := a.rigs[0]
	looks := 0
	all := r.fill(5, "/topic/a", sameID)
	r.s.conf.Unsent = func(Socket) int {
		if looks++; looks == 3 {
			panic("look")
		}
		return 0
	}
	for _, k := range all {
		k.conn.unchecked = unsentBytes
	}
	report := a.push(bus.Record{Destination: "/topic/a"}, 10, 0)
	a.run()
	checkReport(t, "panic", report, 5, 2, 0, 3)
}

// Whoever is subscribed to the end accounts for each push that was for it: it was written, or dropped.
func TestReportsAddUp(t *testing.T) {
	for seed := range uint64(300) {
		if reportsAddUp(t, seed); t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func reportsAddUp(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	bounds := history.Bounds{Window: time.Hour, Bytes: 5_000 + rng.Int64N(60_000)}
	a := newShards(t, 1+rng.IntN(3), bounds, func(s *Settings) {
		s.Slow = []Policy{DropOldest, KeepLatest}[rng.IntN(2)]
		s.SlowTimeout = time.Second
	})
	var all []*stubSocket
	for i := range 6 {
		k := a.rigs[rng.IntN(len(a.rigs))].connect(fmt.Sprint("user", i%3))
		k.keep, k.kept = true, nil
		all = append(all, k)
	}
	ids := 0
	for range 150 {
		k := all[rng.IntN(len(all))]
		switch rng.IntN(8) {
		case 0:
			dest := []string{"/topic/a", "/topic/b", "/topic/*", "/user/queue/x"}[rng.IntN(4)]
			var more []string
			if rng.IntN(2) == 0 { // also what is not published yet
				more = []string{"last-message-id", bus.Position{Epoch: 1, Offset: int64(rng.IntN(len(a.pushes)+3)) - 1}.String()}
			}
			ids++
			k.subscribe(dest, fmt.Sprint("sub-", ids), more...)
		case 1:
			k.buffered = 1 - k.buffered
		case 2:
			a.tick()
		case 3:
			for _, r := range a.rigs {
				if rng.IntN(2) == 0 {
					r.s.Run()
				}
			}
		case 4:
			for range 60 {
				a.tick()
			}
		default:
			rec := bus.Record{Destination: []string{"/topic/a", "/topic/b", "/topic/c"}[rng.IntN(3)]}
			switch rng.IntN(4) {
			case 0:
				rec = bus.Record{Destination: "/queue/x", User: fmt.Sprint("user", rng.IntN(3))}
			case 1:
				rec = bus.Record{Destination: "/queue/x", Session: k.r.s.sessionID(k.conn)}
			}
			a.push(rec, rng.IntN(4_000), 0)
		}
	}
	for _, k := range all {
		k.buffered = 0
	}
	for range 300 {
		a.tick()
	}
	for i, e := range a.pushes {
		given := int64(0)
		for _, k := range all {
			given += int64(bytes.Count(k.kept, fmt.Appendf(nil, "\nmessage-id:1-0-%d\n", i)))
		}
		r := e.Report
		if r.Written.Load() != given || r.Matched.Load() != r.Written.Load()+r.Dropped.Load() || r.Failed.Load() != 0 {
			t.Errorf("push %d to %s%s%s was given to %d; matched %d, written %d, dropped %d, failed %d", i, e.Destination, e.User, e.Session,
				given, r.Matched.Load(), r.Written.Load(), r.Dropped.Load(), r.Failed.Load())
		}
	}
	for _, r := range a.rigs {
		if n := r.s.stats.Detached.Load(); n > 0 || len(r.closed) > 0 {
			t.Errorf("%d are detached, %d closed", n, len(r.closed))
		}
	}
}
