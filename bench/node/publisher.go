package node

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"stentor/bench/measure"
	"stentor/bench/pace"
)

// publisher is a back end that pushes to the shared topic, numbering its pushes.
type publisher struct {
	server *server
	seq    uint32
}

// push posts one push, due now.
func (p *publisher) push(ctx context.Context) error { return p.post(ctx, time.Now()) }

// post posts pushes that were due at these times, several of them as one batch.
func (p *publisher) post(ctx context.Context, due ...time.Time) error {
	if len(due) == 1 {
		_, err := p.server.request(ctx, http.MethodPost, "/v1/projects/"+project+"/push", p.append(nil, due[0]))
		return err
	}
	body := []byte{'['}
	for i, at := range due {
		if i > 0 {
			body = append(body, ',')
		}
		body = p.append(body, at)
	}
	answer, err := p.server.request(ctx, http.MethodPost, "/v1/projects/"+project+"/push/batch", append(body, ']'))
	if err != nil {
		return err
	}
	return checkBatch(answer, len(due))
}

// parallel posts n pushes, due now, at the same time, each on a connection of its own.
func (p *publisher) parallel(ctx context.Context, n int) error {
	now := time.Now()
	var all sync.WaitGroup
	errs := make(chan error, n)
	for range n {
		body := p.append(nil, now)
		all.Go(func() {
			_, err := p.server.request(ctx, http.MethodPost, "/v1/projects/"+project+"/push", body)
			errs <- err
		})
	}
	all.Wait()
	for range n {
		if err := <-errs; err != nil {
			return err
		}
	}
	return nil
}

// paced posts pushes at a rate for d, open loop: what has become due while an answer was waited for goes out together.
func (p *publisher) paced(ctx context.Context, rate pace.Rate, d time.Duration) (pushed int, err error) {
	start := time.Now()
	for total := rate.Count(d); pushed < total; {
		if err := sleep(ctx, time.Until(start.Add(rate.At(pushed)))); err != nil {
			return pushed, err
		}
		var due []time.Time
		for n := min(rate.Due(time.Since(start)), total); pushed+len(due) < n; {
			due = append(due, start.Add(rate.At(pushed+len(due))))
		}
		if err := p.post(ctx, due...); err != nil {
			return pushed, err
		}
		pushed += len(due)
	}
	return pushed, nil
}

// append appends the body of the next push.
func (p *publisher) append(dst []byte, due time.Time) []byte {
	p.seq++
	dst = append(dst, `{"topic":"`+topic+`","payload":`...)
	dst = measure.AppendPayload(dst, p.seq, due.UnixNano(), payloadBytes)
	return append(dst, '}')
}

// checkBatch looks for an item that was not accepted.
func checkBatch(answer []byte, n int) error {
	var items []struct {
		Status int `json:"status"`
	}
	if err := json.Unmarshal(answer, &items); err != nil {
		return fmt.Errorf("the answer to a batch: %w", err)
	}
	if len(items) != n {
		return fmt.Errorf("a batch of %d pushes has %d answers: %s", n, len(items), answer)
	}
	for _, one := range items {
		if one.Status != http.StatusOK {
			return fmt.Errorf("a push of a batch was refused: %s", answer)
		}
	}
	return nil
}
