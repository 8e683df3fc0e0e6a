package main

import (
	"context"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/prometheus/procfs"

	"stentor/cmd/stentor/config"
	"stentor/engine"
	"stentor/engine/directory"
)

// statusSource provides what a node's beats tell the others: its addresses and its load. One goroutine at a time calls it.
type statusSource struct {
	node      *engine.Node
	advertise func() *config.Advertise
	version   string

	at   time.Time // of the status before
	load engine.Load
	cpu  time.Duration
}

func newStatusSource(n *engine.Node, a func() *config.Advertise) *statusSource {
	return &statusSource{node: n, advertise: a, version: readBuildInfo().Version, at: time.Now(), cpu: cpuTime()}
}

// status is how the node is now, with rates since the status before.
func (s *statusSource) status() directory.Status {
	now, load, cpu, at := time.Now(), s.node.Load(), cpuTime(), s.advertise()
	passed := max(now.Sub(s.at), time.Millisecond)
	rate := func(n, before uint64) int64 { return int64(float64(n-before) / passed.Seconds()) }
	status := directory.Status{
		URLs: at.Clients, API: at.API, Version: s.version, Memory: residentBytes(),
		Capacity: int64(load.Capacity), Connections: int64(load.Connections),
		Opening: rate(load.Accepted, s.load.Accepted), Deliveries: rate(load.Deliveries, s.load.Deliveries),
		CPU: min(1, float64(int(1000*(cpu-s.cpu).Seconds()/passed.Seconds()/float64(loops())))/1000), // there are more threads than loops
	}
	s.at, s.load, s.cpu = now, load, cpu
	return status
}

// newDirectory creates the view of all nodes of a cluster.
func newDirectory(key []byte, self string, lateness time.Duration) *directory.View {
	return directory.New(directory.Options{Key: key, Self: self, Lateness: lateness, Seed: rand.Uint64()})
}

// cpuTime returns the CPU time that this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// residentBytes returns the resident memory of this process.
func residentBytes() int64 {
	proc, err := procfs.Self()
	if err != nil {
		return 0
	}
	stat, err := proc.Stat()
	if err != nil {
		return 0
	}
	return int64(stat.ResidentMemory())
}

// beatAlone feeds a node's own beats to its directory, for a node without a cluster, until ctx ends.
func (s *server) beatAlone(ctx context.Context) {
	source := newStatusSource(s.node, s.advertise.Load)
	for {
		b := directory.Beat{State: directory.Up, Ready: s.bus.Ready() == nil, Status: source.status()}
		b.Draining = s.node.Draining()
		s.directory.Own(b, time.Now())
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
	}
}
