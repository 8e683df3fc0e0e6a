package proxies

import (
	"fmt"
	"time"

	"stentor/bench/suite"
)

// Options says what to measure: Only names Ways. There is no Baseline, and Quick changes nothing.
type Options struct {
	suite.Options
	Pushes  int // in one sample, each when all clients have had the one before
	Samples int // of each way, each with a fresh node and a fresh proxy; medians count

	calm time.Duration // is waited for before memory is read; 0 is 2 s
}

const (
	payloadBytes = 200
	// quarter of the connections are open before memory and CPU are first read: what a process takes once for all of
	// them is not in the growth.
	quarter = 4
	// warmUp is how many pushes come before a sample.
	warmUp = 3
	// reserve is how many descriptors a process needs beside its connections.
	reserve        = 256
	minConnections = 40
	// restfulHeartbeat keeps heart-beats out of what is measured.
	restfulHeartbeat = time.Minute
)

// How long to wait at most.
const (
	openTimeout    = 2 * time.Minute
	deliverTimeout = time.Minute
	startTimeout   = 10 * time.Second
	stopTimeout    = 5 * time.Second
	sampleTimeout  = 10 * time.Minute
)

func (o *Options) check() error {
	if o.calm == 0 {
		o.calm = 2 * time.Second
	}
	if o.Pushes < 1 || o.Samples < 1 {
		return fmt.Errorf("%d pushes in %d samples measure nothing: use 1 or more of each", o.Pushes, o.Samples)
	}
	return o.Check(suite.Bounds{
		Measurements: Ways(), Fewest: minConnections, Files: 2*o.Connections + reserve, Flags: "--connections", // the proxy has two for each
	})
}
