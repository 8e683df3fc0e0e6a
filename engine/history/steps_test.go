package history

import (
	"fmt"
	"testing"
	"time"

	"stentor/engine/bus"
)

// counted is a pattern that counts what it is asked.
type counted struct {
	matcher
	asked int
}

func (c *counted) Match(dest string) bool {
	c.asked++
	return c.matcher(dest)
}

// steps resumes with a pattern to the end, and tells how many steps that took and of how many looks.
func (k *book) steps(m *counted, seen int64, between func()) (cursor Cursor, answer Answer, steps int) {
	search := NewResume([]bus.Position{place(0, seen)})
	for answer == Unsure {
		before := m.asked
		cursor, answer = k.Resume(Wanted{Match: m}, &search, k.applied(), k.Log.next)
		if steps++; m.asked-before > Looks {
			k.t.Fatalf("%d looks in a step", m.asked-before)
		}
		if between != nil {
			between()
		}
	}
	return cursor, answer, steps
}

// However many destinations have lost something, and however much there is to look at, a step looks at little.
func TestStepsAreBounded(t *testing.T) {
	k := newBook(t, Bounds{time.Hour, 16 << 20}, place(0, 0))
	const quiet = 10_000
	for n := range quiet {
		k.add(0, bus.Record{Destination: fmt.Sprint("/quiet/", n)})
	}
	k.SetBounds(Bounds{time.Hour, 32 << 20})
	k.EvictOlder(int64(time.Hour) * 1000)
	if k.floors.live != quiet || k.Len() != 0 {
		t.Fatalf("%d floors, %d pushes", k.floors.live, k.Len())
	}
	const pushes = 20_000
	for n := range pushes {
		k.add(0, bus.Record{Destination: fmt.Sprint("/topic/", n%1000)})
	}
	m := &counted{matcher: startsWith("/topic/7")}
	cursor, answer, steps := k.steps(m, -1, nil)
	if answer != Whole || m.asked != quiet || steps < quiet/Looks {
		t.Errorf("answer %d after %d steps and %d looks", answer, steps, m.asked)
	}
	want := 0
	for n := range pushes {
		if m.matcher(fmt.Sprint("/topic/", n%1000)) {
			want++
		}
	}
	got := 0
	for !cursor.Empty() {
		before := m.asked
		given, _ := k.Read(&cursor, m, nil, Budget{Pushes: 1000, Bytes: 1 << 20})
		if got += len(given); m.asked-before > Looks {
			t.Fatalf("%d looks in a step", m.asked-before)
		}
	}
	if got != want {
		t.Errorf("%d of %d were given", got, want)
	}

	m.asked = 0
	if cursor, answer, _ = k.steps(m, k.next[0]-1, nil); answer != Whole || m.asked > 0 {
		t.Errorf("who has missed nothing costs %d looks at floors, answer %d", m.asked, answer)
	}
	if n := cursor.Waiting(); n > markEvery {
		t.Errorf("who has missed nothing costs a look at %d pushes", n)
	}
	m.asked = 0
	if _, answer, _ = k.steps(m, quiet-50, nil); answer != Whole || m.asked > 100 {
		t.Errorf("who has seen all but 50 costs %d looks at floors, answer %d", m.asked, answer)
	}
}

// What is evicted while a search goes on is seen by it, whether or not it had looked there.
func TestEvictionDuringASearch(t *testing.T) {
	for _, matched := range []bool{true, false} {
		k := newBook(t, Bounds{time.Hour, 16 << 20}, place(0, 0))
		k.add(0, bus.Record{Destination: "/topic/a"})
		for n := range 5000 {
			k.add(0, bus.Record{Destination: fmt.Sprint("/quiet/", n)})
		}
		k.EvictOlder(int64(time.Hour) * 1000)
		dest := "/topic/b"
		if matched {
			dest = "/topic/a"
		}
		k.add(0, bus.Record{Destination: dest})
		steps := 0
		m := &counted{matcher: func(d string) bool { return d == "/topic/a" }}
		_, answer, _ := k.steps(m, 0, func() { // it has seen the first
			if steps++; steps == 3 {
				k.EvictOlder(int64(time.Hour) * 1000)
			}
		})
		if steps < 5 && !matched || (answer == Gap) != matched {
			t.Errorf("%s was evicted: answer %d after %d steps", dest, answer, steps)
		}
	}
}

// What a resume costs is its search, not what it has missed.
func TestResumeAllocates(t *testing.T) {
	k := newBook(t, Bounds{time.Hour, 64 << 20}, place(0, 0))
	for range 20_000 {
		k.add(0, bus.Record{Destination: "/topic/a"})
	}
	applied := k.applied()
	out := make([]*Entry, 0, 1000)
	n := testing.AllocsPerRun(100, func() {
		search := Resume{seen: positions{place(0, -1)}}
		c, answer := k.Resume(Wanted{Chain: "/topic/a"}, &search, applied, k.Log.next)
		if answer != Whole || c.Waiting() != 20_000 {
			t.Fatalf("%d wait, answer %d", c.Waiting(), answer)
		}
		for range 10 {
			out, _ = k.Read(&c, nil, out[:0], Budget{Pushes: 1000, Bytes: 16 << 10, Lines: 28})
		}
	})
	if n > 0 {
		t.Errorf("%v allocations", n)
	}
}
