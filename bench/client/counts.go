package client

import (
	"maps"

	"stentor/bench/measure"
)

// Counts is what all connections together have seen so far.
type Counts struct {
	Reading          int            // open connections that read
	Silent           int            // open connections that do not
	Delivered        int64          // messages
	HeartbeatsMissed int64          // a server silent for three times the interval that it agreed to, each time
	Resumed          int64          // subscriptions that went on without a gap (Options.Resume)
	Gaps             int64          // subscriptions that were told resumed:false
	Failures         map[string]int // connections that did not open, or were ended by the server, by cause
	Order            measure.Order
}

func (c *Counts) add(p *Counts) {
	c.Reading += p.Reading
	c.Silent += p.Silent
	c.Delivered += p.Delivered
	c.HeartbeatsMissed += p.HeartbeatsMissed
	c.Resumed += p.Resumed
	c.Gaps += p.Gaps
	c.Order.Add(p.Order)
	for cause, n := range p.Failures {
		c.Failures[cause] += n
	}
}

// failed is the number of all failures.
func (c *Counts) failed() (n int) {
	for v := range maps.Values(c.Failures) {
		n += v
	}
	return n
}
