package wss

import (
	"os/exec"
	"time"

	"stentor/bench/suite"
)

// Measurements are the names for Options.Only.
var Measurements = []string{"delivery", "connect", "resumed", "strangers"}

// Options says what to measure.
type Options struct {
	suite.Options
	// Peer makes the command of a process that runs Peer in that role.
	Peer func(role Role, argument string) *exec.Cmd
}

// plan is how long and how often things are done.
type plan struct {
	samples int           // of each ratio; the medians count
	pushes  int           // in a sample of deliveries, each when all clients have had the one before
	look    time.Duration // a process that computes nothing for so long is done
	calm    time.Duration // until strangers have settled
	p99     time.Duration // of one sample of latencies
	rate    int           // handshakes of strangers a second
	stalled int           // strangers whose handshake does not go on
	begin   time.Duration // they take to come: about as long as a node lets one stall
}

func (o *Options) plan() plan {
	if o.Quick {
		return plan{samples: 1, pushes: 20, look: time.Second / 5, calm: time.Second / 2, p99: 5 * time.Second, rate: 150, stalled: 2000, begin: 8 * time.Second}
	}
	return plan{samples: 5, pushes: 50, look: time.Second / 5, calm: time.Second, p99: 15 * time.Second, rate: 150, stalled: 2000, begin: 8 * time.Second}
}

// The load, as the targets have it.
const (
	payloadBytes = 200
	warmUp       = 3 // pushes before a sample
	// warmPart of the connections open before a sample of connecting begins: what a process takes once is not in it, and a
	// ticket is there.
	warmPart       = 4
	minConnections = 40
	reserve        = 256 // descriptors of a process beside its connections
	pushRate       = 20  // a second, in the measurement of latencies
)

// steadyTimeout is how long to wait at most for what the node counts.
const steadyTimeout = 20 * time.Second

func (o *Options) check() error {
	return o.Check(suite.Bounds{
		Measurements: Measurements, Fewest: minConnections, Files: max(o.Connections, o.plan().stalled) + reserve, Flags: "--connections",
	})
}
