package engine

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestNodeLeavesNothing starts and stops a node again and again, with clients that are there at the end: goroutines and
// descriptors are as many afterwards as before.
func TestNodeLeavesNothing(t *testing.T) {
	cycle(t) // what is started once and for all is not counted
	goroutines, files := running(), openFiles(t)
	for range 2 {
		cycle(t)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		g, f := running(), openFiles(t)
		if g <= goroutines && f <= files {
			return
		}
		if time.Now().After(end) {
			stacks := make([]byte, 1<<16)
			t.Fatalf("%d goroutines and %d files, at first %d and %d:\n%s", g, f, goroutines, files, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// running counts the goroutines, without those of the pool that gnet has for the whole process: its idle workers stay for
// some seconds, one or two of them as it happens.
func running() (n int) {
	stacks := make([]byte, 1<<20)
	for stack := range strings.SplitSeq(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
		if !strings.Contains(stack, "github.com/panjf2000/ants/") {
			n++
		}
	}
	return n
}

func openFiles(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// cycle is the life of one node, with TCP and a Unix socket.
func cycle(t *testing.T) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	node, stop := startNodeWith(t, nil, func(o *Options) {
		withHTTP(o)
		o.Listen = append(o.Listen, "unix:"+path)
	})
	for i, transport := range []string{"xhr", "xhr_streaming", "xhr"} { // of the polls, the first one waits with a second request
		c := node.dial(t)
		request := fmt.Appendf(nil, "POST /ws/000/session%d/%s HTTP/1.1\r\nHost: h\r\n\r\n", i, transport)
		c.write(t, request)
		c.until(t, "o\n")
		if i == 0 {
			c.write(t, request)
		}
		go func() {
			_, _ = io.Copy(io.Discard, c.conn)
			_ = c.conn.Close()
		}()
	}
	for i := range 24 {
		c := node.dialUnix(t, path, i%8 > 3)
		switch {
		case i%4 == 1:
			c.upgrade(t)
		case i%4 > 1:
			c.connect(t)
		} // else it never says anything
		if i%8 == 3 {
			_ = c.conn.Close()
			continue
		}
		go func() { // answers the end with an end
			_, _ = io.Copy(io.Discard, c.conn)
			_ = c.conn.Close()
		}()
	}
	stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	select {
	case <-node.Ended():
	case <-ctx.Done():
		t.Error("the event loops do not end")
	}
	if err := node.Err(); err != nil {
		t.Error(err)
	}
}
