package history

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"stentor/engine/bus"
	"stentor/engine/statefile"
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

// BenchmarkRestart saves and restores 200,000 quiet destinations.
func BenchmarkRestart(b *testing.B) {
	const n = 200_000
	l := NewLog(Bounds{time.Hour, 1 << 30})
	l.Begin(at(1, 0, 0))
	for i := range int64(n) {
		l.Append(NewEntry(at(1, 0, i), &bus.Record{Destination: fmt.Sprint("/topic/shop/orders/", i)}, 0, 0), 0)
	}
	l.EvictOlder(int64(2 * time.Hour))
	var file bytes.Buffer
	for b.Loop() {
		file.Reset()
		began := time.Now()
		if saved, err := l.Save(&file); !saved || err != nil {
			b.Fatal(saved, err)
		}
		wrote := time.Now()
		s, err := statefile.Decode(file.Bytes())
		if err != nil {
			b.Fatal(err)
		}
		again := NewLog(l.bounds)
		again.Recall(s)
		read := time.Now()
		if r := again.Begin(at(1, 0, n)); r.Floors != n {
			b.Fatal(r)
		}
		b.ReportMetric(float64(wrote.Sub(began).Nanoseconds())/n, "ns/saved")
		b.ReportMetric(float64(read.Sub(wrote).Nanoseconds())/n, "ns/decoded")
		b.ReportMetric(float64(time.Since(read).Nanoseconds())/n, "ns/restored")
		b.ReportMetric(float64(file.Len())/n, "bytes/destination")
	}
}
