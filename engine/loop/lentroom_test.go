package loop

import (
	"net/netip"
	"testing"
)

// An address that takes all that it gets leaves most of the room to others, however many connections it has.
func TestLentRoom(t *testing.T) {
	const all, each = 64 << 20, 160 << 10
	r := lentRoom{each: each, all: all, of: map[netip.Addr]int64{}}
	hostile, friend := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("192.0.2.7")
	got := 0
	for range 1000 {
		if r.take(hostile, 0, each) {
			got++
		}
		hostile = hostile.Next() // of the same /64
	}
	if got == 0 || r.taken() > all/8 {
		t.Errorf("one address takes %d of %d", r.taken(), all)
	}
	for range 10 {
		if !r.take(friend, 0, each) {
			t.Error("another one gets nothing")
		}
	}
	if !r.take(netip.Addr{}, 0, each) || !r.take(hostile, 0, lentAllowance) {
		t.Error("a proxy gets nothing, or the address not its allowance")
	}
	for range got {
		r.give(hostile, each, each)
	}
	for range 10 {
		r.give(friend, each, each)
	}
	r.give(netip.Addr{}, each, each)
	if r.taken() != 0 || len(r.of) != 0 {
		t.Errorf("%d bytes are left, %v", r.taken(), r.of)
	}
}
