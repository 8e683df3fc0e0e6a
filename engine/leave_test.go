package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"stentor/engine/bus"
	"stentor/engine/shard"
	"stentor/engine/websocket"
	"stentor/stomp"
)

// lasting is a bus whose flush takes until it is let go, or its context ends, and then late.
type lasting struct {
	bus.Bus
	flushing, flushed chan struct{}
	late              time.Duration
	gaveUp            error
}

func (b *lasting) Flush(ctx context.Context) {
	b.Bus.Flush(ctx)
	close(b.flushing)
	select {
	case <-b.flushed:
	case <-ctx.Done():
		b.gaveUp = ctx.Err()
		time.Sleep(b.late)
	}
}

func leavingNode(t *testing.T) (n testNode, b *lasting, stopped chan error, stop func(within time.Duration, d Drain)) {
	t.Helper()
	b = &lasting{flushing: make(chan struct{}), flushed: make(chan struct{})}
	n, _ = startNode(t, func(inner bus.Bus) bus.Bus { b.Bus = inner; return b })
	t.Cleanup(n.auth.Close)
	stopped = make(chan error, 1)
	return n, b, stopped, func(within time.Duration, d Drain) {
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), within)
			defer cancel()
			go part(ctx)
			stopped <- n.Stop(ctx, d)
		}()
	}
}

func (n testNode) subscriber(t *testing.T) *testClient {
	t.Helper()
	c := n.dial(t)
	c.connect(t)
	c.send(t, stomp.Subscribe, "id", "1", "destination", "/topic/shop/a", "receipt", "r")
	c.until(t, "receipt-id:r")
	return c
}

// A node that leaves takes neither clients nor pushes from the first moment on, and its clients get what the bus brings
// until they are gone.
func TestLeavingNodeReadsOn(t *testing.T) {
	n, b, stopped, stop := leavingNode(t)
	client := n.subscriber(t)
	stop(time.Minute, Drain{Chunk: 100, Interval: time.Millisecond})
	<-b.flushing
	if err := n.Ready(); !errors.Is(err, ErrDraining) {
		t.Errorf("ready: %v", err)
	}
	late := n.dial(t)
	late.write(t, websocket.AppendRequest(nil, "h", "/ws", websocket.NewKey()))
	late.until(t, "503 Service Unavailable")
	n.Publish(&bus.Record{Project: "shop", Destination: "/topic/shop/a"}, func(_ bus.Position, err error) {
		if !errors.Is(err, bus.ErrClosed) {
			t.Errorf("a push: %v", err)
		}
	})
	n.Deliver(bus.Position{Epoch: 1}, &bus.Record{Project: "shop", Destination: "/topic/shop/a", Body: []byte("of another node"), Time: time.Now()})
	n.Flush()
	client.until(t, "of another node")
	close(b.flushed)
	client.until(t, "retry=")
	if err := <-stopped; err != nil || b.gaveUp != nil {
		t.Errorf("%v, %v", err, b.gaveUp)
	}
}

// TestLeavesAfterStall: a node that stood still does not take that for its clients' lack of progress. One that is behind gets
// its pushes, although it reads nothing for a moment.
func TestLeavesAfterStall(t *testing.T) {
	t.Parallel()
	n, _ := startNodeWith(t, nil, func(o *Options) {
		o.Loops, o.History.Bytes, o.Limits.PendingBytes = 1, 64<<20, 64<<20
	})
	t.Cleanup(n.auth.Close)
	behind, other := n.subscriber(t), n.subscriber(t)
	_ = behind.conn.SetDeadline(time.Now().Add(time.Minute))
	_ = behind.conn.(*net.TCPConn).SetReadBuffer(32 << 10)
	const pushes = 16
	body := bytes.Repeat([]byte("x"), 1<<20) // more than the kernel takes
	go func() {
		_, _ = io.Copy(io.Discard, other.conn)
		_ = other.conn.Close()
	}()
	for i := range int64(pushes) {
		n.Deliver(bus.Position{Epoch: 1, Offset: i}, &bus.Record{Project: "shop", Destination: "/topic/shop/a", Body: body, Time: time.Now()})
	}
	n.Flush()
	stopped := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		stopped <- n.Stop(ctx, Drain{Chunk: 100, Interval: time.Millisecond})
	}()
	eventually(t, "the client that is up to date is gone", func() bool {
		return n.stat(func(s *shard.Stats) uint64 { return uint64(s.Connections.Load()) }) == 1
	})
	n.shards[0].Post(func() { time.Sleep(2500 * time.Millisecond) }) // the stall
	if _, err := ask(context.Background(), n.shards[0], func(*shard.Shard) bool { return true }); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond) // the client is slow, and the node looks at it meanwhile
	got, err := io.ReadAll(behind.conn)
	if whole := bytes.Count(got, body); whole != pushes || !bytes.Contains(got, []byte("retry=")) || err != nil {
		t.Errorf("%d of %d pushes came in %d bytes, and then %v", whole, pushes, len(got), err)
	}
	_ = behind.conn.Close()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// TestEmpty: a node whose clients are sent away takes none, until it is told to, and pushes all the while.
func TestEmpty(t *testing.T) {
	n, b, stopped, stop := leavingNode(t)
	client := n.subscriber(t)
	n.Empty(Drain{Chunk: 100, Interval: time.Millisecond})
	n.Empty(Drain{Chunk: 100, Interval: time.Millisecond})
	client.until(t, "retry=")
	_ = client.conn.Close()
	if err := n.Ready(); !errors.Is(err, ErrEmptied) || !n.Draining() {
		t.Errorf("ready: %v", err)
	}
	late := n.dial(t)
	late.write(t, websocket.AppendRequest(nil, "h", "/ws", websocket.NewKey()))
	late.until(t, "503 Service Unavailable")
	n.Publish(&bus.Record{Project: "shop", Destination: "/topic/shop/a"}, func(_ bus.Position, err error) {
		if err != nil {
			t.Errorf("a push: %v", err)
		}
	})
	n.Fill()
	if err := n.Ready(); err != nil || n.Draining() {
		t.Errorf("ready: %v", err)
	}
	client = n.subscriber(t)
	n.Empty(Drain{Chunk: 1, Interval: time.Hour}) // not done when the node leaves
	close(b.flushed)
	stop(time.Minute, Drain{Chunk: 100, Interval: time.Millisecond})
	client.until(t, "the node is stopping, come back")
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// TestGoodbye: clients that are closed at the same moment do not all come back at the same moment.
func TestGoodbye(t *testing.T) {
	retries := map[int]bool{}
	for range 100 {
		var ms int
		reason := goodbye("the node is stopping, come back")
		if n, err := fmt.Sscanf(reason, "retry=%d ", &ms); n != 1 || err != nil || ms < 50 || ms > 500 || len(reason) > 123 {
			t.Fatalf("%q: %v", reason, err)
		}
		retries[ms] = true
	}
	if len(retries) < 20 {
		t.Errorf("only %d different times", len(retries))
	}
}

// However slow the bus is and the pace that was asked for, all clients have been closed in order when the time is over.
func TestLeavesInTime(t *testing.T) {
	n, b, stopped, stop := leavingNode(t)
	var clients []*testClient
	for range 7 {
		clients = append(clients, n.subscriber(t))
	}
	b.late = 4 * time.Second
	stop(8*time.Second, Drain{Chunk: 1, Interval: time.Hour})
	for _, c := range clients {
		c.until(t, "the node is stopping, come back")
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if !errors.Is(b.gaveUp, context.DeadlineExceeded) {
		t.Errorf("the flush ended with %v", b.gaveUp)
	}
}
