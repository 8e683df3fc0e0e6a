package engine

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestShed: a node sends as many clients to others as it is told, and serves the rest and new ones.
func TestShed(t *testing.T) {
	n, b, stopped, stop := leavingNode(t)
	close(b.flushed)
	for range 5 {
		n.subscriber(t)
	}
	shed := func(count int, older time.Duration, closed int, more bool) {
		t.Helper()
		got, rest, err := n.shed(t.Context(), count, older, 10*time.Millisecond)
		if got != closed || rest != more || err != nil {
			t.Errorf("%d, %t, %v; want %d, %t", got, rest, err, closed, more)
		}
	}
	shed(3, time.Hour, 0, false)
	shed(3, 0, 3, true)
	n.subscriber(t)
	shed(10, 0, 3, false)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	n.subscriber(t)
	if got, more, err := n.shed(gone, 1, 0, time.Hour); got != 0 || !more || err != nil {
		t.Errorf("%d, %t, %v", got, more, err)
	}
	n.shedding.mu.Lock()
	if _, _, err := n.Shed(t.Context(), 1, 0); !errors.Is(err, ErrShedding) {
		t.Error(err)
	}
	n.shedding.mu.Unlock()
	stop(time.Second, Drain{Chunk: 100, Interval: time.Millisecond})
	<-stopped
}
