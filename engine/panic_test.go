package engine

import (
	"strings"
	"testing"

	"stentor/engine/bus"
	"stentor/engine/shard"
	"stentor/stomp"
)

// brittle is a bus that panics at some destinations, in the event loop of the client that sends there.
type brittle struct{ bus.Bus }

func (b brittle) Publish(r *bus.Record, done func(bus.Position, error)) {
	if strings.HasSuffix(r.Destination, "/bang") {
		panic("bang")
	}
	b.Bus.Publish(r, done)
}

// TestPanicInHandler: a panic while a client's frame is handled ends that client, is counted, and touches nobody else,
// on whichever loop.
func TestPanicInHandler(t *testing.T) {
	node, stop := startNode(t, func(b bus.Bus) bus.Bus { return brittle{b} })
	var others []*testClient
	for range 9 {
		c := node.dial(t)
		c.connect(t)
		c.send(t, stomp.Subscribe, "id", "1", "destination", "/topic/shop/a", "receipt", "r")
		c.until(t, "receipt-id:r")
		others = append(others, c)
	}
	const bangs = 6
	for range bangs {
		c := node.dial(t)
		c.connect(t)
		c.send(t, stomp.Subscribe, "id", "1", "destination", "/topic/shop/a")
		c.send(t, stomp.Send, "destination", "/topic/shop/bang")
		c.end(t)
	}
	if n := node.stat(func(s *shard.Stats) uint64 { return s.Panics.Load() }); n != bangs {
		t.Errorf("%d panics were counted, want %d", n, bangs)
	}
	if n := node.stat(func(s *shard.Stats) uint64 { return uint64(s.Subscriptions.Load()) }); n != uint64(len(others)) {
		t.Errorf("%d subscriptions are left, want %d", n, len(others))
	}
	others[0].send(t, stomp.Send, "destination", "/topic/shop/a", "receipt", "after")
	for _, c := range others {
		c.until(t, "MESSAGE\ndestination:/topic/shop/a")
	}
	for _, c := range others {
		_ = c.conn.Close()
	}
	stop()
}
