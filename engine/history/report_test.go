package history

import (
	"testing"
	"time"

	"stentor/engine/bus"
)

// The reports of what users have lost do not crowd out what is kept for them.
func TestUnreadIsBounded(t *testing.T) {
	k := newBook(t, Bounds{time.Hour, 1 << 20}, place(0, 0))
	ann := bus.Record{Destination: "/queue/x", User: "ann"}
	first := NewEntry(place(0, 0), &ann, 0, 0)
	first.Report = &Report{}
	k.Append(first, 0)
	k.next[0] = 1
	cursor := Cursor{}
	k.Extend(&cursor, first)
	for n := range 20_000 {
		e := NewEntry(place(0, k.next[0]), &ann, 0, 0)
		e.Report = &Report{}
		k.next[0]++
		if _, taken := k.Append(e, 0); !taken {
			t.Fatal("not taken")
		}
		if n == 5000 && (!first.Evicted() || k.Skip(&cursor, nil) != 1) {
			t.Fatal("the first is not lost")
		}
	}
	k.audit()
	if n := int64(k.unread.Len()); n*unreadCost > k.bounds.Bytes/16 || n < 500 || k.Len() < 2000 {
		t.Errorf("%d reports, %d pushes", n, k.Len())
	}
	if n := first.Report.Dropped.Load(); n > 1 {
		t.Errorf("dropped %d times", n)
	}
}

// They outlive an epoch, and so does what they count.
func TestUnreadOverAnEpoch(t *testing.T) {
	k := newBook(t, Bounds{time.Hour, 1 << 20}, place(0, 0))
	for n := range int64(100) {
		e := NewEntry(place(0, n), &bus.Record{Destination: "/queue/x", User: "ann"}, 0, 0)
		e.Report = &Report{}
		k.Append(e, 0)
	}
	k.Begin(at(epoch+1, 0, 0))
	k.audit()
}
