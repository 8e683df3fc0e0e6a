package kafka

import (
	"errors"
	"fmt"
	"time"

	"stentor/bench/suite"
)

// Options says what to measure. Connections get a broadcast, and come back at once; the targets are for 5,000.
type Options struct {
	suite.Options
	Brokers []string // host:port of a Kafka that runs
	Users   int      // that get unicasts; the targets are for 10,000
}

// Measurements are the names for Options.Only, in the order in which they run.
var Measurements = []string{"latency", "unicast", "start", "resume"}

const (
	// reserve is how many descriptors a process needs beside its connections.
	reserve        = 200
	minConnections = 50
)

func (o *Options) check() error {
	switch {
	case o.Users < minConnections:
		return fmt.Errorf("%d users are too few to measure: use %d or more", o.Users, minConnections)
	case len(o.Brokers) == 0:
		return errors.New("there is no Kafka: name its brokers, or run make bench-kafka, which starts one")
	}
	return o.Check(suite.Bounds{
		Measurements: Measurements, Fewest: minConnections, Files: max(o.Users, 2*o.Connections) + reserve, Flags: "--connections and --users",
	})
}

// few is a number of clients small enough that writes to all do not hide the effect.
func (o *Options) few() int { return o.Connections / 10 }

// staying is how many clients are not away while Connections are.
func (o *Options) staying() int { return o.Connections / 5 }

// plan is how long and how often things are done.
type plan struct {
	warm     time.Duration // before a sample of latency
	runs     int           // of latency by each way
	latency  time.Duration // of one of them
	unicast  time.Duration
	history  int // records of startBytes that a node finds when it starts
	starts   int
	resumes  int
	missed   int           // pushes that returning clients missed
	before   time.Duration // of one sample with all clients connected
	patience time.Duration // without a message, after which missing ones count as lost
	settle   time.Duration // for connections to be closed and a garbage collection to be over
}

func (o *Options) plan() plan {
	if o.Quick {
		return plan{warm: 2 * time.Second, runs: 1, latency: 5 * time.Second, unicast: 5 * time.Second, history: 100_000, starts: 1, resumes: 1, missed: 1000, before: 5 * time.Second, settle: time.Second, patience: time.Minute}
	}
	return plan{warm: 5 * time.Second, runs: 5, latency: 20 * time.Second, unicast: time.Minute, history: 1 << 20, starts: 5, resumes: 5, missed: 1000, before: 15 * time.Second, settle: 2 * time.Second, patience: time.Minute}
}

// The load for which the targets are defined.
const (
	payloadBytes  = 200
	broadcastRate = 20     // pushes a second to all
	unicastRate   = 20_000 // records a second, each for one user
	startBytes    = 1024   // of a record in the history of a node that starts
	resumeRate    = 10     // pushes a second to those who stay and those who come back: what leaves the machine room
	missedRate    = 200    // pushes a second while clients are away
)

// How long to wait at most.
const (
	openTimeout = 3 * time.Minute
)
