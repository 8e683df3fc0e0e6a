package engine

import (
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	gobwas "github.com/gobwas/ws"

	"stentor/engine/auth"
	"stentor/engine/bus"
	"stentor/engine/destination"
	"stentor/engine/history"
	"stentor/engine/session"
	"stentor/engine/shard"
	"stentor/engine/ws"
	"stentor/stomp"
)

// TestNodeLeavesNothing starts and stops a node again and again, with clients that are there at the end: goroutines and
// descriptors are as many afterwards as before.
func TestNodeLeavesNothing(t *testing.T) {
	cycle(t) // what is started once and for all is not counted
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	for range 5 {
		cycle(t)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		g, f := runtime.NumGoroutine(), openFiles(t)
		if g <= goroutines && f <= files {
			return
		}
		if time.Now().After(end) {
			stacks := make([]byte, 1<<16)
			t.Fatalf("%d goroutines and %d files, at first %d and %d:\n%s", g, f, goroutines, files, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// cycle is the life of one node.
func cycle(t *testing.T) {
	t.Helper()
	project, err := auth.NewProject(auth.ProjectConfig{Name: "shop", Anonymous: true, Style: destination.Prefixed})
	if err != nil {
		t.Fatal(err)
	}
	projects, err := auth.NewProjects([]*auth.Project{project}, nil)
	if err != nil {
		t.Fatal(err)
	}
	authenticator := auth.NewAuthenticator(projects, auth.Options{Workers: 2, Queue: 10, CacheEntries: 10, DefaultProject: "shop"})
	defer authenticator.Close()
	origins, err := ws.ParseOrigins(nil)
	if err != nil {
		t.Fatal(err)
	}
	node, err := New(Options{
		Listen:    []string{"127.0.0.1:0"},
		Endpoints: []Endpoint{{Path: "/ws", Origins: origins}},
		Loops:     3,
		Session: session.Config{
			HandshakeBytes: 8192, ConnectFrameBytes: 8192, FrameBytes: 8192, Headers: 64, HeaderBytes: 8192, IDBytes: 128,
			DestinationBytes: 1024, Unanswered: 64, TransactionBytes: 8192,
		},
		Shard: shard.Limits{
			HandshakeTimeout: time.Minute, ConnectTimeout: time.Minute, FramesPerSecond: 100, Subscriptions: 10, Patterns: 10,
			ReplyBytes: 1 << 16,
		},
		History:  history.Bounds{Window: time.Minute, Bytes: 1 << 20},
		Limits:   Limits{Connections: 1000, Unauthenticated: 1000, PendingBytes: 1 << 20, ReservedDescriptors: 100},
		Projects: []Project{{Auth: project, Name: "shop", SlowTimeout: time.Minute}},
		Log:      slog.New(slog.DiscardHandler),
	}, authenticator)
	if err != nil {
		t.Fatal(err)
	}
	embedded := bus.NewEmbedded(node, 1)
	if err := node.Start(embedded); err != nil {
		t.Fatal(err)
	}
	defer embedded.Close()
	var clients []net.Conn
	for i := range 12 {
		c, err := net.DialTimeout("tcp", node.Addresses()[0].String(), 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		clients = append(clients, c)
		if i%4 == 0 {
			continue // one that never says anything
		}
		hello := ws.AppendRequest(nil, "h", "/ws", ws.NewKey())
		if i%4 > 1 {
			connect := stomp.Frame{Command: stomp.Connect}
			hello = ws.AppendMasked(hello, gobwas.OpText, [4]byte{1, 2, 3, 4}, stomp.AppendFrame(nil, stomp.V10, &connect))
		}
		if _, err := c.Write(hello); err != nil {
			t.Fatal(err)
		}
	}
	_ = clients[11].Close()
	for _, c := range clients[:11] {
		go func() { // answers the end with an end
			_, _ = io.Copy(io.Discard, c)
			_ = c.Close()
		}()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := node.Stop(ctx, Drain{Chunk: 100, Interval: time.Millisecond}); err != nil {
		t.Error(err)
	}
	select {
	case <-node.Ended():
	case <-ctx.Done():
		t.Error("the event loops do not end")
	}
	if err := node.Err(); err != nil {
		t.Error(err)
	}
}
