//go:build kafka

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"stentor/engine/testkit"
	"stentor/kafka/kafkatest"
)

const (
	quietWindow  = 3 * time.Second // of history: what is older can only be resumed by what a node keeps over its restart
	quietTopics  = 40
	quietUsers   = 12
	quietClients = 24
)

// quiet has nodes with a short history that keep what they know over a restart.
func quiet(t *testing.T, bootstrap string, nodes, partitions int) *cluster {
	t.Helper()
	c := newCluster(t, bootstrap, 0)
	for range nodes {
		c.add("node.state_dir="+t.TempDir(), fmt.Sprint("history.window=", quietWindow), fmt.Sprint("kafka.partitions=", partitions),
			"drain.chunk=1", "drain.interval=200ms")
	}
	for _, n := range c.nodes {
		n.WaitReady()
	}
	return c
}

// silence ends when nothing of what was pushed before is in any history.
func silence(t *testing.T) {
	t.Helper()
	from := time.Now()
	eventually(t, text("time stands still"), func() bool { return time.Since(from) > quietWindow*3/2 })
}

// quietStreams are topics and users' queues to which nobody pushes but the test itself.
func quietStreams() (topics, users []*stream) {
	for i := range quietTopics {
		topics = append(topics, &stream{name: fmt.Sprint("q", i), topic: fmt.Sprint("q", i), batch: 1})
	}
	for i := range quietUsers {
		users = append(users, &stream{name: fmt.Sprint("u", i), user: fmt.Sprint("user-", i), batch: 1})
	}
	return topics, users
}

// quietSubscriptions of one client: seven of topics, its user's queue and each fourth client's pattern are silent.
func quietSubscriptions(i int, topics, users []*stream) []*subscription {
	own := users[i%len(users)]
	all := []*subscription{subscribe(own.destination(), own)}
	for k := range 7 {
		topic := topics[(7*i+k)%len(topics)]
		s := subscribe(topic.destination(), topic)
		s.lastOnly = k%2 == 0
		all = append(all, s)
	}
	if i%4 == 0 {
		all = append(all, subscribe("/topic/shop/q*", topics...))
	}
	return all
}

// Three nodes are restarted in turn, while nine of ten subscriptions are silent for longer than their history: each resumes where
// it was, with nothing lost or repeated. Clients of a node that leaves get what comes until their close.
func TestRollingRestart(t *testing.T) {
	bootstrap := kafkatest.Bootstrap(t)
	for _, partitions := range []int{1, 3} {
		t.Run(fmt.Sprint("partitions ", partitions), func(t *testing.T) {
			t.Parallel()
			rollingRestart(t, bootstrap, partitions)
		})
	}
}

func rollingRestart(t *testing.T, bootstrap string, partitions int) {
	c := quiet(t, bootstrap, 3, partitions)
	topics, users := quietStreams()
	busy := &stream{name: "busy", topic: "busy", batch: 1}
	b := &backend{t: t, cluster: c, streams: []*stream{busy}, singles: rate.NewLimiter(200, 10)}
	var leaving atomic.Pointer[lastOf]
	var all []*follower
	for i := range quietClients {
		own := subscribe(busy.destination(), busy)
		f := &follower{t: t, cluster: c, name: fmt.Sprint("client ", i), token: c.token(users[i%len(users)].user), at: i}
		f.subs = append(quietSubscriptions(i, topics, users), own)
		f.left = func(node int) {
			if l := leaving.Load(); l != nil {
				l.note(node, own.streams["busy"].next.Load()-1, busy.pushed.Load())
			}
		}
		all = append(all, f)
	}
	w := &world{cluster: c, backend: b, crowd: follow(t, all)}
	pushOnce(w, append(topics[:len(topics)/2:len(topics)/2], users[:len(users)/2]...)...)
	w.complete(t)

	w.load(t, 0, func() {
		silence(t)
		for i := len(c.nodes) - 1; i >= 0; i-- { // clients go to the next one, which was restarted before
			node := c.nodes[i]
			l := &lastOf{node: i, before: busy.pushed.Load()}
			leaving.Store(l)
			node.Leave() // it would end with an error if drain.timeout were not enough
			if err := l.deaf(); err != nil {
				t.Errorf("node %d: %v", i, err)
			}
			node.Start()
			node.WaitReady()
			silence(t)
		}
	})
	pushOnce(w, append(topics, users...)...)
	w.complete(t)
	if n := w.resumed(); n < quietClients*8 {
		t.Errorf("%d subscriptions resumed", n)
	}
}

// lastOf is how many pushes the client had that a node closed last, and how many had been made by then.
type lastOf struct {
	node   int
	before int64 // pushes that had been made when it was told to leave

	mu        sync.Mutex
	had, made int64
}

func (l *lastOf) note(node int, had, made int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if node == l.node && had > l.had {
		l.had, l.made = had, made
	}
}

// deaf is that the client had less than half of what was pushed while the node left. A few may have been on their way.
func (l *lastOf) deaf() error {
	const few = 5
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.had < l.before+(l.made-l.before)/2-few {
		return fmt.Errorf("of the pushes from %d to %d, made while it left, its last client had those up to %d", l.before, l.made, l.had)
	}
	return nil
}

