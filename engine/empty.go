package engine

import (
	"context"
	"sync"
	"time"
)

// emptying is a node's state between Empty and Fill.
type emptying struct {
	mu     sync.Mutex
	cancel context.CancelFunc // nil when there is none
	done   chan struct{}      // closed when no client is closed any more
}

func (e *emptying) on() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.cancel != nil
}

// stop ends the closes, and the state.
func (e *emptying) stop() {
	e.mu.Lock()
	cancel, done := e.cancel, e.done
	e.cancel = nil
	e.mu.Unlock()
	if cancel != nil {
		cancel()
		<-done
	}
}

// emptyPatience is how long the node waits for clients that are behind, once all others are closed.
const emptyPatience = 30 * time.Second

// Empty closes all clients, paced, each when it has received its pushes, and accepts no new ones until Fill. Otherwise the
// node goes on: it reads the bus, and takes pushes. Empty returns at once; a second call changes nothing.
func (n *Node) Empty(d Drain) {
	e := &n.emptying
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cancel != nil || n.draining.Load() {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	e.cancel, e.done = cancel, done
	go func() {
		defer close(done)
		pace := time.Duration(int(n.sockets.Load())/max(1, d.Chunk)) * d.Interval
		n.closeClients(ctx, d, pace, time.Now().Add(pace+emptyPatience))
	}()
	n.restHTTP(true)
	n.log.Info("the clients of this node are sent away", "connections", n.sockets.Load())
}

// Fill makes the node accept clients again.
func (n *Node) Fill() {
	if n.emptying.on() {
		n.emptying.stop()
		n.restHTTP(false)
		n.log.Info("this node takes clients again")
	}
}
