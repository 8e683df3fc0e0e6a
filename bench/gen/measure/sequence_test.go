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

// Who knows where it began must see what comes first, too.
func TestSequenceFollow(t *testing.T) {
	for _, c := range []struct {
		name    string
		newest  uint32 // when it began
		seen    []uint32
		sent    uint32 // in the end
		want    Order
		missing uint32
	}{
		{"nothing sent", 0, nil, 0, Order{}, 0},
		{"nothing came", 0, nil, 3, Order{}, 3},
		{"all came", 0, []uint32{1, 2, 3}, 3, Order{}, 0},
		{"the first is lost", 0, []uint32{2, 3}, 3, Order{Lost: 1}, 0},
		{"the last is lost", 5, []uint32{6, 7}, 8, Order{}, 1},
		{"some were under way", 5, []uint32{4, 5, 6}, 6, Order{}, 0},
		{"some were under way, and one is lost", 5, []uint32{3, 4, 6}, 6, Order{Lost: 1}, 0},
		{"the first is repeated", 0, []uint32{1, 1}, 1, Order{Repeated: 1}, 0},
		{"the second came first", 0, []uint32{2, 1, 3}, 3, Order{Reordered: 1}, 0},
	} {
		var s Sequence
		var o Order
		s.Follow(c.newest)
		for _, seq := range c.seen {
			s.Observe(seq, &o)
		}
		if missing := s.Missing(c.sent); o != c.want || missing != c.missing {
			t.Errorf("%s: %+v and %d missing, want %+v and %d", c.name, o, missing, c.want, c.missing)
		}
	}
	var unknown Sequence
	if unknown.Missing(5) != 0 {
		t.Error("a sequence that does not know its start misses something")
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
