package measure

import "testing"

func TestSequence(t *testing.T) {
	for _, c := range []struct {
		name string
		seen []uint32
		want Order
	}{
		{"nothing", nil, Order{}},
		{"in order", []uint32{1, 2, 3, 4}, Order{}},
		{"joined late", []uint32{100, 101, 102}, Order{}},
		{"one lost", []uint32{1, 2, 4, 5}, Order{Lost: 1}},
		{"many lost", []uint32{1, 1000}, Order{Lost: 998}},
		{"lost past the window and on", []uint32{1, 40, 41, 39}, Order{Lost: 37, Reordered: 1}},
		{"repeated at once", []uint32{1, 2, 2, 3}, Order{Repeated: 1}},
		{"repeated later", []uint32{1, 2, 3, 4, 2}, Order{Repeated: 1}},
		{"swapped", []uint32{1, 3, 2, 4}, Order{Reordered: 1}},
		{"swapped and repeated", []uint32{1, 3, 2, 2, 4}, Order{Reordered: 1, Repeated: 1}},
		{"a burst in any order", []uint32{1, 5, 3, 4, 2, 6}, Order{Reordered: 3}},
		{"older than the window", []uint32{1, 50, 3}, Order{Lost: 48, Reordered: 1}},
		{"before the first one seen", []uint32{10, 9, 11}, Order{Repeated: 1}},
		{"replayed from the start", []uint32{1, 2, 3, 1, 2, 3}, Order{Repeated: 3}},
		{"first one again", []uint32{1, 1}, Order{Repeated: 1}},
	} {
		var s Sequence
		var o Order
		for _, seq := range c.seen {
			s.Observe(seq, &o)
		}
		if o != c.want {
			t.Errorf("%s: %v gives %+v, want %+v", c.name, c.seen, o, c.want)
		}
	}
}

func TestSequenceAllocatesNothing(t *testing.T) {
	var s Sequence
	var o Order
	seq := uint32(0)
	if n := testing.AllocsPerRun(100, func() { seq++; s.Observe(seq, &o) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
