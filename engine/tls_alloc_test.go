package engine

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"stentor/engine/bus"
	"stentor/engine/shard"
	"stentor/stomp"
)

// TestTLSDeliveryAllocates: a push to clients over TLS makes as much garbage as one to plain clients, all the way from its
// publication to the sockets.
func TestTLSDeliveryAllocates(t *testing.T) {
	const clients = 100
	plain, secure := garbage(t, false, clients), garbage(t, true, clients)
	if secure > plain+clients/4 {
		t.Errorf("%d allocations for a push to %d clients over TLS, %d for one without", secure, clients, plain)
	}
}

// garbage is the number of allocations for a push to so many clients: the fewest of some runs, since others of the process
// allocate now and then.
func garbage(t *testing.T, secure bool, clients int) uint64 {
	t.Helper()
	n, trust, stop := startSecure(t, true, func(o *Options) {
		if !secure {
			o.Listen = []string{"127.0.0.1:0"}
		}
	})
	defer stop()
	for range clients {
		c := n.dial(t)
		if secure {
			c = c.over(trust)
		}
		c.connect(t)
		c.send(t, stomp.Subscribe, "id", "1", "destination", "/topic/shop/a", "receipt", "7")
		c.until(t, "receipt-id:7")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	delivered := func() uint64 { return n.stat(func(s *shard.Stats) uint64 { return s.Deliveries.Load() }) }
	record := &bus.Record{Project: "shop", Destination: "/topic/shop/a", Body: make([]byte, 200)}
	least := ^uint64(0)
	for range 10 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		want := delivered() + uint64(clients)
		n.publish(t, record)
		for end := time.Now().Add(20 * time.Second); delivered() < want; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("a push does not arrive")
			}
		}
		runtime.ReadMemStats(&after)
		least = min(least, after.Mallocs-before.Mallocs)
	}
	return least
}
