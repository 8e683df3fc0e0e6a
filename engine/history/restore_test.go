package history

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"stentor/engine/bus"
	"stentor/engine/statefile"
)

// file saves a Log and reads what it wrote.
func (l *Log) file(t *testing.T) *statefile.State {
	t.Helper()
	var b bytes.Buffer
	if saved, err := l.Save(&b); !saved || err != nil {
		t.Fatal("nothing is saved: ", err)
	}
	s, err := statefile.Decode(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// quietBook has read [10, 20): /topic/0 to /topic/9, each once. The first five are evicted.
func quietBook(t *testing.T) *book {
	k := newBook(t, Bounds{time.Hour, 1 << 20}, place(0, 10))
	for n := range 10 {
		k.add(0, bus.Record{Destination: fmt.Sprint("/topic/", n)})
	}
	for range 5 {
		k.evictFirst()
	}
	return k
}

func (l *Log) whole(chain string, applied int64, seen ...bus.Position) bool {
	at := map[int32]bus.Position{}
	for n, p := range l.partitions {
		at[n] = bus.Position{Epoch: p.begin.Epoch, Partition: n, Offset: applied}
	}
	_, whole := l.Since(Wanted{Chain: chain}, seen, at)
	return whole
}

func TestBeginAfterARestart(t *testing.T) {
	s := quietBook(t).file(t)
	for _, c := range []struct {
		name     string
		begin    bus.Position
		end      int64
		next     int64 // what Covered answers
		restored Restored
		whole    map[int]int64 // by destination, the lowest position of those to whom nothing is missing
	}{
		{"among the floors", place(0, 13), 20, 13, Restored{true, 1, 1, 5}, map[int]int64{0: 10, 2: 12, 3: 12, 9: 9}},
		{"among the pushes", place(0, 17), 25, 17, Restored{true, 1, 1, 7}, map[int]int64{0: 10, 4: 14, 6: 16, 7: 9, 99: 9}},
		{"at the first", place(0, 10), 20, 10, Restored{true, 1, 1, 5}, map[int]int64{0: 9, 9: 9}},
		{"behind the last", place(0, 20), 20, 20, Restored{true, 1, 1, 10}, map[int]int64{0: 10, 9: 19}},
		{"before the first", place(0, 9), 20, 9, Restored{true, 1, 0, 0}, map[int]int64{0: 8}},
		{"further on", place(0, 22), 30, 20, Restored{true, 1, 0, 0}, map[int]int64{0: 21}},
		{"in another epoch", at(epoch+1, 0, 15), 20, 15, Restored{true, 1, 0, 0}, map[int]int64{0: 14}},
		{"where records are gone", place(0, 15), 19, 15, Restored{true, 1, 0, 0}, map[int]int64{0: 20}},
		{"where no partition is", place(1, 15), 20, 15, Restored{}, map[int]int64{0: 14}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLog()
			l.Recall(s)
			if next := l.Covered(c.begin, c.end); next != c.next {
				t.Errorf("covered up to %d, want %d", next, c.next)
			}
			r := l.Begin(c.begin)
			if r != c.restored {
				t.Errorf("%+v, want %+v", r, c.restored)
			}
			for n, lowest := range c.whole {
				for offset := max(-1, lowest-3); offset < lowest+3; offset++ {
					seen := c.begin
					seen.Offset = offset
					if whole := l.whole(fmt.Sprint("/topic/", n), 30, seen); whole != (offset >= lowest) {
						t.Errorf("/topic/%d since %d: nothing is missing: %t", n, offset, whole)
					}
				}
			}
		})
	}
}

// Nothing comes back before all partitions have begun, and nothing once a push was read.
func TestAllPartitionsBegin(t *testing.T) {
	k := newBook(t, Bounds{time.Hour, 1 << 20}, place(0, 0), place(1, 0))
	k.add(0, bus.Record{Destination: "/topic/a"})
	k.add(1, bus.Record{Destination: "/topic/b"})
	k.next[0], k.next[1] = 10, 10
	k.Advance(place(0, 9))
	k.Advance(place(1, 9))
	s := k.file(t)

	l := newLog()
	l.Recall(s)
	if r := l.Begin(place(0, 5)); r.Done || l.whole("/topic/a", 9, place(0, 0), place(1, 9)) {
		t.Errorf("one partition has begun: %+v", r)
	}
	if saved, _ := l.Save(new(bytes.Buffer)); saved {
		t.Error("what is known of one partition took the place of what was known of two")
	}
	if r := l.Begin(place(1, 5)); r.Covered != 2 || r.Floors != 2 || !l.whole("/topic/a", 9, place(0, 0), place(1, 9)) {
		t.Errorf("both have begun: %+v", r)
	}

	l = newLog()
	l.Recall(s)
	l.Begin(place(0, 5))
	l.Append(push(place(0, 5), ""), 0)
	if r := l.Begin(place(1, 5)); r.Covered > 0 || l.whole("/topic/b", 9, place(0, 9), place(1, 0)) {
		t.Errorf("a push was read before: %+v", r)
	}
	if _, err := l.Save(new(bytes.Buffer)); err != nil {
		t.Error(err)
	}
}

// While a restarted node has read less than the one before had, its file would say less.
func TestSaveWaitsForWhatWasRead(t *testing.T) {
	s := quietBook(t).file(t)
	l := newLog()
	l.Recall(s)
	l.Begin(place(0, 15))
	before := l.Stamp()
	for offset := int64(15); offset < 20; offset++ {
		if saved, _ := l.Save(new(bytes.Buffer)); saved {
			t.Errorf("saved at %d", offset)
		}
		l.Append(push(place(0, offset), ""), 0)
	}
	if p := l.file(t).Partitions[0]; p.Begin != 10 || p.Next != 20 {
		t.Errorf("%+v", p)
	}
	if l.Stamp() == before {
		t.Error("nothing new to save")
	}
	before = l.Stamp()
	l.Advance(place(0, 25))
	if p := l.file(t).Partitions[0]; p.Next != 26 || l.Stamp() == before {
		t.Errorf("after records that are not pushes: %+v", p)
	}
	l.Begin(place(0, 22)) // the bus lost some: what was read before counts no more
	if p := l.file(t).Partitions[0]; p.Begin != 22 || p.Next != 22 || p.Former != 25 {
		t.Errorf("after a step back: %+v", p)
	}
}

// A save during which a partition begins is none.
func TestBeginDuringASave(t *testing.T) {
	k := newBook(t, Bounds{time.Hour, 1 << 20}, place(0, 0))
	for n := range 2 * savePart {
		k.add(0, bus.Record{Destination: fmt.Sprint("/topic/", n)})
	}
	once := false
	saved, err := k.Save(writerFunc(func([]byte) {
		if !once {
			once = true
			k.Begin(place(0, 10*savePart))
		}
	}))
	if saved || err != nil || !once {
		t.Error(saved, err, once)
	}
}

// What was forgotten is forgotten after a restart, too: of destinations that belong in a partition, and, when the topic has
// more partitions since, of any.
func TestForgottenOverARestart(t *testing.T) {
	k := newBook(t, Bounds{time.Hour, 40_000}, place(0, 0), place(1, 0))
	home, other := "", ""
	for n := range 1000 {
		dest := fmt.Sprint("/topic/", n)
		p := bus.Home(dest, 2)
		k.add(p, bus.Record{Destination: dest})
		if home == "" && p == 0 {
			home = dest
		}
		if other == "" && p == 1 && bus.Home(dest, 3) == 1 {
			other = dest
		}
	}
	if k.partitions[0].lost.home < 0 || k.partitions[0].lost.strays >= 0 {
		t.Fatalf("%+v", k.partitions[0].lost)
	}
	s := k.file(t)
	last := []bus.Position{place(0, k.next[0]-1), place(1, k.next[1]-1)}
	for _, more := range []bool{false, true} {
		l := NewLog(Bounds{time.Hour, 40_000})
		l.Recall(s)
		if more {
			l.Begin(place(2, 0))
		}
		l.Begin(place(0, k.next[0]))
		l.Begin(place(1, k.next[1]))
		if l.whole(home, 1000, place(0, 0), last[1]) {
			t.Errorf("more %t: it is not known what %s has lost", more, home)
		}
		if !l.whole(home, 1000, last...) {
			t.Errorf("more %t: who has seen all is told of a gap", more)
		}
		// What is not in its partition cannot be of a destination of the other one, unless that was elsewhere then.
		if whole := l.whole(other, 1000, last[1]); whole == more {
			t.Errorf("more %t: who names the partition of %s alone: whole %t", more, other, whole)
		}
		(&book{t: t, Log: l}).audit()
	}
}

// Floors that have no room are forgotten, the oldest first, whatever partition they are in.
func TestRestoredWithLessRoom(t *testing.T) {
	k := newBook(t, Bounds{time.Hour, 16 << 20}, place(0, 0), place(1, 0))
	const n = 2000
	for i := range n {
		k.add(int32(i%2), bus.Record{Destination: fmt.Sprint("/topic/", i)})
	}
	l := NewLog(Bounds{time.Hour, 1 << 19})
	l.Recall(k.file(t))
	l.Begin(place(0, k.next[0]))
	l.Begin(place(1, k.next[1]))
	kept := l.floors.live
	if kept > n/2 || kept < n/20 || l.quiet > 1<<17 {
		t.Fatalf("%d of %d floors are kept", kept, n)
	}
	for i := range l.floors.len() {
		want := fmt.Sprint("/topic/", n-kept+i)
		if got := l.floors.at(i).chain.key; got != want {
			t.Fatalf("place %d has %s, want %s", i, got, want)
		}
	}
	(&book{t: t, Log: l}).audit()
}
