package engine

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"stentor/engine/shard"
)

// One sender takes no more than its part, whatever the sessions are that it sends with; another one still has his.
func TestSendersHaveTheirParts(t *testing.T) {
	ann, bob := shard.Holder{User: "ann"}, shard.Holder{User: "bob"}
	s, now := newSenders(40), time.Unix(1, 0)
	sent := func(h shard.Holder) (n int) {
		for n < 1000 && s.allow(h, 1, now) {
			n++
		}
		return n
	}
	if a, b := sent(ann), sent(bob); a != 10 || b != 10 {
		t.Errorf("%d and %d of 40", a, b)
	}
	now = now.Add(time.Second / 2)
	if a := sent(ann); a != 5 {
		t.Errorf("%d after half a second", a)
	}
	now = now.Add(time.Second)
	if !s.allow(ann, 25, now) || s.allow(ann, 1, now) {
		t.Error("a transaction takes a second's part and passes once")
	}
	if s := newSenders(rate.Inf); !s.allow(ann, 1<<20, now) || s.lately != nil {
		t.Error("without a limit nobody is counted")
	}
	if s := newSenders(1); !s.allow(ann, 1, now) || s.allow(ann, 1, now) {
		t.Error("the smallest limit has a part of one")
	}
}

func TestSendersAreForgotten(t *testing.T) {
	s, now := newSenders(40), time.Unix(1, 0)
	for i := range 10_000 {
		s.allow(shard.Holder{User: fmt.Sprint(i)}, 1, now)
		now = now.Add(10 * time.Millisecond)
		if n := len(s.lately) + len(s.before); n > 500 {
			t.Fatalf("%d are known", n)
		}
	}
	ann := shard.Holder{User: "ann"}
	for n := 0; n < 1000 && s.allow(ann, 1, now); n++ {
	}
	s.turned = time.Time{} // the next turn comes at once
	if s.allow(ann, 1, now) {
		t.Error("who was forgotten in the middle of a second may send anew")
	}
}
