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
	c.settle(false)
	if c.look == nil || percent() != 100 {
		t.Errorf("%d before the node is ready", percent())
	}
	c.settle(true)
	if c.look == nil || percent() != mostGCPercent {
		t.Errorf("%d when it is ready", percent())
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
		want int
	}{{0, 30}, {1 << 20, 30}, {500 << 20, 30}, {600 << 20, 25}, {750e6, 20}, {1 << 30, 15}, {64 << 30, 15}} {
		if got := gcPercent(c.live); got != c.want {
			t.Errorf("%d bytes: %d, want %d", c.live, got, c.want)
		}
	}
}
