package shard

import (
	"sync"
	"testing"

	"stentor/engine/history"
)

// Each hand-over wakes the loop once, at the first item; order stays.
func TestInboxWakesOnce(t *testing.T) {
	var in inbox
	for round := range 3 {
		for n := range 10 {
			if wake := in.put(item{entry: &history.Entry{Time: int64(n)}}); wake != (n == 0) {
				t.Fatalf("round %d: item %d wakes: %v", round, n, wake)
			}
		}
		items := in.take()
		if len(items) != 10 {
			t.Fatalf("%d items", len(items))
		}
		if !in.put(item{task: func() {}}) {
			t.Error("no wake while the items are worked on")
		}
		for n, it := range items {
			if it.entry.Time != int64(n) {
				t.Fatalf("item %d is %d", n, it.entry.Time)
			}
		}
		in.give(items)
		in.give(in.take())
	}
}

// What is held waits for a flush or for whatever else wakes the loop, and is flushed once.
func TestInboxHolds(t *testing.T) {
	var in inbox
	if in.flush() {
		t.Error("a wake for nothing")
	}
	in.hold(item{entry: &history.Entry{}})
	in.hold(item{entry: &history.Entry{}})
	if !in.flush() || in.flush() || in.put(item{task: func() {}}) {
		t.Error("not one wake for what was held")
	}
	if n := len(in.take()); n != 3 {
		t.Errorf("%d items", n)
	}
	in.hold(item{entry: &history.Entry{}})
	if !in.put(item{task: func() {}}) || in.flush() {
		t.Error("a task behind what is held does not wake")
	}
}

// Many goroutines post to a loop that runs when it is woken, and only then.
func TestInboxLosesNothing(t *testing.T) {
	const posters, each = 8, 2000
	wake := make(chan struct{}, 1)
	r := newRig(t)
	s := New(r.s.conf, wakeEnv{r, func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	}})
	last := make([]int, posters)
	done, left := make(chan struct{}), posters*each
	go func() {
		for range wake {
			for s.Run() {
			}
			if left == 0 {
				close(done)
				return
			}
		}
	}()
	var wg sync.WaitGroup
	for p := range posters {
		wg.Go(func() {
			for n := 1; n <= each; n++ {
				s.Post(func() {
					if last[p] != n-1 {
						t.Errorf("poster %d: task %d after %d", p, n, last[p])
					}
					last[p] = n
					left--
				})
			}
		})
	}
	wg.Wait()
	<-done
}

// wakeEnv is a rig's Env with a Wake that any goroutine may call.
type wakeEnv struct {
	*rig
	wake func()
}

func (e wakeEnv) Wake() { e.wake() }

// A burst is worked off in slices, in order.
func TestDrainIsSliced(t *testing.T) {
	r := newRig(t)
	n := 0
	for i := range 1000 {
		r.s.Post(func() {
			if n != i {
				t.Errorf("task %d is the %dth", i, n)
			}
			n++
			r.now += 100 * microsecond
		})
	}
	slices := 1
	for start := r.now; r.s.Run(); start = r.now {
		if took := r.now - start; took > slice {
			t.Fatalf("a slice took %d us", took/microsecond)
		}
		slices++
	}
	if n != 1000 || slices < 50 {
		t.Errorf("%d tasks in %d slices", n, slices)
	}
}

// Wakes that meet become one. What was posted while a slice's rest was still to be done has no other one than that slice's:
// it is not left until the next tick.
func TestInboxIsNotLeftBehind(t *testing.T) {
	r := newRig(t)
	var done []string
	post := func(name string, took int64) {
		r.s.Post(func() {
			done = append(done, name)
			r.now += took
		})
	}
	post("long", slice)
	post("rest", 0)
	if !r.s.Run() {
		t.Fatal("nothing is left")
	}
	post("late", 0)
	for range 3 {
		if !r.s.Run() {
			break
		}
	}
	if len(done) != 3 {
		t.Errorf("%v", done)
	}
	if r.s.Run() {
		t.Error("there is always more")
	}
}
