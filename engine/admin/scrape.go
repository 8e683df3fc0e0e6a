package admin

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// scrapes makes the text of /metrics, once for all concurrent requests: anybody may ask, as often as they like. It works at
// most a tenth of the time. A text is always gathered after its requests arrived.
type scrapes struct {
	source http.Handler

	mu   sync.Mutex
	next *scrape // has not begun; nil when nobody waits for it

	turn   sync.Mutex // held by the goroutine that gathers, or will
	rested time.Time  // when the next one may begin
}

// scrape is one text, valid when done is closed.
type scrape struct {
	done   chan struct{}
	status int
	header http.Header
	text   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (s *scrape) Header() http.Header { return s.header }

// Write implements http.ResponseWriter.
func (s *scrape) Write(p []byte) (int, error) { return s.text.Write(p) }

// WriteHeader implements http.ResponseWriter.
func (s *scrape) WriteHeader(status int) { s.status = status }

// get waits for the next text. All who get it share it.
func (s *scrapes) get(ctx context.Context) (*scrape, error) {
	s.mu.Lock()
	one := s.next
	if one == nil {
		one = &scrape{done: make(chan struct{}), status: http.StatusOK, header: http.Header{}}
		s.next = one
		go s.gather(one)
	}
	s.mu.Unlock()
	select {
	case <-one.done:
		return one, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *scrapes) gather(one *scrape) {
	s.turn.Lock()
	defer s.turn.Unlock()
	time.Sleep(time.Until(s.rested))
	s.mu.Lock()
	s.next = nil
	s.mu.Unlock()
	begun := time.Now()
	defer close(one.done)
	defer func() {
		if v := recover(); v != nil {
			one.status = http.StatusInternalServerError
			one.text.Reset()
			fmt.Fprintln(&one.text, "panic:", v)
		}
		now := time.Now()
		s.rested = now.Add(min(9*now.Sub(begun), time.Second))
	}()
	r := &http.Request{Method: http.MethodGet, Header: http.Header{}}
	s.source.ServeHTTP(one, r.WithContext(context.Background()))
}
