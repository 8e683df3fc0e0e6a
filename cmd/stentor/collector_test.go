package main

import (
	"runtime/debug"
	"testing"
)

func TestCollector(t *testing.T) {
	before := debug.SetGCPercent(100)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	t.Setenv("GOGC", "")
	percent := func() int {
		p := debug.SetGCPercent(100)
		debug.SetGCPercent(p)
		return p
	}
	c := newCollector(0)
	defer c.stop()
	c.settle(false, 0)
	if c.look == nil || percent() != 100 {
		t.Errorf("%d before the node is ready", percent())
	}
	c.settle(true, 0)
	if c.look == nil || percent() != mostGCPercent {
		t.Errorf("%d when it is ready", percent())
	}
	const much = busyGarbage
	for i, garbage := range []uint64{much, much, 2*much - 1, 2*much - 1, 3 * much, 3 * much} {
		if c.settle(true, garbage); percent() != busyGCPercent {
			t.Errorf("look %d: %d while TLS makes garbage", i, percent())
		}
	}
	for range busyLooks {
		c.settle(true, 3*much+1)
	}
	if percent() != mostGCPercent {
		t.Errorf("%d when it has ended", percent())
	}
	if own := newCollector(77); own.look != nil || percent() != 77 {
		t.Errorf("%d with gc_percent 77", percent())
	} else {
		own.stop()
	}
	debug.SetGCPercent(55)
	t.Setenv("GOGC", "55")
	if env := newCollector(0); env.look != nil || percent() != 55 {
		t.Errorf("%d with GOGC=55", percent())
	} else {
		env.stop()
	}
}

func TestGCPercent(t *testing.T) {
	for _, c := range []struct {
		live uint64
		most int
		want int
	}{
		{0, 30, 30}, {1 << 20, 30, 30}, {500 << 20, 30, 30}, {600 << 20, 30, 25}, {750e6, 30, 20}, {1 << 30, 30, 15}, {64 << 30, 30, 15},
		{0, 100, 100}, {100 << 20, 100, 100}, {200 << 20, 100, 80}, {1 << 30, 100, 15},
	} {
		if got := gcPercent(c.live, c.most); got != c.want {
			t.Errorf("%d bytes: %d, want %d", c.live, got, c.want)
		}
	}
}