// pushOnce pushes the next number to each stream.
func pushOnce(w *world, streams ...*stream) {
	at := 0
	for _, s := range streams {
		w.backend.next(s, &at)
	}
}

// deleteRecords takes everything out of a topic of one partition, as its retention does in time.
func deleteRecords(t *testing.T, bootstrap, topic string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "offsets.json")
	if err := os.WriteFile(file, fmt.Appendf(nil, `{"version":1,"partitions":[{"topic":"%s","partition":0,"offset":-1}]}`, topic), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := kafkatest.RunTool(bootstrap, kafkatest.DeleteRecords, "--offset-json-file", file); err != nil {
		t.Fatal(out, err)
	}
}

// A client is away while its node restarts, in some way. When it comes back it is told the truth: what resumes has missed nothing.
func TestQuietAfterRestart(t *testing.T) {
	const all, missing = 9, 5 // subscriptions, and those of them to which something is pushed meanwhile
	bootstrap := kafkatest.Bootstrap(t)
	tool := func(t *testing.T, args ...string) {
		t.Helper()
		if out, err := kafkatest.RunTool(bootstrap, kafkatest.Topics, args...); err != nil {
			t.Fatal(out, err)
		}
	}
	for _, v := range []struct {
		name string
		// restart has node start again; missed pushes to half of the silent destinations, by way of another node.
		restart func(t *testing.T, c *cluster, node *testkit.Node, missed func())
		gaps    int // that the client may be told of; all: that it has to be told of
	}{
		{name: "leaves", restart: func(_ *testing.T, _ *cluster, node *testkit.Node, _ func()) {
			node.Leave()
			node.Start()
		}},
		{name: "leaves twice", restart: func(_ *testing.T, _ *cluster, node *testkit.Node, _ func()) {
			node.Leave()
			node.Start()
			node.WaitReady()
			node.Leave()
			node.Start()
		}},
		{name: "misses some within the window", restart: func(_ *testing.T, _ *cluster, node *testkit.Node, missed func()) {
			node.Leave()
			missed()
			node.Start()
		}},
		{name: "is down for longer than the window", restart: func(t *testing.T, _ *cluster, node *testkit.Node, missed func()) {
			node.Leave()
			missed()
			silence(t)
			node.Start()
		}},
		{name: "leaves long after the last push", gaps: missing, restart: func(t *testing.T, _ *cluster, node *testkit.Node, missed func()) {
			missed()
			silence(t)
			node.Leave()
			node.Start()
		}},
		{name: "is killed", gaps: missing, restart: func(t *testing.T, _ *cluster, node *testkit.Node, missed func()) {
			missed()
			silence(t)
			node.Kill()
			node.Start()
		}},
		{name: "is killed before it may have written what it read", gaps: missing, restart: func(t *testing.T, _ *cluster, node *testkit.Node, missed func()) {
			missed()
			node.Kill()
			silence(t)
			node.Start()
		}},
		{name: "is down until Kafka has deleted what it missed", gaps: all, restart: func(t *testing.T, c *cluster, node *testkit.Node, missed func()) {
			node.Leave()
			missed()
			deleteRecords(t, bootstrap, c.pushTopic())
			node.Start()
		}},
		{name: "is killed after a restart", gaps: missing, restart: func(t *testing.T, _ *cluster, node *testkit.Node, missed func()) {
			node.Leave()
			node.Start()
			node.WaitReady()
			missed()
			silence(t)
			node.Kill()
			node.Start()
		}},
		{name: "finds more partitions", restart: func(t *testing.T, c *cluster, node *testkit.Node, missed func()) {
			node.Leave()
			tool(t, "--alter", "--topic", c.pushTopic(), "--partitions", "3")
			missed()
			silence(t)
			node.Start()
		}},
		{name: "finds another topic", gaps: all, restart: func(t *testing.T, c *cluster, node *testkit.Node, missed func()) {
			node.Leave()
			tool(t, "--delete", "--topic", c.pushTopic())
			missed() // as soon as the other node has made it again
			node.Start()
		}},
	} {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			c := quiet(t, bootstrap, 2, 1)
			node, other := c.nodes[0], &cluster{t: t, http: c.http, nodes: c.nodes[1:]}
			topics, users := quietStreams()
			f := &follower{t: t, cluster: &cluster{t: t, nodes: c.nodes[:1]}, name: "client", token: c.token(users[0].user), subs: quietSubscriptions(0, topics, users), forgives: v.gaps != 0}
			w := &world{cluster: c, backend: &backend{t: t, cluster: other}, crowd: follow(t, []*follower{f})}
			pushOnce(w, append(topics[:4:4], users[0])...) // of the client's topics some have had nothing yet
			w.complete(t)
			w.crowd.end()
			silence(t)

			v.restart(t, c, node, func() { pushOnce(w, topics[2:6]...) })
			node.WaitReady()
			w.crowd = follow(t, []*follower{f})
			pushOnce(w, append(topics, users[0])...)
			w.complete(t)
			gaps, resumed := f.gaps.Load(), f.resumed.Load()
			t.Logf("%d resumed, %d could not", resumed, gaps)
			if gaps > int64(v.gaps) || v.gaps == all && resumed > 0 || gaps+resumed != all {
				t.Errorf("%d resumed, %d could not", resumed, gaps)
			}
		})
	}
}
