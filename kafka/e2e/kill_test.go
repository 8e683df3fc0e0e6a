//go:build kafka

package e2e

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"stentor/engine/testkit"
	"stentor/kafka/kafkatest"
	"stentor/tuning/proxy"
)

// world is a back end and the clients of its streams, on a cluster.
type world struct {
	*cluster
	backend *backend
	crowd   *crowd
}

// setup says what a world is like.
type setup struct {
	singles, batched rate.Limit // pushes a second on their own, and in batches
	partitions       int
	crowd            int                  // clients, 0 for the constant
	stay             func() time.Duration // of a client on one connection; nil: as long as it may
}

const (
	topicStreams = 6
	userStreams  = 6
	clients      = 12
)

// newWorld has half of the streams go to topics and half to users, half of each in batches. Each user has a session on
// two nodes; each session is subscribed to two topics and its user's queue, and every fourth to all topics by a pattern.
func newWorld(t *testing.T, c *cluster, o setup) *world {
	t.Helper()
	b := &backend{t: t, cluster: c, singles: rate.NewLimiter(o.singles, 100), batches: rate.NewLimiter(o.batched, 1000)}
	var topics, users []*stream
	for i := range topicStreams {
		topics = append(topics, &stream{name: fmt.Sprint("t", i), topic: fmt.Sprint("t", i), batch: 1 + i%2*99})
	}
	for i := range userStreams {
		users = append(users, &stream{name: fmt.Sprint("u", i), user: fmt.Sprint("user-", i), batch: 1 + i%2*99})
	}
	b.streams = append(append(b.streams, topics...), users...)
	var all []*follower
	if o.crowd == 0 {
		o.crowd = clients
	}
	for i := range o.crowd {
		own := users[i%userStreams]
		f := &follower{t: t, cluster: c, name: fmt.Sprint("client ", i), token: c.token(own.user), at: i / userStreams, stay: o.stay}
		queue := subscribe(own.destination(), own)
		queue.lastOnly = i%3 == 0 && o.partitions == 1 // with several a user's queue is in more than one
		f.subs = append(f.subs, queue)
		for k := range 2 {
			topic := topics[(i+k)%topicStreams]
			s := subscribe(topic.destination(), topic)
			s.lastOnly = i%2 == 0
			f.subs = append(f.subs, s)
		}
		if i%4 == 0 {
			f.subs = append(f.subs, subscribe("/topic/shop/t*", topics...))
		}
		all = append(all, f)
	}
	return &world{cluster: c, backend: b, crowd: follow(t, all)}
}

// load runs the back end while during does its mischief, and at least until so many pushes have been answered. Then
// everyone has to have everything.
func (w *world) load(t *testing.T, pushes int64, during func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	began := time.Now()
	wg.Go(func() { w.backend.run(ctx) })
	during()
	w.await(t, pushes)
	cancel()
	wg.Wait()
	took := time.Since(began)
	w.complete(t)
	// A duplicate at the end would come before this.
	for _, s := range w.backend.streams {
		at := 0
		w.backend.next(s, &at)
	}
	w.complete(t)
	t.Logf("%d pushes answered (%d one by one) in %.1f s, %d requests sent again; %d deliveries; %d connections, %d subscriptions resumed, %d of them with what they had missed, %d could not",
		w.backend.answered(), w.backend.single.Load(), took.Seconds(), w.backend.retries.Load(), w.crowd.deliveries(),
		w.crowd.sum(func(f *follower) int64 { return f.connects.Load() }), w.resumed(),
		w.crowd.sum(func(f *follower) int64 { return f.missed.Load() }), w.crowd.sum(func(f *follower) int64 { return f.gaps.Load() }))
}

// await waits until so many pushes have been answered.
func (w *world) await(t *testing.T, pushes int64) {
	t.Helper()
	eventually(t, func() string { return fmt.Sprintf("%d of %d pushes", w.backend.answered(), pushes) },
		func() bool { return w.backend.answered() >= pushes })
}

func (w *world) complete(t *testing.T) {
	t.Helper()
	eventually(t, w.crowd.lacking, func() bool { return w.crowd.lacking() == "" })
}

func (w *world) resumed() int64 {
	return w.crowd.sum(func(f *follower) int64 { return f.resumed.Load() })
}

// Nodes are killed in turn, come back with their id and are killed again, while a back end pushes through all of them.
func TestNodesKilled(t *testing.T) {
	const pushes, kills = 100_000, 3
	w := newWorld(t, newCluster(t, kafkatest.Bootstrap(t), 2), setup{singles: 1500, batched: 5000, partitions: 1})
	w.load(t, pushes, func() {
		for i := range kills {
			w.await(t, int64(i+1)*pushes/(kills+1))
			victim := w.nodes[i%2]
			before := w.resumed()
			victim.Kill()
			eventually(t, text("nobody resumed on the other node"), func() bool { return w.resumed() > before })
			victim.Start()
			victim.WaitReady()
		}
	})
	if w.backend.single.Load() < 1000 || w.backend.batched.Load() < 1000 {
		t.Errorf("%d pushes one by one, %d in batches", w.backend.single.Load(), w.backend.batched.Load())
	}
	if missed := w.crowd.sum(func(f *follower) int64 { return f.missed.Load() }); missed < kills {
		t.Errorf("%d subscriptions resumed with something that they had missed", missed)
	}
}

// Clients that know one address, nginx's, come back through it when the node behind is killed, and when it leaves.
func TestNodesBehindNginx(t *testing.T) {
	const pushes = 60_000
	c := newCluster(t, kafkatest.Bootstrap(t), 3)
	var addresses []string
	for _, n := range c.nodes {
		addresses = append(addresses, strings.TrimSuffix(strings.TrimPrefix(n.Clients(), "ws://"), "/ws"))
	}
	c.proxy = testkit.Behind(t, proxy.Request{Kind: proxy.Nginx, Nodes: addresses}).Address
	w := newWorld(t, c, setup{singles: 1500, batched: 5000, partitions: 1})
	connects := func() int64 { return w.crowd.sum(func(f *follower) int64 { return f.connects.Load() }) }
	on := func(n *testkit.Node) int64 { return int64(n.Metric(t, "stentor_connections")) }
	w.load(t, pushes, func() {
		for i, end := range []func(*testkit.Node){(*testkit.Node).Kill, (*testkit.Node).Leave} {
			w.await(t, int64(i+1)*pushes/4)
			victim := w.nodes[i]
			had, before := on(victim), connects()
			if had == 0 {
				t.Errorf("nobody was on node %d", i)
			}
			end(victim)
			eventually(t, func() string { return fmt.Sprintf("%d of %d came back through nginx", connects()-before, had) },
				func() bool { return connects() >= before+had })
		}
		eventually(t, func() string { return fmt.Sprintf("%d of %d are on the node that is left", on(w.nodes[2]), clients) },
			func() bool { return on(w.nodes[2]) == clients })
	})
}

// A node that is told to leave hands its clients over without loss.
func TestNodeLeaves(t *testing.T) {
	const pushes = 20_000
	w := newWorld(t, newCluster(t, kafkatest.Bootstrap(t), 2), setup{singles: 1500, batched: 5000, partitions: 1})
	w.load(t, pushes, func() {
		w.await(t, pushes/4)
		leaver := w.nodes[0]
		leaver.Leave()
		eventually(t, func() string { return fmt.Sprintf("%d resumed", w.resumed()) }, func() bool { return w.resumed() >= clients })
		if ready, _ := w.nodes[1].Ready(); !ready {
			t.Error("the node that stays is not ready")
		}
	})
}
