package engine

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"stentor/engine/bus"
	"stentor/engine/history"
	"stentor/engine/shard"
)

// A push that is older than it may be is not delivered, and the clocks of those who sent it may be wrong.
func TestAgeOfPushes(t *testing.T) {
	const slack = int64(5 * time.Second) // between the test's looks at the clock and the node's
	for _, c := range []struct {
		name               string
		age, ttl, maxAge   time.Duration
		expired, unlimited bool
		left               time.Duration // that it is delivered for
	}{
		{name: "no limit", age: 300 * 24 * time.Hour, unlimited: true},
		{name: "young enough", age: time.Minute, ttl: time.Hour, left: 59 * time.Minute},
		{name: "too old", age: 2 * time.Hour, ttl: time.Hour, expired: true},
		{name: "the node's limit", age: 2 * time.Hour, maxAge: time.Hour, expired: true},
		{name: "the node's limit is shorter", age: time.Hour, ttl: 10 * time.Hour, maxAge: 3 * time.Hour, left: 2 * time.Hour},
		{name: "its own is shorter", age: time.Hour, ttl: 3 * time.Hour, maxAge: 10 * time.Hour, left: 2 * time.Hour},
		{name: "a clock that is ahead", age: -24 * time.Hour, ttl: time.Hour, left: time.Hour},
		{name: "a clock that is ahead, and the node's limit", age: -24 * time.Hour, maxAge: time.Hour, left: time.Hour},
		{name: "a clock that stands at its beginning", age: time.Since(time.Unix(0, 0)), unlimited: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, stop := startNodeWith(t, nil, func(o *Options) { o.Limits.PushAge = c.maxAge })
			defer stop()
			before := n.now()
			_, taken := n.Deliver(bus.Position{Epoch: 1}, &bus.Record{Project: "shop", Destination: "/topic/shop/a", TTL: c.ttl, Time: time.Now().Add(-c.age)})
			n.Flush()
			if expired := n.project("shop").expired.Load() == 1; expired != c.expired || (taken == nil) != c.expired {
				t.Fatalf("expired: %t, taken: %v", expired, taken)
			}
			if c.expired {
				return
			}
			e := taken.(*history.Entry)
			if c.unlimited {
				if e.Expires != 0 {
					t.Errorf("it ends at %d", e.Expires)
				}
			} else if off := e.Expires - before - int64(c.left); off < -slack || off > slack {
				t.Errorf("it lives for %s, want %s", time.Duration(e.Expires-before), c.left)
			}
		})
	}
}

// There are reports of the latest pushes only.
func TestReportsAreBounded(t *testing.T) {
	var r reports
	const more = 10
	for i := range maxReports + more {
		id := fmt.Sprint(i)
		one := newReport(id, bus.Position{Offset: int64(i)})
		if one.shared() == nil {
			t.Fatal("no report")
		}
		r.add(id, one)
		r.add(id, one) // the same id takes no more room
	}
	none := newReport("", bus.Position{})
	if none.shared() != nil {
		t.Error("a push without id has a report")
	}
	r.add("", none)
	sent := newReport(bus.SentMark+"x", bus.Position{})
	if sent.shared() != nil {
		t.Error("a push with a client's id has a report")
	}
	r.add(bus.SentMark+"x", sent)
	if len(r.byID) != maxReports || r.order.Len() != maxReports {
		t.Errorf("%d reports, %d places", len(r.byID), r.order.Len())
	}
	if r.find(fmt.Sprint(more-1)) != nil {
		t.Error("an old one is there")
	}
	for _, i := range []int{more, maxReports + more - 1} {
		if one := r.find(fmt.Sprint(i)); one == nil || one.position.Offset != int64(i) {
			t.Errorf("push %d has the report %v", i, one)
		}
	}
}

// What a client sends again under its id is answered as before, and is not published again.
func TestSentAgain(t *testing.T) {
	n, _ := startNodeWith(t, nil, func(*Options) {})
	e := &env{node: n.Node}
	var got []bus.Position
	for range 3 {
		e.Publish(&bus.Record{Project: "shop", Destination: "/topic/shop/a", ID: bus.SentMark + "x"}, func(pos bus.Position, err error) {
			if err != nil {
				t.Error(err)
			}
			got = append(got, pos)
		})
	}
	p := n.project("shop")
	if len(got) != 3 || got[0] != got[1] || got[0] != got[2] || p.accepted.Load() != 1 || p.repeated.Load() != 0 {
		t.Errorf("at %v; %d accepted, %d dropped", got, p.accepted.Load(), p.repeated.Load())
	}
}

// What a project's clients send counts against its pushes a second, and leaves a half to the back ends. Of a transaction
// everything has room, or nothing.
func TestSendsAreLimited(t *testing.T) {
	n, stop := startNodeWith(t, nil, func(o *Options) { o.Limits.PendingBytes = 1000 })
	e := &env{node: n.Node}
	p := n.project("shop")
	allow := func(project string, sends, bytes int, want error) {
		t.Helper()
		if err := e.Allow(&shard.Settings{Name: project}, shard.Holder{}, sends, bytes); !errors.Is(err, want) {
			t.Errorf("%d of %s: %v, want %v", sends, project, err, want)
		}
	}
	allow("other", 1, 1, bus.ErrUnknownProject)
	allow("shop", 1000, 1, nil)
	p.pushes.Store(rate.NewLimiter(rate.Every(time.Hour), 4))
	allow("shop", 5, 1, shard.ErrNever)
	allow("shop", 1, 1, nil)
	allow("shop", 2, 1, bus.ErrRateLimited)
	allow("shop", 1, 1, nil)
	allow("shop", 1, 1, bus.ErrRateLimited)
	for range 2 { // the back end has its half
		if !p.pushes.Load().Allow() {
			t.Error("a back end's push is refused beside many of clients")
		}
	}
	allow("shop", 1, 1, bus.ErrRateLimited)
	p.pushes.Store(rate.NewLimiter(rate.Every(time.Hour), 4))
	allow("shop", 3, 1, nil) // more than half, of a full bucket
	allow("shop", 1, 1, bus.ErrRateLimited)
	if limited := p.limited.Load(); limited != 5 {
		t.Errorf("%d counted", limited)
	}
	p.pushes.Store(rate.NewLimiter(rate.Inf, 0))
	waiting := history.NewEntry(bus.Position{Epoch: 1, Offset: 1 << 20}, &bus.Record{Destination: "/topic/shop/a", Body: make([]byte, 100)}, 0, 0)
	p.history.Append(waiting, 1)
	pending := int(p.history.Pending())
	allow("shop", 2, 500-pending+1, bus.ErrBusy)
	allow("shop", 1, 500-pending+1, bus.ErrBusy)
	allow("shop", 1, 500-pending, nil)
	if err := n.Admit("shop", 1000-pending); err != nil {
		t.Errorf("no room for a back end: %v", err)
	}
	waiting.Done()
	stop()
	allow("shop", 1, 1, bus.ErrClosed)
}
