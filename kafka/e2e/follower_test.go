//go:build kafka

package e2e

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	client "stentor/clients/go"
	"stentor/engine/bus"
)

// follower is a client that connects again whenever its connection ends, to whichever node takes it, and resumes each
// subscription behind what it has seen. Its goroutine (run) owns all but the counts.
type follower struct {
	t       *testing.T
	cluster *cluster
	name    string
	token   string
	at      int // node to try next
	subs    []*subscription
	stay    func() time.Duration // how long to stay connected; nil for as long as the node lets it
	left    func(node int)       // after each connection; nil for nobody
	// forgives allows the server to say that a subscription could not resume. What it says must be true in any case.
	forgives bool

	// connects, subscriptions that resumed, those of them that got something, those that could not.
	connects, resumed, missed, gaps atomic.Int64
}

// subscription counts what comes of each of its streams.
type subscription struct {
	destination string
	streams     map[string]*seen // by name
	// lastOnly resumes after the last message-id alone, as a simple client does. Else after the newest position of
	// each partition, of messages and of receipts.
	lastOnly bool

	mark      map[int32]bus.Position
	last      string
	resuming  bool // a RECEIPT is awaited
	announced bool // the next MESSAGE has to say resumed:true
	gap       bool // the next MESSAGE has to say resumed:false
}

// seen is how far a subscription is in a stream.
type seen struct {
	stream *stream
	next   atomic.Int64
	jumps  bool // what comes next may be any later number: there was a gap
}

func subscribe(destination string, streams ...*stream) *subscription {
	s := &subscription{destination: destination, streams: map[string]*seen{}, mark: map[int32]bus.Position{}}
	for _, one := range streams {
		s.streams[one.name] = &seen{stream: one}
		s.streams[one.name].next.Store(1)
	}
	return s
}

// behind is what last-message-id says.
func (s *subscription) behind() string {
	if s.lastOnly && s.last != "" {
		return s.last
	}
	var all []string
	for _, n := range slices.Sorted(maps.Keys(s.mark)) {
		all = append(all, s.mark[n].String())
	}
	return strings.Join(all, ",")
}

func (s *subscription) reached(positions string) error {
	all, err := bus.ParsePositions(positions)
	for _, p := range all {
		if old, ok := s.mark[p.Partition]; !ok || old.Epoch != p.Epoch || old.Offset < p.Offset {
			s.mark[p.Partition] = p
		}
	}
	return err
}

// run follows until ctx ends. ready is called once, when all subscriptions have their receipt.
func (f *follower) run(ctx context.Context, ready func()) {
	ready = sync.OnceFunc(ready)
	for ctx.Err() == nil {
		f.session(ctx, ready)
		f.at++
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond): // as a client's back-off, not to spin
		}
	}
}

// session is one connection.
func (f *follower) session(ctx context.Context, ready func()) {
	url := f.cluster.url(f.at)
	c, err := client.Dial(ctx, client.Options{URL: url, Project: project, Token: f.token})
	if err != nil {
		return // of a node that is not there, or not ready
	}
	defer c.Close()
	f.connects.Add(1)
	if node := f.at % len(f.cluster.nodes); f.left != nil {
		defer f.left(node)
	}
	defer context.AfterFunc(ctx, c.Close)()
	if f.stay != nil {
		defer time.AfterFunc(f.stay(), c.Close).Stop()
	}
	for i, s := range f.subs {
		after := s.behind()
		s.resuming, s.announced, s.gap = after != "", false, false
		if c.Subscribe(strconv.Itoa(i), s.destination, after) != nil {
			return
		}
	}
	for receipts := 0; ; {
		m, r, err := c.Next()
		if err != nil {
			return
		}
		if m != nil {
			f.message(m)
			continue
		}
		f.receipt(r)
		if receipts++; receipts == len(f.subs) {
			ready()
		}
	}
}

