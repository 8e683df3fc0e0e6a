package shard

import (
	"testing"

	"stentor/engine/history"
)

// What a slow subscription has been given, or has lost, is not kept in memory by it.
func TestBacklogLetsGo(t *testing.T) {
	r := newRig(t)
	k := r.connect("ann")
	k.subscribe("/user/queue/x", "sub-0")
	i := k.conn.subs
	k.buffered = 1
	for range 20 {
		r.pushUser("ann", "/queue/x", 6000)
	}
	r.run()
	waiting := func() int { return r.s.subs.at(i).waiting() }
	if n := waiting(); n != 20 {
		t.Fatalf("%d wait", n)
	}
	k.buffered = 0
	k.onWrite = func([]byte) error { k.buffered = 1; return nil }
	r.now += int64(maxWait) * tickTime
	r.tick()
	if n := waiting(); n == 0 || n == 20 {
		t.Fatalf("%d still wait", n)
	}
	if given := r.s.given[:cap(r.s.given)]; len(given) > 0 && given[0] != (*history.Entry)(nil) {
		t.Error("the loop holds what it gave last")
	}
}

// A shard that was full keeps little once its clients are gone, and a name of one of them is not that of who comes next
// in its slot.
func TestFullShardEmpties(t *testing.T) {
	r := newRig(t)
	const n = 8 * chunk
	all := r.fill(n, "/topic/x", sameID)
	old := all[n-1].conn.ref()
	for _, k := range all[1:] {
		r.close(k)
	}
	r.tick()
	for name, kept := range map[string]int{"connections": chunksOf(&r.s.conns), "subscriptions": chunksOf(&r.s.subs)} {
		if kept > 2 { // that of number 0, where the one that is left is too, and an empty one
			t.Errorf("one client is left, and %d chunks of %s", kept, name)
		}
	}
	if r.s.find(old) != nil {
		t.Error("who is gone is found")
	}
	for _, k := range r.fill(n-1, "/topic/x", sameID) {
		if c := k.conn; c.idx == old.idx && r.s.find(old) != nil {
			t.Error("the name of who was in the slot before finds who is there now")
		}
	}
}

func chunksOf[T any](s *slab[T]) (kept int) {
	for _, c := range s.chunks {
		if c != s.none {
			kept++
		}
	}
	return kept
}
