package proxies

import (
	"fmt"
	"io"
	"time"

	"stentor/bench/proc"
	"stentor/bench/server"
	"stentor/bench/suite"
)

// Options says what to measure.
type Options struct {
	Stentor     string // the server's binary
	Connections int
	Pushes      int      // in one sample, each when all clients have had the one before
	Samples     int      // of each way, each with a fresh node and a fresh proxy; medians count
	Only        []string // names of Ways, none for all
	Progress    io.Writer
	Terminal    bool // Progress may be drawn over

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

func (o *Options) check() (err error) {
	if o.calm == 0 {
		o.calm = 2 * time.Second
	}
	var names []string
	for _, w := range ways {
		names = append(names, w.name)
	}
	switch {
	case o.Connections < minConnections:
		return fmt.Errorf("%d connections are too few to measure: use %d or more", o.Connections, minConnections)
	case o.Pushes < 1 || o.Samples < 1:
		return fmt.Errorf("%d pushes in %d samples measure nothing: use 1 or more of each", o.Pushes, o.Samples)
	}
	if err := suite.CheckNames(o.Only, names); err != nil {
		return err
	}
	if o.Stentor, err = server.Find(o.Stentor); err != nil {
		return err
	}
	return proc.NeedFiles(2*o.Connections+reserve, "--connections") // the proxy has two for each
}
