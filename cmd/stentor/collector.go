package main

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// collector sets the pace of the garbage collector. Connections are long-lived and small, so a smaller share of garbage
// than Go's default keeps the resident memory close to the live heap, at little cost. At a million connections the live
// heap is 750 MB, and the share is smaller still, since the room for garbage is bounded. But while a node reads its history
// the heap only grows, and a small share would make the collector mark all of it again and again: until the node is ready
// the share is Go's default. The same holds while TLS makes much garbage, for handshakes or for ciphers that are not kept:
// at the small share the collector took a fifth of what a node spent on clients that connect. It belongs to one goroutine.
type collector struct {
	look    <-chan time.Time // says when to call settle
	timer   *time.Ticker
	percent int              // what settle has set
	live    []metrics.Sample // live heap at the end of the last collection
	garbage uint64           // of TLS, up to the last look
	busy    int              // looks for which there was enough of it
}

const (
	gcLook = 100 * time.Millisecond // until the node is ready
	gcNext = time.Second            // from then on

	busyGCPercent  = 100
	mostGCPercent  = 30
	leastGCPercent = 15
	gcRoom         = 160 << 20 // bytes of garbage, between the two
	gcStep         = 5         // each change stops the world for a moment

	busyGarbage = 4 << 20 // between two looks
	busyLooks   = 5
)

// newCollector sets percent at once, unless it is 0. If GOGC is set, that holds.
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

// settle sets the pace once the node is ready, and adapts it from then on to the live heap, and to how many bytes
// of garbage TLS has made so far.
func (c *collector) settle(ready bool, garbage uint64) {
	if !ready {
		return
	}
	if c.percent == 0 {
		c.timer.Reset(gcNext)
	}
	if c.busy--; garbage-c.garbage >= busyGarbage {
		c.busy = busyLooks
	}
	c.busy, c.garbage = max(0, c.busy), garbage
	most := mostGCPercent
	if c.busy > 0 {
		most = busyGCPercent
	}
	metrics.Read(c.live)
	if p := gcPercent(c.live[0].Value.Uint64(), most); p != c.percent {
		debug.SetGCPercent(p)
		c.percent = p
	}
}

// gcPercent returns the share of garbage for a live heap of so many bytes, at most so much.
func gcPercent(live uint64, most int) int {
	if live == 0 {
		return most
	}
	p := int(min(uint64(most), gcRoom*100/live))
	return max(leastGCPercent, p-p%gcStep)
}

func (c *collector) stop() { c.timer.Stop() }
