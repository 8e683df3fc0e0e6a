package shard

import (
	"fmt"
	"testing"

	"stentor/engine/bus"
	"stentor/engine/deflate"
	"stentor/engine/history"
	"stentor/engine/session"
)

// perDelivery runs f, which makes so many deliveries, and fails when it allocates.
func perDelivery(t *testing.T, r *rig, deliveries int, f func()) {
	t.Helper()
	f()
	before := r.s.stats.Deliveries.Load()
	n := testing.AllocsPerRun(20, f)
	if got := (r.s.stats.Deliveries.Load() - before) / 21; int(got) != deliveries {
		t.Fatalf("%d deliveries, %d were to be measured", got, deliveries)
	}
	if n != 0 {
		t.Errorf("%v allocations for %d deliveries", n, deliveries)
	}
}

// again hands the same push over as often as it is called.
func (r *rig) again(e *history.Entry) {
	e.Need()
	r.hand(e)
	r.run()
}

func TestRoundAllocates(t *testing.T) {
	for name, id := range map[string]func(int) string{
		"the same id":   sameID,
		"different ids": func(i int) string { return fmt.Sprint("sub-", i) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.fill(300, "/topic/a", id)
			e := r.push("/topic/a", 200)
			perDelivery(t, r, 300, func() { r.again(e) })
		})
	}
}

func TestPackedRoundAllocates(t *testing.T) {
	r := newRig(t)
	r.form, r.packer = session.Deflated, new(deflate.Packer)
	r.fill(300, "/topic/a", sameID)
	e := r.push("/topic/a", 2000)
	perDelivery(t, r, 300, func() { r.again(e) })
	if r.s.stats.Saved.Load() == 0 {
		t.Error("nothing is compressed")
	}
}

func TestPatternRoundAllocates(t *testing.T) {
	r := newRig(t)
	r.fill(100, "/topic/a", sameID)
	r.fill(100, "/topic/*", sameID)
	e := r.push("/topic/a", 200)
	perDelivery(t, r, 200, func() { r.again(e) })
}

func TestUnicastAllocates(t *testing.T) {
	r := newRig(t)
	r.fill(100, "/user/queue/x", sameID)
	for range 3 {
		r.connect("user7").subscribe("/user/queue/x", "sub-0")
	}
	e := r.pushUser("user7", "/queue/x", 200)
	perDelivery(t, r, 4, func() { r.again(e) })
}

// A subscription that replays, too, allocates nothing for what it is given.
func TestReplayAllocates(t *testing.T) {
	r := newRig(t)
	k := r.connect("ann")
	k.subscribe("/topic/a", "sub-0")
	i := k.conn.subs
	r.fill(1, "/topic/a", sameID)[0].buffered = 1 // keeps the log from forgetting
	for range 2000 {
		r.push("/topic/a", 200)
	}
	r.run()
	p := r.s.subs.at(i).target.p
	r.s.enter(i, following)
	search := history.NewResume([]bus.Position{{Epoch: 1, Offset: -1}})
	past, answer := r.settings.History.Resume(history.Wanted{Chain: "/topic/a"}, &search, p.applied, 1000)
	if answer != history.Whole || past.Waiting() != 1000 {
		t.Fatalf("%d wait, answer %d", past.Waiting(), answer)
	}
	round := func() {
		f := r.s.subs.at(i).follow
		f.past, f.cursor = past, 1000
		for range 10 {
			r.s.feed(k.conn, i)
		}
	}
	round()
	if n := testing.AllocsPerRun(20, round); n != 0 {
		t.Errorf("%v allocations for 10 writes of a replay", n)
	}
}

// The hand-over of a push and the wake that works on it have an array each to grow, now and then.
func TestPushAllocates(t *testing.T) {
	r := newRig(t)
	r.fill(1, "/topic/a", sameID)
	e := r.push("/topic/a", 200)
	r.run()
	n := testing.AllocsPerRun(1000, func() {
		e.Need()
		r.hand(e)
		r.s.Run()
	})
	if n > 2 {
		t.Errorf("%v allocations for a push and its wake", n)
	}
	t.Logf("%v allocations for a push and its wake", n)
}

// An idle tick costs nothing.
func TestTickAllocates(t *testing.T) {
	r := newRig(t)
	r.fill(100, "/topic/a", sameID)
	if n := testing.AllocsPerRun(1000, r.tick); n != 0 {
		t.Errorf("%v allocations for a tick", n)
	}
}
