//go:build kafka

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"stentor/engine/testkit"
)

// stream is a destination whose pushes are numbered from 1. One goroutine pushes them, each when the one before (or
// the batch before) is answered, so that their order is the order of the numbers.
type stream struct {
	name   string
	topic  string // of a push to a topic
	user   string // of a push to a user
	batch  int    // pushes in one request; 1 sends them one by one
	pushed atomic.Int64
}

func (s *stream) destination() string {
	if s.user != "" {
		return "/user/queue/" + s.name
	}
	return "/topic/" + project + "/" + s.topic
}

// id of a push: a retry, through whichever node, has the same.
func (s *stream) id(n int64) string { return fmt.Sprintf("%s-%d", s.name, n) }

func (s *stream) push(n int64) map[string]any {
	p := map[string]any{"payload": fmt.Sprintf("%s %d", s.name, n), "id": s.id(n)}
	if s.user != "" {
		p["user"], p["destination"] = s.user, "/queue/"+s.name
	} else {
		p["topic"] = s.topic
	}
	return p
}

// backend pushes to all of its streams at once.
type backend struct {
	t       *testing.T
	cluster *cluster
	streams []*stream
	singles *rate.Limiter // pushes a second on their own
	batches *rate.Limiter // in batches
	single  atomic.Int64  // pushes that were answered 200 on their own
	batched atomic.Int64  // in a batch
	retries atomic.Int64
}

func (b *backend) answered() int64 { return b.single.Load() + b.batched.Load() }

// run pushes until ctx ends. What is under way then is pushed to the end all the same.
func (b *backend) run(ctx context.Context) {
	var wg sync.WaitGroup
	for i, s := range b.streams {
		wg.Go(func() {
			pace := b.batches
			if s.batch == 1 {
				pace = b.singles
			}
			for at := i; ctx.Err() == nil && pace.WaitN(ctx, s.batch) == nil; {
				b.next(s, &at)
			}
		})
	}
	wg.Wait()
}

// next pushes the next numbers of s, through node at as long as that answers, until each has been answered 200.
func (b *backend) next(s *stream, at *int) {
	from := s.pushed.Load() + 1
	to := from + int64(s.batch) - 1
	deadline := time.Now().Add(patience)
	for n := from; n <= to; {
		done, err := b.send(s, n, to, b.cluster.nodes[*at%len(b.cluster.nodes)])
		n += done
		if err == nil {
			continue
		}
		if time.Now().After(deadline) {
			b.t.Errorf("push %s was not answered within %s: %v", s.id(n), patience, err)
			return
		}
		b.retries.Add(1)
		*at++
		time.Sleep(20 * time.Millisecond) // as a back end's back-off, not to spin
	}
	s.pushed.Store(to)
	if s.batch == 1 {
		b.single.Add(1)
	} else {
		b.batched.Add(to - from + 1)
	}
}

// send pushes the numbers from n to to and returns how many of them were answered 200 before the first that was not.
func (b *backend) send(s *stream, n, to int64, node *testkit.Node) (done int64, err error) {
	var body bytes.Buffer
	path, media := "push", "application/json"
	if s.batch > 1 {
		path, media = "push/batch", "application/x-ndjson"
	}
	for e := json.NewEncoder(&body); n <= to; n++ {
		if err := e.Encode(s.push(n)); err != nil {
			return 0, err
		}
	}
	got, err := node.Call(http.MethodPost, "/v1/projects/"+project+"/"+path, project+"-key", body.Bytes(), "Content-Type", media)
	if got.Status == 0 {
		return 0, err
	}
	if got.Status != http.StatusOK {
		if got.Status != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" {
			b.t.Errorf("push %s: %d %s", s.id(n), got.Status, got.Body)
		}
		return 0, fmt.Errorf("%d %s", got.Status, got.Body)
	}
	if s.batch == 1 {
		return 1, err
	}
	for line := range bytes.Lines(got.Body) {
		var answer struct{ Status int }
		if err := json.Unmarshal(line, &answer); err != nil || answer.Status != http.StatusOK {
			return done, fmt.Errorf("%s %v", line, err)
		}
		done++
	}
	return done, err // if the answer broke off, the part that came
}
