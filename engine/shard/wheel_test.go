package shard

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
)

// Deadlines are set, moved and dropped at random; each must come at its tick, also when the loop stood still over it,
// when it is turns of the wheel away, and when the number of the tick wraps.
func TestWheel(t *testing.T) {
	for _, start := range []uint64{1, 1<<32 - 5*wheelSlots} {
		t.Run(fmt.Sprint(start), func(t *testing.T) { testWheel(t, start) })
	}
}

func testWheel(t *testing.T, tick uint64) {
	rng := rand.New(rand.NewPCG(1, 2))
	r := newRig(t)
	s := r.s
	s.tick, s.wheel.now = uint32(tick), uint32(tick)
	due := map[*stubSocket]uint64{}
	schedule := func(k *stubSocket, in uint64) {
		s.schedule(k.conn, uint32(tick+in))
		due[k] = tick + max(in, 1)
		if uint32(due[k]) == 0 { // which means none
			due[k]++
		}
	}
	open := func() *stubSocket {
		k := &stubSocket{r: r}
		k.conn = s.Open(k, netip.AddrPort{})
		s.unschedule(k.conn)
		return k
	}
	var idle []*stubSocket
	for range 500 {
		idle = append(idle, open())
	}
	for range 20_000 {
		switch n := rng.IntN(10); {
		case n < 5 && len(idle) > 0:
			k := idle[len(idle)-1]
			idle = idle[:len(idle)-1]
			in := rng.Uint64N(50)
			if n == 0 {
				in = rng.Uint64N(3 * wheelSlots)
			}
			schedule(k, in)
		case n == 5:
			for k := range due { // any
				schedule(k, 7)
				break
			}
		case n == 6:
			for k := range due {
				s.unschedule(k.conn)
				delete(due, k)
				idle = append(idle, k)
				break
			}
		default:
			passed := 1 + rng.Uint64N(3)
			if rng.IntN(200) == 0 {
				passed = rng.Uint64N(2 * wheelSlots)
			}
			tick += passed
			r.closed = nil
			for s.expire(uint32(tick), -1) { // a slice at a time: the deadline is over
			}
			for _, k := range r.closed {
				if at, set := due[k]; !set || at > tick {
					t.Fatalf("at tick %d came a deadline of tick %d (%v)", tick, at, set)
				}
				delete(due, k)
				idle = append(idle, open())
			}
			for k, at := range due {
				if at <= tick {
					t.Fatalf("at tick %d the deadline of tick %d has not come, timer %+v", tick, at, k.conn.timer)
				}
			}
		}
	}
}

// A deadline is counted from now, not from where the wheel has come.
func TestDeadlineAfterAPause(t *testing.T) {
	r := newRig(t)
	r.now += 9 * second // and no tick
	k := &stubSocket{r: r}
	k.conn = r.s.Open(k, netip.AddrPort{})
	for range 50 * 9 {
		r.tick()
	}
	if len(r.closed) > 0 {
		t.Error("the handshake was given up after 9 of 10 seconds")
	}
	for range 60 {
		r.tick()
	}
	if len(r.closed) == 0 {
		t.Error("the handshake has all the time of the world")
	}
}

// TestPatience: in a crowd a client that says nothing has less time.
func TestPatience(t *testing.T) {
	r := newRig(t)
	r.crowd = 4 // 2 of 10 seconds
	k := &stubSocket{r: r}
	k.conn = r.s.Open(k, netip.AddrPort{})
	for range 50*2 - 5 {
		r.tick()
	}
	if len(r.closed) > 0 {
		t.Error("it was closed before its time")
	}
	for range 60 {
		r.tick()
	}
	if len(r.closed) == 0 {
		t.Error("it has as much time as ever")
	}
}
