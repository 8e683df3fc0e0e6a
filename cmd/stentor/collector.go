package main

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// collector sets the pace of the garbage collector. Connections are long-lived and small, so a smaller share of garbage
// than Go's default keeps the resident memory close to what lives, at little cost. What lives at a million connections is
// 750 MB, and the share there is smaller still: the room for garbage grows no more. But while a node reads its history the
// heap only grows, and a small share has the collector look at all of it again and again: until the node is ready it is
// Go's default. It belongs to one goroutine.
type collector struct {
	look    <-chan time.Time // asks for a call of settle
	timer   *time.Ticker
	percent int              // what settle has set
	live    []metrics.Sample // what lived at the end of the last collection
}

const (
	gcLook = 100 * time.Millisecond // until the node is ready
	gcNext = time.Second            // from then on

	mostGCPercent  = 30
	leastGCPercent = 15
	gcRoom         = 160 << 20 // bytes of garbage, between the two
	gcStep         = 5         // each change stops the world for a moment
)

// newCollector takes percent at once, unless it is 0. GOGC counts too.
func newCollector(percent int) *collector {
	c := &collector{timer: time.NewTicker(gcLook), live: []metrics.Sample{{Name: "/gc/heap/live:bytes"}}}
	switch {
	case percent > 0:
		debug.SetGCPercent(percent)
	case os.Getenv("GOGC") == "":
		c.look = c.timer.C
	}
	return c
}

// settle takes the pace once the node is ready, and follows what lives from then on.
func (c *collector) settle(ready bool) {
	if !ready {
		return
	}
	if c.percent == 0 {
		c.timer.Reset(gcNext)
	}
	metrics.Read(c.live)
	if p := gcPercent(c.live[0].Value.Uint64()); p != c.percent {
		debug.SetGCPercent(p)
		c.percent = p
	}
}

// gcPercent is the share of garbage for so many bytes that live.
func gcPercent(live uint64) int {
	if live == 0 {
		return mostGCPercent
	}
	p := int(min(mostGCPercent, gcRoom*100/live))
	return max(leastGCPercent, p-p%gcStep)
}

func (c *collector) stop() { c.timer.Stop() }
