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
