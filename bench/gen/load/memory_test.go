package load

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"stentor/bench/gen/client"
	"stentor/engine/testkit/proc"
)

// A connection with a token, two subscriptions, heart-beats, sequences and what it needs to resume takes at most 600
// bytes of this process, of the heap and of what is resident.
func TestMemoryPerConnection(t *testing.T) {
	if raced {
		t.Skip("the race detector takes memory for itself")
	}
	const few, many, most = 2000, 9000, 600
	s := parse(t, "million", append(node(t), fmt.Sprint("--connections=", many), "--open-rate=0", "--topic=/topic/bench/all")...)
	if err := s.check(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	to, err := newTarget(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	id, users, err := newIdentity(s)
	if err != nil {
		t.Fatal(err)
	}
	r := &run{Spec: s}
	if r.streams, err = newStreams(s, users); err != nil {
		t.Fatal(err)
	}
	id.streams = r.streams
	c, err := client.New(r.clientOptions(to, client.Loopback(many), id))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r.clients = c
	measure := func(n int) (heap, rss float64) {
		t.Helper()
		if err := c.Open(ctx, client.Reading, n-c.Counts().Reading); err != nil {
			t.Fatal(err)
		}
		debug.FreeOSMemory()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		bytes, err := proc.RSS(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		return float64(m.HeapAlloc), float64(bytes)
	}
	heapFew, rssFew := measure(few)
	heapMany, rssMany := measure(many)
	heap, rss := (heapMany-heapFew)/(many-few), (rssMany-rssFew)/(many-few)
	t.Logf("a connection takes %.0f bytes of heap, %.0f resident", heap, rss)
	if heap > most || rss > most {
		t.Errorf("a connection takes %.0f bytes of heap, %.0f resident: at most %d are allowed", heap, rss, most)
	}
}
