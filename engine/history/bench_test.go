package history

import (
	"fmt"
	"testing"

	"stentor/engine/bus"
)

// benchPushes are to some destinations, with a body of 1 KiB, as in a back end's topic.
func benchPushes() (all [1000]bus.Record) {
	for i := range all {
		all[i] = bus.Record{Destination: fmt.Sprintf("/topic/shop/%d", i), ContentType: "application/json", Body: make([]byte, 1024)}
	}
	return all
}

func BenchmarkNewEntry(b *testing.B) {
	all := benchPushes()
	b.ReportAllocs()
	for i := range b.N {
		NewEntry(bus.Position{Epoch: 1_700_000_000_000_000, Offset: int64(i)}, &all[i%len(all)], 1, 0)
	}
}

// A history that is full, so that each push evicts one.
func BenchmarkAppend(b *testing.B) {
	all := benchPushes()
	l := NewLog(Bounds{Window: 1 << 60, Bytes: 16 << 20})
	l.Begin(bus.Position{Epoch: 7})
	b.ReportAllocs()
	entries := make([]*Entry, 0, 1000)
	for n := 0; n < b.N; n += cap(entries) {
		b.StopTimer()
		entries = entries[:0]
		for i := range cap(entries) {
			entries = append(entries, NewEntry(bus.Position{Epoch: 7, Offset: int64(n + i)}, &all[i], 1, 0))
		}
		b.StartTimer()
		for _, e := range entries {
			l.Append(e, 0)
		}
	}
}
