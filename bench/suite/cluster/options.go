package cluster

import (
	"errors"
	"time"

	"stentor/bench/suite"
)

// Options says what to measure. Connections are those of all nodes together; the targets are for 10,000.
type Options struct {
	suite.Options
	Brokers []string // host:port of a Kafka that runs
}

// Measurements are the names for Options.Only, in the order in which they run.
var Measurements = []string{"choices", "answers", "kill", "silent", "rolling", "rebalance", "registry", "brokers"}

// The load, as the targets have it.
const (
	nodeCount    = 3
	destinations = 100
	pushRate     = 200 // a second, to the destinations in turn
	payloadBytes = 200
	choices      = 10_000
)

const (
	// reserve is how many descriptors a process needs beside its connections.
	reserve        = 500
	minConnections = 30
)

func (o *Options) check() error {
	if len(o.Brokers) == 0 {
		return errors.New("there is no Kafka: name its brokers, or run make bench-cluster, which starts one")
	}
	return o.Check(suite.Bounds{
		Measurements: Measurements, Fewest: minConnections, Files: o.Connections + reserve, Flags: "--connections",
	})
}

// plan is how long and how often things are done.
type plan struct {
	choices  int           // of one sample
	samples  int           // of the choices
	settle   time.Duration // before one of them: more than three beats of a node
	kills    int           // each with fresh nodes
	silences int           // the same, with a host that falls silent
	warm     time.Duration // of pushes before a sample
	before   time.Duration // of the sample with all nodes
	after    time.Duration // of pushes once all clients are back
	costs    int           // samples of what an answer costs
	each     int           // answers of one sample
	window   time.Duration // of a node's history, while nodes restart; longer than a client is away
	away     time.Duration // the brokers
	stage    time.Duration // of new clients, when they come back
	patience time.Duration // for what has to come
}

func (o *Options) plan() plan {
	p := plan{choices: choices, samples: 3, settle: 4 * time.Second, kills: 3, silences: 2, warm: 5 * time.Second, before: 15 * time.Second, after: 5 * time.Second,
		costs: 9, each: 4000, window: 8 * time.Second, away: time.Minute, stage: 15 * time.Second, patience: time.Minute}
	if o.Quick {
		p.costs, p.each, p.window, p.away, p.stage = 3, 2000, 5*time.Second, 15*time.Second, 10*time.Second
		p.samples, p.kills, p.silences, p.warm, p.before, p.after = 1, 1, 1, 2*time.Second, 5*time.Second, 2*time.Second
	}
	return p
}
