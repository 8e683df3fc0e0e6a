package browsers

import (
	"time"

	"stentor/bench/suite"
)

// Options says what to measure. The targets are for 15,000 connections.
type Options struct{ suite.Options }

// Measurements are the names for Options.Only, in the order in which they run.
var Measurements = []string{"keys", "hang", "sockjs", "xhr", "compression"}

const (
	// reserve is how many descriptors a process needs beside its connections.
	reserve        = 500
	minConnections = 40
	// strangerShare is how many of the connections wait for a provider that hangs, at most.
	strangerShare = 4
)

func (o *Options) check() error {
	return o.Check(suite.Bounds{
		Measurements: Measurements, Fewest: minConnections, Files: o.Connections + o.Connections/strangerShare + reserve, Flags: "--connections",
	})
}

// plan is how long and how often things are done.
type plan struct {
	pairs     int           // of a sample of the plain way and one of the other
	cpu       time.Duration // of the server, in one sample of deliveries
	settle    time.Duration // before memory is read
	turn      time.Duration // until a provider that begins or ends to hang has been asked again
	waiting   time.Duration // of pushes, with the provider one way or the other
	phases    int           // pairs of these
	xhrPushes int           // to each client over xhr_streaming: 128 KiB are some 300 of them
}

func (o *Options) plan() plan {
	if o.Quick {
		return plan{pairs: 2, cpu: time.Second, settle: time.Second, turn: 11 * time.Second, waiting: 8 * time.Second, phases: 1, xhrPushes: 500}
	}
	return plan{pairs: 5, cpu: 4 * time.Second, settle: 3 * time.Second, turn: 11 * time.Second, waiting: 15 * time.Second, phases: 3, xhrPushes: 1000}
}

// The load.
const (
	payloadBytes = 200
	pushRate     = 20  // pushes a second
	comeRate     = 40  // clients a second that come while others wait for a provider
	strangerRate = 100 // a second, each with a token that no known key verifies
	warmUp       = 3   // rounds before a sample
)
