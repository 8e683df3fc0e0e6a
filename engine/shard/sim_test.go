package shard

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// The simulation: whole nodes with their shards, the bus before them and the clients behind them, in one goroutine and
// in simulated time. Sockets block, fail and panic inside a write; nodes lag, stall, drain and crash; clients subscribe,
// resume, acknowledge, break rules and disappear. A run is a schedule: a list of operations, from a seed or a
// file:
//
//	go test ./engine/shard -run TestSim$ -sim.seed=N                  one seed
//	go test ./engine/shard -run TestSim$ -sim.seeds=5000              that many seeds
//	go test ./engine/shard -run TestSim$ -sim.time=5m                 as many as fit
//	go test ./engine/shard -run TestSim$ -sim.file=X.ops              what a file has
//	                                               -sim.trace=100     and the last 100 things that happened
//
// A failing schedule is shortened as far as possible and written to testdata/sim/failed-N.ops. Once the fault is
// fixed the file is kept in that folder under a name that describes the fault: TestSimKept plays all of them.
//
// sim_schedule_test.go is a schedule and its file, sim_generate_test.go makes one from a seed, sim_shrink_test.go shortens
// it. sim_world_test.go advances the time, sim_action_test.go has the operations, sim_node_test.go and sim_socket_test.go
// are what a Shard sees, sim_bus_test.go is what was published, sim_link_test.go, sim_renew_test.go and sim_client_test.go
// are the clients.
//
// Correctness is judged from outside: by what clients sent and received, what the bus handed over (sim_intake_test.go), which
// limits applied (sim_limits_test.go), and what a subscription must therefore receive (sim_feed_test.go, and
// sim_check_test.go at the end). Only sim_whitebox_test.go looks into a Shard, for invariants between any two calls.
var (
	simSeed  = flag.Uint64("sim.seed", 0, "the first seed; without sim.seeds and sim.time the only one")
	simSeeds = flag.Int("sim.seeds", 0, "how many seeds")
	simTime  = flag.Duration("sim.time", 0, "how long to try further seeds")
	simFile  = flag.String("sim.file", "", "a file with a schedule, instead of seeds")
	simTrace = flag.Int("sim.trace", 0, "how many of the last things that happened are shown with a failure")
)

// fixedTime bounds what has a fixed number of seeds: it is no limit that a machine reaches. Which seeds a run tries must not
// depend on the machine, or a fault of a late seed looks like a flake.
const fixedTime = time.Hour

// simFolder has the kept schedules; failing ones are written there.
const simFolder = "testdata/sim"

func TestSim(t *testing.T) {
	first, count, limit := uint64(1), defaultSeeds, fixedTime
	switch {
	case *simFile != "":
		playFile(t, *simFile)
		return
	case *simTime > 0:
		first, count, limit = max(*simSeed, 1), 1<<40, *simTime
	case *simSeeds > 0:
		first, count, limit = max(*simSeed, 1), *simSeeds, fixedTime
	case *simSeed > 0:
		first, count, limit = *simSeed, 1, fixedTime
	case testing.Short():
		count = defaultSeeds / 8
	}
	tried := trySeeds(t, first, count, limit)
	t.Logf("%d seeds from %d on", tried, first)
}

// playFile plays a schedule, and shortens it when it fails.
func playFile(t *testing.T, path string) {
	s, err := readSchedule(path)
	if err != nil {
		t.Fatal(err)
	}
	if out := s.play(); out.err != nil {
		t.Errorf("%s: %s\n%s", path, out.report(s), s.keep(t, out, strings.TrimSuffix(filepath.Base(path), ".ops")))
	}
}

// TestSimKept plays the schedules that once found a fault.
func TestSimKept(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(simFolder, "*.ops"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no schedules are kept in %s (%v)", simFolder, err)
	}
	for _, path := range paths {
		if strings.HasPrefix(filepath.Base(path), "failed-") {
			continue
		}
		s, err := readSchedule(path)
		if err != nil {
			t.Error(err)
			continue
		}
		if out := s.play(); out.err != nil {
			t.Errorf("%s: %s", path, out.report(s))
		}
	}
}

// TestSimRepeats checks that a schedule is reproducible, from its seed and from its file.
func TestSimRepeats(t *testing.T) {
	for seed := uint64(1); seed <= 20; seed++ {
		s := generate(seed)
		first := s.play()
		path := filepath.Join(t.TempDir(), "repeated.ops")
		if err := s.save(path, "once\nmore"); err != nil {
			t.Fatal(err)
		}
		again, err := readSchedule(path)
		if err != nil {
			t.Fatal(err)
		}
		second := again.play()
		if first.now != second.now || first.got != second.got || first.last != second.last {
			t.Errorf("seed %d ended at %d with %d messages, then at %d with %d", seed, first.now, first.got, second.now, second.got)
		}
	}
}

// TestSimParts checks that any part of a schedule can be played, as shrinking requires.
func TestSimParts(t *testing.T) {
	for seed := uint64(1); seed <= 60; seed++ {
		s := generate(seed)
		part := &schedule{world: s.world}
		for i, o := range s.ops {
			if (uint64(i)*2654435761+seed*97)%7 < 1+seed%6 {
				part.ops = append(part.ops, o)
			}
		}
		if out := part.play(); out.err != nil {
			t.Fatalf("%d of %d operations of seed %d: %s\n%s", len(part.ops), len(s.ops), seed, out.report(part), part.keep(t, out, fmt.Sprint("part-", seed)))
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
				s := generate(seed)
				if out := s.play(); out.err != nil {
					mu.Lock()
					failed = true
					mu.Unlock()
					t.Errorf("seed %d: %s\n%s", seed, out.report(s), s.keep(t, out, fmt.Sprint(seed)))
				}
			}
		})
	}
	wg.Wait()
	return tried
}

// report describes a failure and its world.
func (out *played) report(s *schedule) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v\n%+v\n%d operations", out.err, s.world, len(s.ops))
	if n := len(out.trace); *simTrace > 0 {
		fmt.Fprintf(&b, "\n%s", strings.Join(out.trace[max(0, n-*simTrace):], "\n"))
	}
	return b.String()
}

// shrinkTime bounds the shrinking of a failing schedule.
const shrinkTime = 60 * time.Second

// keep writes the shortest schedule that fails like s to a file, and says what to do with it.
func (s *schedule) keep(t *testing.T, out *played, name string) string {
	short := s.shrink(out, shrinkTime)
	folder := simFolder
	if err := os.MkdirAll(folder, 0o755); err != nil {
		folder = os.TempDir()
	}
	path, err := filepath.Abs(filepath.Join(folder, "failed-"+strings.TrimPrefix(name, "failed-")+".ops"))
	if err == nil {
		err = short.save(path, strings.SplitN(fmt.Sprint(short.play().err), "\n", 2)[0])
	}
	if err != nil {
		return fmt.Sprintf("it could not be written: %v", err)
	}
	return fmt.Sprintf("shortened to %d operations: %s\nagain: make sim FILE=%s\n"+
		"keep it, once it is mended, as engine/shard/%s/WHAT-IT-IS-ABOUT.ops", len(short.ops), path, path, simFolder)
}
