package client

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"
)

// ErrStopped is the error of Publish when Run has ended.
var ErrStopped = errors.New("the client has stopped")

// idHeader is the id by which the server knows what is sent again.
const idHeader = "stentor-id"

// Publish sends body to a destination, and returns when the server has acknowledged it with a RECEIPT: then the bus has it.
// It waits while there is no connection, and sends again, under the same id, what a lost connection left unanswered: what
// is pushed reaches subscribers once, what is forwarded reaches back ends at least once. headers may have a content-type,
// and a stentor-id of the caller's own, which also holds for a Publish after a restart.
//
// An error of the server is a *ServerError. When ctx ends before the RECEIPT, body may have been accepted or not.
func (c *Client) Publish(ctx context.Context, destination string, body []byte, headers ...Header) error {
	p := &publication{destination: destination, body: body, headers: headers, done: make(chan error, 1)}
	c.out.add(p)
	select {
	case err := <-p.done:
		return err
	case <-ctx.Done():
		c.out.take(func(other *publication) bool { return other == p })
		return ctx.Err()
	}
}

// publication is one Publish that waits for its RECEIPT.
type publication struct {
	receipt, destination string
	body                 []byte
	headers              []Header
	done                 chan error // has room for one
}

// outbox has the publications that wait, over all connections. As many as goroutines wait in Publish.
type outbox struct {
	mu    sync.Mutex
	queue []*publication // oldest first
	sent  int            // how many of queue the connection was given
	name  string         // of this client in ids: no other has it
	count uint64
	more  chan struct{} // has room for one: queue has grown
	ended error         // nil while Run runs, and before
}

func (o *outbox) begin() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = nil
	o.prepare()
}

// prepare makes a zero outbox usable. The caller holds mu.
func (o *outbox) prepare() {
	if o.more == nil {
		o.more, o.name = make(chan struct{}, 1), rand.Text()
	}
}

// end answers all that wait.
func (o *outbox) end(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = cmp.Or(err, ErrStopped)
	for _, p := range o.queue {
		p.done <- o.ended
	}
	o.queue, o.sent = nil, 0
}

func (o *outbox) add(p *publication) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended != nil {
		p.done <- o.ended
		return
	}
	o.prepare()
	o.count++
	n := strconv.FormatUint(o.count, 10)
	p.receipt = "pub-" + n
	if !slices.ContainsFunc(p.headers, func(h Header) bool { return h.Name == idHeader }) {
		p.headers = append(slices.Clip(p.headers), Header{idHeader, o.name + "-" + n})
	}
	o.queue = append(o.queue, p)
	select {
	case o.more <- struct{}{}:
	default:
	}
}

// next returns the next publication for the connection, nil for none.
func (o *outbox) next() *publication {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.sent == len(o.queue) {
		return nil
	}
	o.sent++
	return o.queue[o.sent-1]
}

// take removes a publication, nil if there is none.
func (o *outbox) take(fits func(*publication) bool) *publication {
	o.mu.Lock()
	defer o.mu.Unlock()
	i := slices.IndexFunc(o.queue, fits)
	if i < 0 {
		return nil
	}
	p := o.queue[i]
	o.queue = slices.Delete(o.queue, i, i+1)
	if i < o.sent {
		o.sent--
	}
	return p
}

// answered ends the publication with this receipt, if there is one.
func (o *outbox) answered(receipt string, err error) bool {
	if receipt == "" {
		return false
	}
	p := o.take(func(p *publication) bool { return p.receipt == receipt })
	if p == nil {
		return false
	}
	p.done <- err
	return true
}

// serve sends on a new connection all that waits, and what comes, on a goroutine of its own: a write may have to wait for
// RECEIPTs to be read.
func (o *outbox) serve(c *Conn) *sender {
	o.mu.Lock()
	o.sent = 0
	o.mu.Unlock()
	s := &sender{quit: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(s.done)
		for {
			if s.stopped() {
				return
			}
			if p := o.next(); p != nil {
				if c.Send(p.receipt, p.destination, p.body, p.headers...) != nil {
					return // Next reports a broken connection
				}
				continue
			}
			select {
			case <-o.more:
			case <-s.quit:
			}
		}
	}()
	return s
}

// sender is the goroutine that sends publications on one connection.
type sender struct {
	quit, done chan struct{}
	once       sync.Once
}

func (s *sender) stopped() bool {
	select {
	case <-s.quit:
		return true
	default:
		return false
	}
}

// stop ends the goroutine, but for a write that does not.
func (s *sender) stop() {
	s.once.Do(func() { close(s.quit) })
	select {
	case <-s.done:
	case <-time.After(endTimeout):
	}
}

// wait returns when the goroutine has ended. The connection is closed.
func (s *sender) wait() {
	s.once.Do(func() { close(s.quit) })
	<-s.done
}
