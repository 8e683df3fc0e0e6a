package shard

import (
	"fmt"
	"strings"
	"testing"

	"stentor/engine/bus"
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

// attacked is a destination that each pattern of attack matches but for the last segment. No pattern excludes another.
const attacked = "/topic/p/a/a/a/a/a/a/a/a/a/a"

func attack(i int) string {
	s := "/topic/p"
	for bit := range 10 {
		s += [2]string{"/*", "/a"}[i>>bit&1]
	}
	return s + "/*b*"
}

// hold has a user subscribe to n patterns, as many of them as it is allowed, with a session for each: a refusal ends one.
func (r *rig) hold(user string, n int, pattern func(i int) string) {
	for i := range n {
		r.connect(user).subscribe(pattern(i), "1")
	}
}

// BenchmarkRoute is what a push costs that nobody gets, beside patterns.
func BenchmarkRoute(b *testing.B) {
	benign := func(i int) string { return fmt.Sprintf("/topic/p/*/orders/%d/*", i) }
	for _, c := range []struct {
		name            string
		users, patterns int // of each user
		pattern         func(i int) string
		dest            string
	}{
		{"none", 1, 0, nil, attacked},
		{"benign-10", 1, 10, benign, "/topic/p/a/orders/1/x/y"},
		{"benign-1000", 50, 20, benign, "/topic/p/a/orders/1/x/y"},
		{"words-1000", 50, 20, func(i int) string { return fmt.Sprintf("/topic/p/a/PRICE.%d.*", i) }, "/topic/p/a/PRICE.x.y"},
		// One user, and as many as it takes to use up all that the project may.
		{"attack-1", 1, 1000, attack, attacked},
		{"attack-10", 10, 100, attack, attacked},
		{"stars-1", 1, 1000, func(i int) string { return fmt.Sprintf("/topic/p%s/%d*", strings.Repeat("/*", 245), i) },
			"/topic/p" + strings.Repeat("/a", 246)},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := newRig(b)
			r.connect("ann")
			for user := range c.users {
				r.hold(fmt.Sprint("user", user), c.patterns, func(i int) string { return c.pattern(user*c.patterns + i) })
			}
			e := r.entry(bus.Record{Destination: c.dest}, 10)
			b.ReportAllocs()
			for b.Loop() {
				e.Need()
				r.s.route(rigProject, e)
			}
			b.ReportMetric(float64(r.s.stats.Logs.Load()), "patterns")
		})
	}
}

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
