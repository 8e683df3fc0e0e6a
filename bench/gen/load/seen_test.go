package load

import (
	"context"
	"testing"
	"time"

	"stentor/bench/gen/result"
	"stentor/engine/testkit/bubble"
)

// What comes after a drop waits until the server's number of connections stands still, for as long as it may.
func TestSeen(t *testing.T) {
	const hold, timeout, look = time.Second, time.Minute, 100 * time.Millisecond
	for _, c := range []struct {
		name    string
		looks   int // in which the server still has another number; -1: it cannot be read
		at, end time.Duration
	}{
		{"the server saw all at once", 0, hold, hold + look},
		{"the server takes its time", 50, 50*look + hold, 50*look + hold + 2*look},
		{"it never ends", 1 << 20, timeout, timeout + look},
		{"a server without metrics", -1, hold, hold + look},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				r := &run{Spec: &Spec{Hold: hold, OpenTimeout: timeout}, stock: &stock{}}
				if c.looks >= 0 {
					go func() {
						for i := 0; ctx.Err() == nil; i++ {
							r.stock.mu.Lock()
							r.stock.server = &result.Server{Connections: int64(max(0, c.looks-i))}
							r.stock.mu.Unlock()
							select {
							case <-ctx.Done():
							case <-time.After(look):
							}
						}
					}()
					bubble.Wait()
				}
				began := time.Now()
				if err := r.seen(ctx); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took < c.at || took > c.end {
					t.Errorf("%s, want %s to %s", took, c.at, c.end)
				}
			})
		})
	}
}
