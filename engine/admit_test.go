package engine

import (
	"errors"
	"sync/atomic"
	"testing"

	"stentor/engine/bus"
	"stentor/engine/websocket"
)

// slow is a bus that is not ready at first.
type slow struct {
	bus.Bus
	ready atomic.Bool
	late  atomic.Bool
}

func (b *slow) Behind() error {
	if b.late.Load() {
		return errors.New("late")
	}
	return nil
}

func (b *slow) Ready() error {
	if b.ready.Load() {
		return nil
	}
	return errors.New("not yet")
}

// A node that does not have its history yet takes no clients: it would tell those who resume of gaps that are none.
func TestClientsWaitForTheBus(t *testing.T) {
	b := &slow{}
	n, stop := startNode(t, func(inner bus.Bus) bus.Bus { b.Bus = inner; return b })
	defer stop()
	c := n.dial(t)
	c.write(t, websocket.AppendRequest(nil, "h", "/ws", websocket.NewKey()))
	c.until(t, "503 Service Unavailable")
	c.until(t, "Retry-After: 1\r\n")
	c.end(t)
	b.ready.Store(true)
	n.dial(t).connect(t)
	b.late.Store(true)
	if err := n.Ready(); err == nil || err.Error() != "late" {
		t.Errorf("a node that is late says %v", err)
	}
	n.dial(t).connect(t) // who comes all the same is served
}
