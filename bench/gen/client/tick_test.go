package client

import (
	"testing"
	"time"
)

// A thread that comes late to its ticks gives every connection its turn in time all the same.
func TestLateTicks(t *testing.T) {
	const n, every = 100, 10 * time.Second
	for _, passed := range []time.Duration{tick, 7 * tick, every / 2, 3 * every} {
		var r turns
		had := map[int]int{}
		for at := time.Duration(0); at < every; at += passed {
			r.due(n, passed, every, func(i int) { had[i]++ })
		}
		if len(had) < n-1 { // the last one may be due a little later
			t.Errorf("with ticks of %v %d of %d had a turn", passed, len(had), n)
		}
		for i, times := range had {
			if times > 2 {
				t.Errorf("with ticks of %v connection %d had %d turns", passed, i, times)
			}
		}
	}
}

// What passes while nothing is due is no tick that came late.
func TestIdleTicks(t *testing.T) {
	th := &thread{client: &Client{started: time.Now()}, counts: newCounts()}
	now := time.Now()
	th.pending = 1
	th.due(now)
	th.pending = 0
	if th.due(now.Add(time.Second)) != -1 || !th.nextTick.IsZero() {
		t.Errorf("the next tick is at %v", th.nextTick)
	}
}
