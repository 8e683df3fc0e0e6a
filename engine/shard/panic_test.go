package shard

import "testing"

// A panic while a push is routed costs that push: the next one comes, with word of a gap, and nothing is held for ever.
func TestPanicInRoute(t *testing.T) {
	r := newRig(t)
	k := r.connect("ann")
	k.keep = true
	k.subscribe("/topic/a", "sub-0")
	p := r.s.projects[rigProject]
	p.logs["/topic/bad"] = &log{target: target{name: "/topic/bad"}} // nobody's
	r.push("/topic/bad", 10)
	r.push("/topic/a", 10)
	r.run()
	delete(p.logs, "/topic/bad")
	if r.panics != 1 || r.s.stats.Panics.Load() != 1 {
		t.Errorf("%d panics, counted %d", r.panics, r.s.stats.Panics.Load())
	}
	if k.writes != 3 { // the handshake's answer, CONNECTED, and the push
		t.Errorf("%d writes", k.writes)
	}
	if pending := r.settings.History.Pending(); pending != 0 {
		t.Errorf("%d bytes are pending", pending)
	}
}

// A panic while a connection's end is handled costs that connection, whatever it had to release.
func TestPanicInGone(t *testing.T) {
	for name, spoil := range map[string]func(*rig, *stubSocket){
		"what hears of it": func(r *rig, _ *stubSocket) { r.leaves = func() { panic("leaves") } },
		"a subscription":   func(r *rig, k *stubSocket) { r.s.subs.at(k.conn.subs).id = nil },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			all := r.fill(3, "/topic/a", sameID)
			spoil(r, all[1])
			r.close(all[1])
			if r.panics == 0 || int(r.s.stats.Panics.Load()) != r.panics {
				t.Errorf("%d panics, counted %d", r.panics, r.s.stats.Panics.Load())
			}
			before := r.panics
			r.leaves = func() {}
			writes := all[0].writes
			r.push("/topic/a", 10)
			r.run()
			if r.panics != before || all[0].writes != writes+1 || all[2].writes != writes+1 {
				t.Errorf("the others have %d and %d writes, want %d; %d panics more", all[0].writes, all[2].writes, writes+1, r.panics-before)
			}
			if n := r.s.stats.Connections.Load(); n != 2 {
				t.Errorf("%d connections", n)
			}
			if again := r.connect("ann"); again.conn.idx != 2 {
				t.Errorf("the place of the one that is gone is lost: the next has %d", again.conn.idx)
			}
		})
	}
}
