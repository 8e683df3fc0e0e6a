package node

import (
	"time"

	"stentor/bench/suite"
)

// Options says what to measure. The targets are for 15,000 connections.
type Options struct{ suite.Options }

// Measurements are the names for Options.Only, in the order in which they run.
var Measurements = []string{"memory", "delivery", "overload", "slow", "connect"}

const (
	// reserve is how many descriptors a process needs beside its connections.
	reserve        = 200
	minConnections = 50
)

func (o *Options) check() error {
	return o.Check(suite.Bounds{Measurements: Measurements, Fewest: minConnections, Files: o.largePoint() + reserve, Flags: "--connections"})
}

// Memory is measured at a small and a large number of connections, Connections apart.
func (o *Options) smallPoint() int { return o.Connections / 5 }
func (o *Options) largePoint() int { return o.Connections + o.smallPoint() }

// silent is how many of Connections never read in the measurement of slow clients.
func (o *Options) silent() int { return o.Connections * 2 / 15 }

// plan is how long and how often things are done.
type plan struct {
	pairs     int           // of server and bare loop
	cpu       time.Duration // of the server, in one sample of delivery
	bareCPU   time.Duration // of the bare loop, where it only says what a write costs
	bursts    int           // in one sample of overload
	settle    time.Duration // before memory is read
	work      time.Duration // at workRate before memory is read again
	slowPairs int
	slow      time.Duration // of one sample with or without silent clients
	fill      time.Duration // at slowRate until a silent client's buffers are full, with a reserve
}

func (o *Options) plan() plan {
	if o.Quick {
		return plan{pairs: 3, cpu: time.Second, bareCPU: time.Second / 2, bursts: 3, settle: 2 * time.Second, work: 5 * time.Second, slowPairs: 1, slow: 4 * time.Second, fill: 13 * time.Second}
	}
	return plan{pairs: 5, cpu: 5 * time.Second, bareCPU: 2 * time.Second, bursts: 10, settle: 10 * time.Second, work: time.Minute, slowPairs: 5, slow: 15 * time.Second, fill: 13 * time.Second}
}

// The load for which the targets are defined.
const (
	payloadBytes = 200
	workRate     = 100 // pushes a second
	slowRate     = 20  // pushes a second
	burst        = 10  // pushes at once
	churn        = 10  // one in so many connections
	warmUp       = 3   // rounds before a sample
)

// How long to wait at most.
const (
	openTimeout    = 3 * time.Minute
	deliverTimeout = time.Minute
)
