package history

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// The places of floors are those of a list, in order, whatever is raised and forgotten; there are not many more than are
// taken, and none of the steps goes over all of them.
func TestFloorPlaces(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var f floors
	chains := make([]chain, 3000)
	var want []*chain
	seq, closes := uint64(0), 0
	for step := range 100_000 {
		if rng.IntN(100) == 0 && f.len() > 0 {
			if p := f.pop(); p.taken() {
				if p.chain != want[0] {
					t.Fatalf("step %d: the wrong one is the oldest", step)
				}
				want = want[1:]
				p.chain.floorSeq = 0
				f.live--
			}
		} else {
			c := &chains[rng.IntN(1+min(step/10, len(chains)-1))]
			if c.floorSeq == 0 {
				f.live++
			} else {
				want = slices.DeleteFunc(want, func(o *chain) bool { return o == c })
			}
			seq++
			c.floorSeq = seq
			want = append(want, c)
			before := f.behind
			if f.push(c); f.behind-before > closing {
				t.Fatalf("step %d: %d places were looked at", step, f.behind-before)
			}
		}
		if f.len() > 3*f.live+100 || len(f.places) > 4*f.live+200 {
			t.Fatalf("step %d: %d places, %d in all, for %d floors", step, f.len(), len(f.places), f.live)
		}
		if step%500 > 0 {
			continue
		}
		if f.behind > f.gap {
			closes++
		}
		var got []*chain
		last := uint64(0)
		for i := range f.len() {
			p := f.at(i)
			if p.seq <= last || f.from(p.seq) != i || f.from(p.seq-1) > i {
				t.Fatalf("step %d: place %d has %d behind %d, found at %d", step, i, p.seq, last, f.from(p.seq))
			}
			if last = p.seq; p.taken() {
				got = append(got, p.chain)
			}
		}
		if !slices.Equal(got, want) || f.live != len(want) {
			t.Fatalf("step %d: %d floors, not %d", step, len(got), len(want))
		}
	}
	if closes < 50 {
		t.Errorf("places were closing up %d times", closes)
	}
}
