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

// The memory of many values is released when they are gone, and their numbers are given out again.
func TestSlabTrims(t *testing.T) {
	var s slab[int]
	const n = 20 * chunk
	for round := range 3 {
		var all []uint32
		for range n {
			i := s.take()
			*s.at(i) = round + 1
			all = append(all, i)
		}
		if s.live != n || s.used != n {
			t.Fatalf("%d values, the highest number is %d, want %d", s.live, s.used, n)
		}
		rand.Shuffle(n, func(i, j int) { all[i], all[j] = all[j], all[i] })
		last := all[n-1]
		for _, i := range all[:n-1] {
			*s.at(i) = 0
			s.release(i)
			if i%97 == 0 {
				s.trim()
			}
		}
		s.trim()
		if k := chunksOf(&s); k > 3 { // that of number 0, that of the last value, an empty one
			t.Errorf("%d chunks are kept for one value", k)
		}
		for i := range uint32(n) {
			if v := *s.at(i); v != 0 && i != last {
				t.Fatalf("%d, which is free, holds %d", i, v)
			}
		}
		if *s.at(last) != round+1 {
			t.Fatalf("the last one holds %d", *s.at(last))
		}
		s.release(last)
	}
}
