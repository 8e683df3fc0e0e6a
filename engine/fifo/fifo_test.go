package fifo

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// A list does what a slice does, however full it was in between.
func TestList(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	var l List[*int]
	var want []*int
	for step := range 50_000 {
		grows := step/5000%2 == 0
		if step%500 == 0 {
			n := rng.IntN(len(want) + 1)
			if step%2500 == 0 {
				n = len(want)
			}
			l.Drop(n)
			want = want[n:]
		}
		if n := rng.IntN(3); len(want) == 0 || (n > 0) == grows {
			l.Push(&step)
			want = append(want, &step)
		} else {
			if got := l.Pop(); got != want[0] {
				t.Fatalf("step %d: popped %v, not %v", step, got, want[0])
			}
			want = want[1:]
		}
		if l.Len() != len(want) {
			t.Fatalf("step %d: %d items, not %d", step, l.Len(), len(want))
		}
		if n := len(want); n > 0 {
			if i := rng.IntN(n); l.At(i) != want[i] {
				t.Fatalf("step %d: item %d of %d is wrong", step, i, n)
			}
		}
		if step%97 == 0 && !slices.Equal(l.Items(), want) {
			t.Fatalf("step %d: the items are wrong", step)
		}
	}
}

// What was popped is not kept alive, and what a burst needed is let go.
func TestListLetsGo(t *testing.T) {
	var l List[*int]
	for range 5000 {
		l.Push(new(int))
	}
	for range 40 {
		l.Pop()
	}
	for _, p := range l.items[:l.first] {
		if p != nil {
			t.Fatal("a popped item is kept")
		}
	}
	for _, n := range []int{100, 3000} {
		l.Drop(n)
		for _, p := range l.items[:l.first] {
			if p != nil {
				t.Fatal("a dropped item is kept")
			}
		}
	}
	for _, p := range l.items[len(l.items):cap(l.items)] {
		if p != nil {
			t.Fatal("an item that was moved is kept twice")
		}
	}
	for l.Len() > 0 {
		l.Pop()
	}
	if cap(l.items) > keep {
		t.Errorf("an empty list keeps room for %d items", cap(l.items))
	}
}

func TestListAllocates(t *testing.T) {
	var l List[int]
	step := func() {
		for n := range 100 {
			l.Push(n)
		}
		for range 100 {
			l.Pop()
		}
	}
	step()
	if n := testing.AllocsPerRun(100, step); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
