package shard

import (
	"fmt"
	"testing"

	"stentor/engine/bus"
)

// resumes has client k resume n subscriptions to destinations that hold all pushes so far.
func (k *stubSocket) resumes(n int) {
	for i := range n {
		k.subscribe("/topic/a", fmt.Sprint("sub-", i), "last-message-id", "1-0-x")
	}
}

// A session that resumes a lot takes a tenth of the loop's time for it, and waits for the next tick with the rest.
func TestSessionHasAShare(t *testing.T) {
	r := newRig(t)
	for range 2000 {
		r.push("/topic/a", 5000)
	}
	r.run()
	greedy := r.connect("greedy")
	greedy.cost = 20_000
	greedy.resumes(100)
	modest := r.connect("modest")
	modest.cost = 20_000
	modest.resumes(1)
	before := greedy.writes
	r.run()
	if took := int64(greedy.writes-before) * greedy.cost; took < sessionShare/2 || took > sessionShare+turnWrites*greedy.cost {
		t.Errorf("a tick gave the greedy %d us of the loop's time", took/1000)
	}
	if r.s.stats.Paused.Load() == 0 {
		t.Error("no pause is counted")
	}
	if modest.writes < turnWrites {
		t.Errorf("the modest has %d writes", modest.writes)
	}
	for range 10 {
		before = greedy.writes
		r.tick()
		if took := int64(greedy.writes-before) * greedy.cost; took > sessionShare+turnWrites*greedy.cost {
			t.Errorf("a tick gave the greedy %d us of the loop's time", took/1000)
		}
	}
	for range 2000 {
		r.tick()
	}
	if n := r.s.stats.Detached.Load(); n != 0 || greedy.bytes < 100*2000*5000 {
		t.Errorf("%d are detached, %d bytes were written", n, greedy.bytes)
	}
}

// Many resumes of one project do not keep those of another waiting.
func TestProjectsTakeTurnsAtResumes(t *testing.T) {
	r := newRig(t)
	mine := r.settings
	other := *mine
	other.Name = "other"
	other.History = newRig(t).settings.History
	r.s.SetProject(&other)
	r.s.Begin("other", bus.Position{Epoch: 1})
	for range 20 {
		r.push("/topic/a", 5000)
	}
	r.run()
	for i := range 500 {
		k := r.connect(fmt.Sprint(i))
		k.cost = 6000
		k.resumes(1)
	}
	r.settings = &other
	k := r.connect("ann")
	k.keep, k.kept = true, nil
	k.subscribe("/topic/a", "sub-0", "receipt", "r", "last-message-id", "1-0-x")
	if r.s.Run(); len(k.kept) == 0 {
		t.Error("the other project's resume waits")
	}
	if !r.s.Run() {
		t.Fatal("there was nothing to wait for")
	}
	r.run()
}

// The same holds for those that are behind and tried each tick.
func TestProjectsTakeTurnsAtRetries(t *testing.T) {
	r := newRig(t)
	mine := r.settings
	other := *mine
	other.Name = "other"
	other.History = newRig(t).settings.History
	r.s.SetProject(&other)
	r.s.Begin("other", bus.Position{Epoch: 1})
	for _, k := range r.fill(2000, "/topic/a", sameID) {
		k.buffered = 1
		k.cost = 6000
		defer func() { k.buffered = 0 }()
	}
	r.push("/topic/a", 10)
	r.run()
	r.settings = &other
	k := r.connect("ann")
	k.subscribe("/topic/a", "sub-0")
	k.buffered = 1
	e := r.entry(bus.Record{Destination: "/topic/a"}, 10)
	r.s.Hand("other", e)
	r.s.Flush()
	r.run()
	k.buffered = 0
	before := k.writes
	for i := range r.s.conns.used {
		if c := r.s.conns.at(i + 1); c.state == stateOpen {
			c.socket.(*stubSocket).buffered = 0
		}
	}
	r.now += maxWait * tickTime
	r.s.Tick()
	r.s.Run()
	r.s.Run()
	if k.writes == before {
		t.Error("the other project's subscription waits")
	}
	if !r.s.Run() {
		t.Fatal("there was nothing to wait for")
	}
	r.run()
}

// A search that takes longer than a session's share goes on with each tick's share, not with one step.
func TestLongSearchGoesOn(t *testing.T) {
	r := newRig(t)
	for range 100_000 {
		r.push("/topic/a", 10)
	}
	r.run()
	k := r.connect("ann")
	k.keep, k.kept = true, nil
	r.s.conf.Now = func() int64 { r.now += 5000; return r.now } // each read of the clock takes 5 us
	k.subscribe("/topic/b*", "sub-0", "last-message-id", "1-0-x")
	ticks := 0
	for ; r.s.stats.Detached.Load() > 0 && ticks < 1000; ticks++ {
		r.tick()
	}
	if ticks < 2 || ticks > 40 {
		t.Errorf("it took %d ticks", ticks)
	}
}

// Subscriptions whose time has not come cost a look each: the clock is read among many of them too.
func TestIdleLooksAreBounded(t *testing.T) {
	r := newRig(t)
	const subs = 1000
	r.s.conf.Limits.Subscriptions = subs
	k := r.connect("ann")
	k.buffered = 1
	k.resumes(subs)
	r.run()
	for range subs {
		r.s.followSoon(k.conn)
	}
	reads := 0
	r.s.conf.Now = func() int64 { reads++; return r.now }
	if r.s.followNamed(1 << 62); reads < subs*subs/100 {
		t.Errorf("the clock was looked at %d times", reads)
	}
}

// What a burst of resumes needs for the sessions' shares is not kept, and not cleared with each tick.
func TestSharesGiveRoomBack(t *testing.T) {
	r := newRig(t)
	before := heapInUse()
	for i := range uint32(200_000) {
		r.s.shares[i] = 1
	}
	r.s.Tick()
	r.s.shares[1] = 1
	r.s.Tick()
	if more := heapInUse() - before; more > 1<<20 || len(r.s.shares) > 0 {
		t.Errorf("%d bytes are kept", more)
	}
}

// What it takes to route a project's pushes is the project's: others' pushes do not wait for ten thousand that many
// patterns may match.
func TestProjectsTakeTurnsAtRouting(t *testing.T) {
	r := newRig(t)
	mine := r.settings
	other := *mine
	other.Name = "other"
	other.History = newRig(t).settings.History
	r.s.SetProject(&other)
	r.s.Begin("other", bus.Position{Epoch: 1})
	greedy := r.connect("greedy")
	for i := range 8 {
		greedy.subscribe(fmt.Sprintf("/topic/*/*a*b*c*%d", i), fmt.Sprint("sub-", i))
	}
	r.settings = &other
	k := r.connect("ann")
	k.subscribe("/topic/a", "sub-0")
	r.settings = mine
	const many = 10_000
	for range many {
		r.push("/topic/a", 10)
	}
	all := mine.History.Pending()
	left := int64(-1)
	k.onWrite = func([]byte) error {
		left = mine.History.Pending()
		return nil
	}
	r.s.Hand("other", r.entry(bus.Record{Destination: "/topic/a"}, 10))
	r.s.Flush()
	r.run()
	if left < all*9/10 {
		t.Errorf("the other project's push went out when %d of %d bytes waited", left, all)
	}
	if n := mine.History.Pending(); n != 0 {
		t.Errorf("%d bytes wait at the end", n)
	}
}
