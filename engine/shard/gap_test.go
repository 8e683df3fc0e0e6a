package shard

import (
	"bytes"
	"testing"

	"stentor/engine/bus"
)

// A shard of a node that has just started waits for the bus before it answers a resume.
func TestResumeBeforeTheBus(t *testing.T) {
	r := newRig(t)
	clear(r.s.tenant(rigProject).applied)
	k := r.connect("ann")
	k.keep, k.kept = true, nil
	k.subscribe("/topic/a", "sub-0", "receipt", "r", "last-message-id", "1-0-x")
	r.run()
	if len(k.kept) > 0 {
		t.Errorf("answered before anything was known: %q", k.kept)
	}
	r.s.Begin(rigProject, bus.Position{Epoch: 1})
	r.push("/topic/a", 10)
	r.run()
	r.tick()
	if bytes.Count(k.kept, []byte("resumed:true\n")) != 2 {
		t.Errorf("not resumed: %q", k.kept)
	}
}

// Who is subscribed when the bus jumps is told with the next MESSAGE, once; who comes later has missed nothing.
func TestGapIsTold(t *testing.T) {
	const told = "resumed:false\n"
	r := newRig(t)
	all := map[string]*stubSocket{}
	for _, dest := range []string{"/topic/a", "/topic/*", "/user/queue/x"} {
		k := r.connect("ann")
		k.subscribe(dest, "sub-0")
		all[dest] = k
	}
	slow := r.connect("bob")
	slow.subscribe("/topic/a", "sub-0")
	slow.buffered = 1
	all["detached"] = slow
	begin := func(pos bus.Position) {
		r.settings.History.Begin(pos)
		r.s.Begin(rigProject, pos)
		r.offset = pos.Offset
	}
	expect := func(what string, want int) {
		t.Helper()
		for _, k := range all {
			k.kept, k.keep = nil, true
		}
		for range 2 {
			r.push("/topic/a", 10)
			r.pushUser("ann", "/queue/x", 10)
		}
		r.run()
		slow.buffered = 0
		r.tick()
		for name, k := range all {
			if n := bytes.Count(k.kept, []byte("MESSAGE\n")); n < 2 {
				t.Errorf("%s: %s got %d pushes", what, name, n)
			}
			if n := bytes.Count(k.kept, []byte(told)); n != want {
				t.Errorf("%s: %s was told %d times", what, name, n)
			}
		}
	}
	expect("no gap", 0)
	begin(bus.Position{Epoch: 1, Offset: r.offset})
	expect("the next offset", 0)
	begin(bus.Position{Epoch: 1, Offset: r.offset + 5})
	late := r.connect("late")
	late.subscribe("/topic/a", "sub-0")
	late.keep = true
	expect("a jump", 1)
	if bytes.Contains(late.kept, []byte(told)) {
		t.Error("a jump before its beginning was told to a subscription")
	}
	r.s.Begin(rigProject, bus.Position{Epoch: 1, Partition: 1})
	expect("a new partition", 0)
	r.s.Begin(rigProject, bus.Position{Epoch: 1, Partition: 2, Offset: 3})
	expect("a new partition whose beginning is gone", 1)
	slow.buffered = 1
	begin(bus.Position{Epoch: 1, Offset: r.offset - 3})
	expect("a step back", 1)
}