func (f *follower) receipt(r *client.Receipt) {
	i, _ := strconv.Atoi(r.ID)
	s := f.subs[i]
	switch {
	case s.resuming && r.Gap:
		f.gaps.Add(1)
		if !f.forgives {
			f.t.Errorf("%s: %s was not resumed behind %q", f.name, s.destination, s.behind())
		}
		s.gap = true
		for _, of := range s.streams {
			of.jumps = true
		}
		s.last = ""
		clear(s.mark)
	case s.resuming != r.Resumed:
		f.t.Errorf("%s: %s asked to resume: %v, the receipt says resumed: %v", f.name, s.destination, s.resuming, r.Resumed)
	case s.resuming:
		f.resumed.Add(1)
		s.announced = true
	}
	s.resuming = false
	if err := s.reached(r.Position); err != nil {
		f.t.Errorf("%s: position %q: %v", f.name, r.Position, err)
	}
}

func (f *follower) message(m *client.Message) {
	i, err := strconv.Atoi(m.Subscription)
	name, number, _ := strings.Cut(string(m.Body), " ")
	n, err2 := strconv.ParseInt(number, 10, 64)
	if err != nil || err2 != nil || i >= len(f.subs) {
		f.t.Errorf("%s: subscription %q got %q", f.name, m.Subscription, m.Body)
		return
	}
	s := f.subs[i]
	said := slices.Contains(m.Headers, client.Header{Name: "resumed", Value: "true"})
	if said != s.announced || s.resuming {
		f.t.Errorf("%s: %s: a MESSAGE with resumed:true: %v, wanted: %v, before the RECEIPT: %v", f.name, s.destination, said, s.announced, s.resuming)
	}
	if said := slices.Contains(m.Headers, client.Header{Name: "resumed", Value: "false"}); said != s.gap {
		f.t.Errorf("%s: %s: a MESSAGE with resumed:false: %v, wanted: %v", f.name, s.destination, said, s.gap)
	}
	s.gap = false
	if s.announced {
		s.announced = false
		f.missed.Add(1)
	}
	of := s.streams[name]
	if of == nil {
		f.t.Errorf("%s: %s got push %q of another destination", f.name, s.destination, m.Body)
		return
	}
	if want := of.next.Load(); n != want && !(of.jumps && n > want) {
		kind := "lost or out of order"
		if n < want {
			kind = "repeated or out of order"
		}
		f.t.Errorf("%s: %s: %s %d came for %d: %s (position %s)", f.name, s.destination, name, n, want, kind, m.ID)
	}
	of.next.Store(n + 1)
	of.jumps = false
	s.last = m.ID
	if err := s.reached(m.ID); err != nil {
		f.t.Errorf("%s: message-id %q: %v", f.name, m.ID, err)
	}
}

// crowd is all followers of a test.
type crowd struct {
	t    *testing.T
	all  []*follower
	wg   sync.WaitGroup
	stop context.CancelFunc
}

// follow starts the followers and returns when all of their subscriptions are there.
func follow(t *testing.T, all []*follower) *crowd {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := &crowd{t: t, all: all, stop: cancel}
	t.Cleanup(c.end)
	var there atomic.Int64
	for _, f := range all {
		c.wg.Go(func() { f.run(ctx, func() { there.Add(1) }) })
	}
	eventually(t, func() string { return fmt.Sprintf("%d of %d clients have subscribed", there.Load(), len(all)) },
		func() bool { return there.Load() == int64(len(all)) })
	return c
}

func (c *crowd) end() {
	c.stop()
	c.wg.Wait()
}

// lacking says which subscription does not have all that was pushed, "" when all have.
func (c *crowd) lacking() string {
	for _, f := range c.all {
		for _, s := range f.subs {
			for _, of := range s.streams {
				if next, pushed := of.next.Load(), of.stream.pushed.Load(); next <= pushed {
					return fmt.Sprintf("%s: %s has %d of %d pushes of %s", f.name, s.destination, next-1, pushed, of.stream.name)
				}
			}
		}
	}
	return ""
}

// sum adds up one count of all followers.
func (c *crowd) sum(count func(*follower) int64) (n int64) {
	for _, f := range c.all {
		n += count(f)
	}
	return n
}

// deliveries is how many pushes the subscriptions have seen.
func (c *crowd) deliveries() (n int64) {
	for _, f := range c.all {
		for _, s := range f.subs {
			for _, of := range s.streams {
				n += of.next.Load() - 1
			}
		}
	}
	return n
}
