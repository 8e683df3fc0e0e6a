package push

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Bounds of the lanes' queues.
const (
	queued       = 1024             // messages in a lane; Push waits for room
	retryFor     = 30 * time.Second // a refused message is sent again for so long
	retryAtFirst = 20 * time.Millisecond
	retryAtMost  = time.Second
	maxCauses    = 64 // of failures that are told apart
)

// Pusher pushes messages through lanes.
type Pusher struct {
	sender Sender
	batch  int
	lanes  []chan Message
	done   sync.WaitGroup
	ctx    context.Context
	end    context.CancelFunc

	mu      sync.Mutex
	pushed  int64
	retried int64
	refused string // the last refusal
	pending int64
	failed  map[string]int64
	waiting map[number]bool // messages that are not answered yet; false: have failed for good
}

// number identifies a message.
type number struct{ stream, seq uint32 }

// New starts lanes that send up to batch messages at a time.
func New(s Sender, lanes, batch int) *Pusher {
	p := &Pusher{sender: s, batch: batch, failed: map[string]int64{}, waiting: map[number]bool{}}
	p.ctx, p.end = context.WithCancel(context.Background())
	for range lanes {
		lane := make(chan Message, queued)
		p.lanes = append(p.lanes, lane)
		p.done.Go(func() { p.run(lane) })
	}
	return p
}

// Push puts a message into its lane. It blocks while the lane is full.
func (p *Pusher) Push(ctx context.Context, m Message) error {
	p.mu.Lock()
	p.pending++
	p.waiting[m.number()] = true
	p.mu.Unlock()
	select {
	case p.lanes[int(m.Stream)%len(p.lanes)] <- m:
		return nil
	case <-ctx.Done():
		p.mu.Lock()
		p.pending--
		p.waiting[m.number()] = false
		p.mu.Unlock()
		return context.Cause(ctx)
	}
}

// Counts is the outcome of the pushes.
type Counts struct {
	Pushed  int64  // the server has them
	Retried int64  // attempts after a refusal
	Refused string // the last refusal, or what is wrong with the way to the server; empty when there was none
	Pending int64  // not sent or not answered yet
	Failed  map[string]int64
}

// Counts returns the outcome so far.
func (p *Pusher) Counts() Counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := Counts{Pushed: p.pushed, Retried: p.retried, Refused: p.refused, Pending: p.pending, Failed: make(map[string]int64, len(p.failed))}
	for cause, n := range p.failed {
		c.Failed[cause] = n
	}
	if s, ok := p.sender.(interface{ Trouble() string }); ok && c.Refused == "" {
		c.Refused = s.Trouble()
	}
	return c
}

// Close abandons unsent messages, ends the lanes and closes the sender. Nobody may push after it.
func (p *Pusher) Close() {
	p.end()
	for _, lane := range p.lanes {
		close(lane)
	}
	p.done.Wait()
	p.sender.Close()
}

func (p *Pusher) run(lane chan Message) {
	var all []Message
	var next *Message // of another project than the batch before
	for {
		all = all[:0]
		if next != nil {
			all, next = append(all, *next), nil
		} else if m, ok := <-lane; ok {
			all = append(all, m)
		} else {
			return
		}
	more:
		for len(all) < p.batch {
			select {
			case m, ok := <-lane:
				if !ok {
					break more
				}
				if m.Project != all[0].Project {
					next = &m
					break more
				}
				all = append(all, m)
			default:
				break more
			}
		}
		p.send(all)
	}
}

// send sends messages until the server has them or has refused for too long.
func (p *Pusher) send(all []Message) {
	until := time.Now().Add(retryFor)
	for wait := retryAtFirst; ; wait = min(2*wait, retryAtMost) {
		taken, err := p.sender.Send(p.ctx, all)
		p.taken(all[:taken])
		all = all[taken:]
		if len(all) == 0 {
			return
		}
		var refused *Refused
		if !errors.As(err, &refused) || time.Now().After(until) || p.ctx.Err() != nil {
			p.gaveUp(all, err)
			return
		}
		p.mu.Lock()
		p.retried += int64(len(all))
		p.refused = refused.Cause
		p.mu.Unlock()
		t := time.NewTimer(max(wait, min(refused.After, retryAtMost)))
		select {
		case <-t.C:
		case <-p.ctx.Done():
			t.Stop()
		}
	}
}

// taken counts messages that the server has.
func (p *Pusher) taken(all []Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pushed += int64(len(all))
	p.pending -= int64(len(all))
	for i := range all {
		delete(p.waiting, all[i].number())
	}
}

// gaveUp counts messages that were abandoned.
func (p *Pusher) gaveUp(all []Message, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending -= int64(len(all))
	for i := range all {
		p.waiting[all[i].number()] = false
	}
	cause := "no answer"
	if err != nil {
		cause = err.Error()
	}
	if _, ok := p.failed[cause]; !ok && len(p.failed) >= maxCauses {
		cause = "push: other causes" // what a server says may be different each time
	}
	p.failed[cause] += int64(len(all))
}

// Untaken returns how many messages of a stream in [from, to) have failed for good; with waiting, also those that are not
// answered yet.
func (p *Pusher) Untaken(stream, from, to uint32, waiting bool) (n uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == 0 {
		return 0
	}
	for seq := from; seq != to; seq++ {
		if unanswered, ok := p.waiting[number{stream, seq}]; ok && (waiting || !unanswered) {
			n++
		}
	}
	return n
}
