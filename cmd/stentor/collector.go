package main

import (
	"os"
	"runtime/debug"
	"time"
)

// collector sets the pace of the garbage collector. Connections are long-lived and small, so a smaller share of garbage
// than Go's default keeps the resident memory close to what lives, at little cost. But while a node reads its history the
// heap only grows, and a small share has the collector look at all of it again and again: until the node is ready it is
// Go's default. It belongs to one goroutine.
type collector struct {
	look  <-chan time.Time // asks for a call of settle
	timer *time.Ticker
}

const (
	chosenGCPercent = 30
	gcLook          = 100 * time.Millisecond
)

// newCollector takes percent at once, unless it is 0. GOGC counts too.
func newCollector(percent int) *collector {
	c := &collector{timer: time.NewTicker(gcLook)}
	switch {
	case percent > 0:
		debug.SetGCPercent(percent)
	case os.Getenv("GOGC") == "":
		c.look = c.timer.C
	}
	return c
}

// settle takes the pace for good once the node is ready.
func (c *collector) settle(ready bool) {
	if ready {
		debug.SetGCPercent(chosenGCPercent)
		c.look = nil
		c.timer.Stop()
	}
}

func (c *collector) stop() { c.timer.Stop() }
