package history

import (
	"sync"
	"testing"
	"time"
)

// An evicted entry counts from the first Hold or its eviction, whichever is later, to the last Release.
func TestHold(t *testing.T) {
	l := newLog()
	l.Begin(at(1, 0, 0))
	e := push(at(1, 0, 0), "")
	l.Append(e, 0)
	check := func(what string, want int32) {
		t.Helper()
		if got := l.Held(); got != int64(want) {
			t.Errorf("%s: %d bytes, want %d", what, got, want)
		}
	}
	e.Hold()
	e.Hold()
	check("kept", 0)
	l.EvictOlder(int64(2 * time.Hour))
	check("evicted", e.size)
	e.Release()
	check("released by one", e.size)
	e.Release()
	check("released", 0)
	e.Hold()
	check("held after its eviction", e.size)
	e.Release()
	check("at the end", 0)
	if len(l.holds.of) != 0 {
		t.Error("an entry is kept")
	}
}

// Holds and evictions that meet are counted exactly.
func TestHoldsMeetEvictions(t *testing.T) {
	l := NewLog(Bounds{Window: time.Hour, Bytes: 2000})
	l.Begin(at(1, 0, 0))
	entries := make(chan *Entry, 100)
	var holders sync.WaitGroup
	for range 3 {
		holders.Go(func() {
			for e := range entries {
				e.Hold()
				e.Hold()
				e.Release()
				e.Release()
			}
		})
	}
	for i := range int64(20_000) {
		e := push(at(1, 0, i), "")
		l.Append(e, 0)
		entries <- e
	}
	close(entries)
	holders.Wait()
	l.EvictOlder(int64(2 * time.Hour))
	if l.Held() != 0 || len(l.holds.of) != 0 || l.holds.some.Load() != 0 {
		t.Errorf("%d bytes of %d entries are held at the end", l.Held(), len(l.holds.of))
	}
}
