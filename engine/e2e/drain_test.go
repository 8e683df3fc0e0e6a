package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stentor/engine/websocket"
	"stentor/stomp"
)

// listener is a peer that reads to the end on a goroutine of its own.
type listener struct {
	bodies []string
	close  event
	err    error
	done   chan struct{}
}

// listen has p collect what it is sent until the stream ends.
func (p *peer) listen() *listener {
	l := &listener{done: make(chan struct{})}
	go func() {
		defer close(l.done)
		for {
			e, err := p.event()
			switch {
			case err != nil:
				l.err = err
				return
			case e.kind == isClose:
				l.close = e
			case e.kind == isFrame && e.command == stomp.MessageCommand:
				l.bodies = append(l.bodies, string(e.body[:min(len(e.body), 16)]))
			}
		}
	}()
	return l
}

// TestDrainUnderLoad: what was answered with 200 is delivered to every client before it is told to come back elsewhere.
func TestDrainUnderLoad(t *testing.T) {
	for _, one := range []struct {
		name            string
		clients, pushes int // pushes that are accepted before SIGTERM
		size            int
		pace            time.Duration // of each read
	}{
		{"many small", 60, 500, 200, 0},
		{"large", 6, 60, 200 << 10, 0},
		{"behind", 4, 60, 200 << 10, time.Millisecond}, // clients have yet to read some when the node leaves
	} {
		t.Run(one.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, setup{Set: []string{"drain.chunk=10", "drain.interval=20ms", "drain.timeout=1m"}})
			listeners := make([]*listener, one.clients)
			for i := range listeners {
				p := s.join(t)
				p.subscribe("a", "/topic/shop/all")
				if p.pace = one.pace; p.pace > 0 {
					p.room(16 << 10)
				}
				listeners[i] = p.listen()
			}
			var (
				pushers  sync.WaitGroup
				number   atomic.Int64
				accepted sync.Map
				enough   = make(chan struct{})
				count    atomic.Int64
				filling  = strings.Repeat("x", one.size)
			)
			for range 4 {
				pushers.Go(func() {
					for {
						body := fmt.Sprintf("%016d", number.Add(1))
						r, err := s.Call("POST", "/v1/projects/shop/push", "shop-key", fields{"topic": "all", "payload": body + filling}.json(t))
						switch {
						case err != nil:
							return // the node is gone
						case r.Status == http.StatusOK:
							accepted.Store(body, true)
							if count.Add(1) == int64(one.pushes) {
								close(enough)
							}
						case r.Field("code") == "busy":
						case r.Status == http.StatusServiceUnavailable && r.Field("code") == "stopping":
							return
						default:
							t.Errorf("a push was answered with %d %s", r.Status, r.Body)
							return
						}
					}
				})
			}
			<-enough
			s.term()
			pushers.Wait()
			s.WaitEnd()
			want := map[string]bool{}
			accepted.Range(func(body, _ any) bool {
				want[body.(string)] = true
				return true
			})
			t.Logf("%d pushes were accepted", len(want))
			for i, l := range listeners {
				<-l.done
				if l.close.code != 1012 || !errors.Is(l.err, io.EOF) {
					t.Errorf("client %d ended with %v and %v", i, l.close, l.err)
				}
				got := map[string]bool{}
				for _, body := range l.bodies {
					if got[body] {
						t.Errorf("client %d got %s twice", i, body)
					}
					got[body] = true
				}
				missing := 0
				for body := range want {
					if !got[body] {
						missing++
					}
				}
				if missing > 0 {
					t.Errorf("client %d lacks %d of %d accepted pushes", i, missing, len(want))
				}
			}
		})
	}
}

// TestDrainRefuses: a node that leaves takes neither clients nor pushes, says that it is not ready, and still ends
// when a client does not.
func TestDrainRefuses(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Set: []string{"drain.timeout=1m"}})
	if r := s.Must(t, "GET", "/readyz", "", nil); r.Status != http.StatusOK {
		t.Errorf("ready: %d", r.Status)
	}
	waiting := dial(t, s.Client) // its handshake comes during the drain
	silent := s.join(t)          // never answers the close frame
	stuck := s.join(t)           // reads nothing at all
	stuck.stall()
	stuck.subscribe("a", "/topic/shop/large")
	for range 5 {
		s.push(t, fields{"topic": "large", "payload": strings.Repeat("x", 500<<10)})
	}
	s.push(t, fields{"topic": "all", "payload": "x", "id": "known"})
	s.term()
	silent.patience = patience
	if e := silent.next(); e.kind != isClose || e.code != 1012 {
		t.Errorf("got %v, want a close with 1012", e)
	}
	if r := s.Must(t, "GET", "/readyz", "", nil); r.Status != http.StatusServiceUnavailable {
		t.Errorf("ready while leaving: %d", r.Status)
	}
	if r := s.Must(t, "GET", "/healthz", "", nil); r.Status != http.StatusOK {
		t.Errorf("healthy while leaving: %d", r.Status)
	}
	if r := s.post(t, fields{"topic": "all", "payload": "x"}); r.Status != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "" {
		t.Errorf("a push while leaving: %d %s", r.Status, r.Body)
	}
	var refusal *websocket.AnswerError
	if err := waiting.upgrade("/ws"); err == nil || errors.As(err, &refusal) && refusal.Status != http.StatusServiceUnavailable {
		t.Errorf("a handshake while leaving: %v", err)
	}
	s.WaitEnd()
}
