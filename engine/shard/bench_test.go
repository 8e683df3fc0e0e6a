package shard

import (
	"fmt"
	"testing"

	"stentor/stomp"
)

// What a delivery costs beside its write: the socket does nothing. All numbers are of one delivery.

const benchClients = 15_000

func benchRound(b *testing.B, id func(int) string, pushes int) {
	r := newRig(b)
	r.fill(benchClients, "/topic/a", id)
	e := r.push("/topic/a", 200)
	r.run()
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		for range pushes {
			e.Need()
			r.hand(e)
		}
		r.run()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*benchClients*pushes), "ns/delivery")
}

// BenchmarkRound is the usual broadcast: all clients chose the same id for the destination.
func BenchmarkRound(b *testing.B) { benchRound(b, sameID, 1) }

// BenchmarkRoundOfIDs is one in which each has an id of its own, so that nothing that was built is used again.
func BenchmarkRoundOfIDs(b *testing.B) {
	benchRound(b, func(i int) string { return fmt.Sprint("sub-", i) }, 1)
}

// BenchmarkRoundOfTen is ten pushes at once, in one write.
func BenchmarkRoundOfTen(b *testing.B) { benchRound(b, sameID, 10) }

// BenchmarkUnicast is a push to one of many users.
func BenchmarkUnicast(b *testing.B) {
	r := newRig(b)
	r.fill(benchClients, "/user/queue/x", sameID)
	all := make([]func(), 1000)
	for i := range all {
		e := r.pushUser(fmt.Sprint("user", i*7%benchClients), "/queue/x", 200)
		all[i] = func() { e.Need(); r.hand(e) }
	}
	r.run()
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		all[n%len(all)]()
		r.s.Run()
	}
}

// BenchmarkUnicasts is many of them in one wake.
func BenchmarkUnicasts(b *testing.B) {
	r := newRig(b)
	r.fill(benchClients, "/user/queue/x", sameID)
	all := make([]func(), 1000)
	for i := range all {
		e := r.pushUser(fmt.Sprint("user", i*7%benchClients), "/queue/x", 200)
		all[i] = func() { e.Need(); r.hand(e) }
	}
	r.run()
	b.ReportAllocs()
	for b.Loop() {
		for _, push := range all {
			push()
		}
		r.run()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(all)), "ns/delivery")
}

// BenchmarkSubscribe is the whole way of a SUBSCRIBE and its UNSUBSCRIBE, without the writes.
func BenchmarkSubscribe(b *testing.B) {
	r := newRig(b)
	r.fill(1000, "/topic/a", sameID)
	k := r.connect("ann")
	b.ReportAllocs()
	for b.Loop() {
		k.subscribe("/topic/a", "sub-1")
		k.send(stomp.Unsubscribe, "id", "sub-1")
	}
}
