package engine

import (
	"bytes"
	"net"
	"path/filepath"
	"testing"
	"time"

	"stentor/engine/bus"
	"stentor/engine/history"
	"stentor/engine/shard"
	"stentor/stomp"
)

// A large push reaches a client that reads in small steps, over TCP and over a Unix socket: the kernel says when it
// takes more. Nothing of it is copied into the node's buffers meanwhile, and the answer to what the client sends within
// it comes behind it.
func TestLargePush(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	n, stop := startNodeWith(t, nil, func(o *Options) {
		o.Listen = append(o.Listen, "unix:"+path)
		o.History = history.Bounds{Window: time.Minute, Bytes: 16 << 20}
		o.Limits.PendingBytes = 16 << 20
	})
	defer stop()
	body := make([]byte, 3<<20)
	for i := range body {
		body[i] = byte('a' + i*7%26)
	}
	for network, address := range map[string]string{"tcp": n.Addresses()[0].String(), "unix": path} {
		t.Run(network, func(t *testing.T) {
			c := dialTest(t, network, address)
			c.connect(t)
			c.send(t, stomp.Subscribe, "id", "1", "destination", "/topic/shop/"+network, "receipt", "7")
			c.until(t, "receipt-id:7")
			c.seen = nil
			n.publish(t, &bus.Record{Project: "shop", Destination: "/topic/shop/" + network, Body: body})
			c.until(t, "MESSAGE")
			c.send(t, stomp.Subscribe, "id", "2", "destination", "/topic/shop/"+network, "receipt", "8")
			if under := n.transfers(); under != 1 {
				t.Errorf("%d transfers", under)
			}
			at := len(c.seen)
			_ = c.conn.SetDeadline(time.Now().Add(20 * time.Second))
			for !bytes.Contains(c.seen[at:], []byte("receipt-id:8")) {
				at = max(0, len(c.seen)-100)
				b := make([]byte, 50_000)
				k, err := c.conn.Read(b)
				if err != nil {
					t.Fatal(err)
				}
				c.seen = append(c.seen, b[:k]...)
			}
			if !bytes.Contains(c.seen, append(body, 0)) {
				t.Error("the body is not whole")
			}
		})
	}
	if left := n.transfers(); left != 0 {
		t.Errorf("%d transfers are left", left)
	}
}

// A client that goes away within a large push takes nothing with it.
func TestLargePushToAClientThatLeaves(t *testing.T) {
	n, stop := startNodeWith(t, nil, func(o *Options) {
		o.History = history.Bounds{Window: time.Minute, Bytes: 16 << 20}
		o.Limits.PendingBytes = 16 << 20
	})
	defer stop()
	c := n.dial(t)
	c.connect(t)
	c.send(t, stomp.Subscribe, "id", "1", "destination", "/topic/shop/a", "receipt", "7")
	c.until(t, "receipt-id:7")
	n.publish(t, &bus.Record{Project: "shop", Destination: "/topic/shop/a", Body: make([]byte, 12<<20)})
	c.until(t, "MESSAGE")
	_ = c.conn.(*net.TCPConn).SetLinger(0)
	_ = c.conn.Close()
	for end := time.Now().Add(10 * time.Second); n.transfers() > 0; {
		if time.Now().After(end) {
			t.Fatal("the transfer goes on")
		}
		time.Sleep(time.Millisecond)
	}
}

func (n testNode) transfers() uint64 {
	return n.stat(func(s *shard.Stats) uint64 { return uint64(s.Transfers.Load()) })
}

// publish publishes r and waits until the bus has it.
func (n testNode) publish(t *testing.T, r *bus.Record) {
	t.Helper()
	done := make(chan error, 1)
	n.bus.Publish(r, func(_ bus.Position, err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
