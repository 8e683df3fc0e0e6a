package shard

import (
	"flag"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"
)

// The simulation: whole nodes with their shards, the bus before them and the clients behind them, in one goroutine and
// in simulated time. Sockets block, fail and panic inside a write; nodes lag, stall, drain and die; clients subscribe,
// resume, acknowledge, break rules and vanish. One number, the seed, decides all of it, so that a mistake that one
// seed shows can be shown again:
//
//	go test ./engine/shard -run TestSim -sim.seed=N                   one seed
//	go test ./engine/shard -run TestSim -sim.seed=N -sim.trace=100    with the last 100 things that happened
//	go test ./engine/shard -run TestSim -sim.seeds=5000               that many seeds
//	go test ./engine/shard -run TestSim -sim.time=5m                  as many as fit
//
// sim_world_test.go turns the wheel, sim_action_test.go says what can happen, sim_node_test.go and sim_socket_test.go
// are what a Shard sees, sim_bus_test.go is what was published, sim_link_test.go and sim_client_test.go are the
// clients, sim_feed_test.go is what a subscription must and must not be given, sim_check_test.go what must hold at the
// end, and after every step.
var (
	simSeed  = flag.Uint64("sim.seed", 0, "the first seed; without sim.seeds and sim.time the only one")
	simSeeds = flag.Int("sim.seeds", 0, "how many seeds")
	simTime  = flag.Duration("sim.time", 0, "how long to try further seeds")
	simTrace = flag.Int("sim.trace", 0, "how many of the last things that happened are shown with a failure")
)

// What is tried when no flag says otherwise: so many seeds, and fewer when they take longer.
const (
	defaultSeeds = 1000
	defaultTime  = 20 * time.Second
)

func TestSim(t *testing.T) {
	first, count, limit := uint64(1), defaultSeeds, defaultTime
	switch {
	case *simTime > 0:
		first, count, limit = max(*simSeed, 1), 1<<40, *simTime
	case *simSeeds > 0:
		first, count, limit = max(*simSeed, 1), *simSeeds, time.Hour
	case *simSeed > 0:
		first, count, limit = *simSeed, 1, time.Hour
	case testing.Short():
		count = defaultSeeds / 10
	}
	tried := trySeeds(t, first, count, limit)
	t.Logf("%d seeds from %d on", tried, first)
}

// TestSimRepeats looks whether a seed does the same each time: else it would show nothing again.
func TestSimRepeats(t *testing.T) {
	for seed := uint64(1); seed <= 20; seed++ {
		first, second := newWorld(seed), newWorld(seed)
		first.run()
		second.run()
		if first.now != second.now || first.received != second.received || first.rng.Uint64() != second.rng.Uint64() {
			t.Errorf("seed %d ended at %d with %d messages, then at %d with %d", seed, first.now, first.received, second.now, second.received)
		}
	}
}

// trySeeds runs seeds until one fails. Two at a time: the machine has other things to do.
func trySeeds(t *testing.T, first uint64, count int, limit time.Duration) (tried int) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	failed := false
	end := time.Now().Add(limit)
	for range 2 {
		wg.Go(func() {
			for {
				mu.Lock()
				if failed || tried == count || time.Now().After(end) {
					mu.Unlock()
					return
				}
				seed := first + uint64(tried)
				tried++
				mu.Unlock()
				if report := simulate(seed); report != "" {
					mu.Lock()
					failed = true
					mu.Unlock()
					t.Errorf("seed %d: %s\nagain: go test ./engine/shard -run TestSim -sim.seed=%d -sim.trace=100", seed, report, seed)
				}
			}
		})
	}
	wg.Wait()
	return tried
}

// simulate runs one seed and says what went wrong, "" for nothing.
func simulate(seed uint64) (report string) {
	w := newWorld(seed)
	func() {
		defer func() {
			if reason := recover(); reason != nil {
				w.failf("panic: %v\n%s", reason, debug.Stack())
			}
		}()
		w.run()
	}()
	if w.err == nil {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%v\n%s", w.err, w.profile)
	if n := len(w.trace); *simTrace > 0 {
		fmt.Fprintf(&b, "\n%s", strings.Join(w.trace[max(0, n-*simTrace):], "\n"))
	}
	return b.String()
}
