package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"stentor/bench/gen/measure"
	"stentor/bench/gen/pace"
)

// Publisher is a back end that pushes to the shared topic by HTTP, numbering its pushes from 1. One goroutine uses it.
type Publisher struct {
	Server *Server
	Size   int // of a payload
	// Documents makes payloads JSON documents of a fixed corpus, of some 2 KB, whatever Size is.
	Documents bool
	Seq       uint32
}

// Push posts one push, due now.
func (p *Publisher) Push(ctx context.Context) error { return p.Post(ctx, time.Now()) }

// Post posts pushes that were due at these times, several of them as one batch.
func (p *Publisher) Post(ctx context.Context, due ...time.Time) error {
	if len(due) == 1 {
		_, err := p.Server.Request(ctx, http.MethodPost, "/v1/projects/"+Project+"/push", p.append(nil, due[0]))
		return err
	}
	body := []byte{'['}
	for i, at := range due {
		if i > 0 {
			body = append(body, ',')
		}
		body = p.append(body, at)
	}
	answer, err := p.Server.Request(ctx, http.MethodPost, "/v1/projects/"+Project+"/push/batch", append(body, ']'))
	if err != nil {
		return err
	}
	return checkBatch(answer, len(due))
}

// Parallel posts n pushes, due now, at the same time, each on a connection of its own.
func (p *Publisher) Parallel(ctx context.Context, n int) error {
	now := time.Now()
	var all sync.WaitGroup
	errs := make(chan error, n)
	for range n {
		body := p.append(nil, now)
		all.Go(func() {
			_, err := p.Server.Request(ctx, http.MethodPost, "/v1/projects/"+Project+"/push", body)
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

// Paced posts pushes at a rate for d, open loop: those that became due while it waited for an answer go out together.
func (p *Publisher) Paced(ctx context.Context, rate pace.Rate, d time.Duration) (pushed int, err error) {
	start := time.Now()
	for total := rate.Count(d); pushed < total; {
		if err := pace.Wait(ctx, time.Until(start.Add(rate.At(pushed)))); err != nil {
			return pushed, err
		}
		var due []time.Time
		for n := min(rate.Due(time.Since(start)), total); pushed+len(due) < n; {
			due = append(due, start.Add(rate.At(pushed+len(due))))
		}
		if err := p.Post(ctx, due...); err != nil {
			return pushed, err
		}
		pushed += len(due)
	}
	return pushed, nil
}

// append appends the body of the next push.
func (p *Publisher) append(dst []byte, due time.Time) []byte {
	p.Seq++
	dst = append(dst, `{"topic":"`+Topic+`","payload":`...)
	one := measure.Payload{Seq: p.Seq, Due: due.UnixNano()}
	if p.Documents {
		dst = one.AppendDocument(dst)
	} else {
		dst = one.Append(dst, p.Size)
	}
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
