package client

import (
	"maps"

	"stentor/bench/gen/measure"
)

// Loss is how a connection ended.
type Loss struct {
	Open   bool   // it was open
	Code   uint16 // of the server's close frame, 0 when none came
	Reason string // in that frame
	Cause  string // as in Counts
}

// Counts is what all connections together have seen so far.
type Counts struct {
	Reading          int            // open connections that read
	Silent           int            // open connections that do not
	Slow             int            // open connections that read a little every second
	Opening          int            // connections on their way, and those that wait for their turn
	Opened           int64          // connections that came to be open
	Dropped          int64          // connections closed by Drop
	Left             int64          // connections that the server closed with 1012 (Leave)
	Delivered        int64          // messages
	HeartbeatsMissed int64          // a server silent for three times the interval that it agreed to, each time
	Resumed          int64          // subscriptions that went on without a gap (Options.Resume)
	Gaps             int64          // subscriptions that were told resumed:false
	Failures         map[string]int // connections that did not open, or were ended by the server, by cause
	// Again are failed attempts of BeginAgain, by cause. Their connections are counted as failures already.
	Again map[string]int
	// Ended are the Silent and Slow connections that the server ended, as it should, by cause.
	Ended map[string]int
	Order measure.Order
	// SlowOrder is the Order of Slow connections. The server may have skipped messages for them.
	SlowOrder measure.Order
}

func newCounts() Counts {
	return Counts{Failures: map[string]int{}, Again: map[string]int{}, Ended: map[string]int{}}
}

func (c *Counts) add(p *Counts) {
	c.Reading += p.Reading
	c.Silent += p.Silent
	c.Slow += p.Slow
	c.Opened += p.Opened
	c.Dropped += p.Dropped
	c.Left += p.Left
	c.Delivered += p.Delivered
	c.HeartbeatsMissed += p.HeartbeatsMissed
	c.Resumed += p.Resumed
	c.Gaps += p.Gaps
	c.Order.Add(p.Order)
	c.SlowOrder.Add(p.SlowOrder)
	for cause, n := range p.Failures {
		c.Failures[cause] += n
	}
	for cause, n := range p.Again {
		c.Again[cause] += n
	}
	for cause, n := range p.Ended {
		c.Ended[cause] += n
	}
}

// maxCauses bounds how many causes are distinguished: a server's text may differ each time.
const maxCauses = 64

// count adds one to a cause.
func count(causes map[string]int, cause string) {
	if _, ok := causes[cause]; !ok && len(causes) >= maxCauses {
		cause = "other causes"
	}
	causes[cause]++
}

// open is the number of open connections of a kind.
func (c *Counts) open(kind Kind) *int {
	return [kinds]*int{Reading: &c.Reading, Silent: &c.Silent, Slow: &c.Slow}[kind]
}

// Failed is how many connections failed or were ended by the server.
func (c *Counts) Failed() (n int) {
	for v := range maps.Values(c.Failures) {
		n += v
	}
	return n
}
