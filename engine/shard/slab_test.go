package shard

import (
	"math/rand/v2"
	"testing"
)

func TestSlab(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	var s slab[int]
	used := map[uint32]int{}
	pointers := map[uint32]*int{}
	most := 0
	for step := range 20_000 {
		if rng.IntN(5) < 2 && len(used) > 0 {
			for i := range used {
				s.release(i)
				delete(used, i)
				break
			}
			continue
		}
		i := s.take()
		if _, taken := used[i]; taken || i == 0 {
			t.Fatalf("number %d is given out twice, or is 0", i)
		}
		if p := pointers[i]; p != nil && p != s.at(i) {
			t.Fatalf("the value of %d has moved", i)
		}
		pointers[i] = s.at(i)
		*s.at(i) = step
		used[i] = step
		most = max(most, len(used))
		for j, want := range used {
			if *s.at(j) != want {
				t.Fatalf("%d holds %d, not %d", j, *s.at(j), want)
			}
			break
		}
	}
	for i, want := range used {
		if *s.at(i) != want {
			t.Fatalf("%d holds %d, not %d", i, *s.at(i), want)
		}
	}
	if int(s.used) != most {
		t.Errorf("%d numbers for %d values", s.used, most)
	}
}
