package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"stentor/bench/gen/pace"
	"stentor/bench/machine/server"
)

// nodes are a cluster that runs.
type nodes struct {
	b      *bench
	name   string
	config server.Config // of each node, but for its id
	topic  string
	first  *registry
	spare  *registry // nil unless it was asked for
	groups []string
	whole  context.Context // of the measurement
	failed func(error)     // ends it

	mu    sync.Mutex
	all   []*server.Server
	ended map[*server.Server]bool // they may end
}

// registry is one that clients ask.
type registry struct {
	url    string
	server *server.Server // nil: a test's
	stop   func()         // may be called again
}

// setup is how a measurement configures its nodes.
type setup struct {
	config server.Config
	// before, when it is set, changes the configuration of node i before it starts.
	before func(i int, c *server.Config)
	spare  bool
}

// withNodes runs f with fresh nodes and a registry, whose topics and groups are gone afterwards. Its context ends when the
// registry does, or a node that f has not ended.
func (b *bench) withNodes(ctx context.Context, name string, with setup, f func(context.Context, *nodes) error) (err error) {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	name = b.name + "-" + name
	n := &nodes{b: b, name: name, config: with.config, topic: name, whole: ctx, failed: fail, ended: map[*server.Server]bool{}}
	n.config.Credentials, n.config.ClusterKey = b.Credentials, rand.Text()+rand.Text()
	n.config.Kafka = &server.Kafka{Brokers: b.Brokers, Topic: n.topic, NodesTopic: name + "-nodes"}
	if err := b.topics.Create(ctx, n.topic); err != nil {
		return err
	}
	defer func() {
		for _, s := range n.list() {
			n.end(s, s.Stop)
		}
		err = errors.Join(err, b.topics.Remove([]string{n.topic, n.config.Kafka.NodesTopic}, n.groups))
	}()
	if err := n.startAll(with); err != nil {
		return err
	}
	if n.first, err = n.startRegistry(); err != nil {
		return err
	}
	defer n.first.stop()
	if with.spare {
		if n.spare, err = n.startRegistry(); err != nil {
			return err
		}
		defer n.spare.stop()
	}
	if err = n.named(ctx, nodeCount); err == nil {
		err = f(ctx, n)
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	return err
}

// startAll starts the first nodes, side by side.
func (n *nodes) startAll(with setup) error {
	n.all = make([]*server.Server, nodeCount)
	var all sync.WaitGroup
	errs := make([]error, nodeCount)
	for i := range nodeCount {
		c := n.config
		if with.before != nil {
			with.before(i, &c)
		}
		all.Go(func() { _, errs[i] = n.start(i, c) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// start starts node i, for the first time or again.
func (n *nodes) start(i int, c server.Config) (*server.Server, error) {
	kafka := *n.config.Kafka
	kafka.Node = fmt.Sprintf("%s-%d", n.name, i)
	c.Kafka = &kafka
	if n.config.StateDir != "" {
		c.StateDir = filepath.Join(n.config.StateDir, kafka.Node)
		if err := os.MkdirAll(c.StateDir, 0o700); err != nil {
			return nil, err
		}
	}
	n.mu.Lock()
	if group := "stentor-" + kafka.Node; !slices.Contains(n.groups, group) {
		n.groups = append(n.groups, group)
	}
	n.mu.Unlock()
	s, running, err := server.Start(n.whole, n.b.Stentor, n.b.Dir, c)
	if err != nil {
		return nil, err
	}
	n.watch(s, running)
	n.mu.Lock()
	defer n.mu.Unlock()
	if i < len(n.all) {
		n.all[i] = s
		return s, nil
	}
	n.all = append(n.all, s)
	return s, nil
}

// watch ends the measurement when s ends and may not.
func (n *nodes) watch(s *server.Server, running context.Context) {
	context.AfterFunc(running, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		if !n.ended[s] && n.whole.Err() == nil {
			n.failed(context.Cause(running))
		}
	})
}

// end ends s in some way.
func (n *nodes) end(s *server.Server, how func()) {
	n.mu.Lock()
	n.ended[s] = true
	n.mu.Unlock()
	how()
}

func (n *nodes) list() []*server.Server {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(n.all), func(s *server.Server) bool { return s == nil })
}

// home is the node of a client's first connection, each has as many.
func (n *nodes) home(number int) netip.AddrPort {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.all[number%nodeCount].Client
}

// only is home for clients that are all of one node.
func (n *nodes) only(i int) func(int) netip.AddrPort {
	to := n.list()[i].Client
	return func(int) netip.AddrPort { return to }
}

// startRegistry starts one that ends the measurement when it ends by itself.
func (n *nodes) startRegistry() (*registry, error) {
	k := n.config.Kafka
	r, running, err := n.b.registry(n.whole, server.RegistryConfig{ClusterKey: n.config.ClusterKey, Brokers: k.Brokers, NodesTopic: k.NodesTopic}, n)
	if err != nil {
		return nil, err
	}
	watched := context.AfterFunc(running, func() { n.failed(context.Cause(running)) })
	stop := r.stop
	r.stop = sync.OnceFunc(func() { watched(); stop() })
	return r, nil
}

// startRegistry starts the product's registry, which is killed in the end.
func (b *bench) startRegistry(ctx context.Context, c server.RegistryConfig, _ *nodes) (*registry, context.Context, error) {
	s, running, err := server.StartRegistry(ctx, b.Stentor, b.Dir, c)
	if err != nil {
		return nil, nil, err
	}
	return &registry{s.API(), s, s.Kill}, running, nil
}

// named waits until the registry names so many nodes.
func (n *nodes) named(ctx context.Context, count int) error {
	patience := n.b.plan.patience
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("the registry does not name %d nodes after %v", count, patience))
	defer cancel()
	asker := newAsker(n.first.url, askFrom(0))
	defer asker.close()
	for {
		a, err := asker.ask(ctx, mostNodes)
		if err == nil && len(a.to) == count {
			return nil
		}
		if pace.Wait(ctx, 50*time.Millisecond) != nil {
			return errors.Join(context.Cause(ctx), err)
		}
	}
}

// mostNodes is more than there ever are.
const mostNodes = 10

// connections are those of each node.
func (n *nodes) connections(ctx context.Context, of []*server.Server) (counts []float64, err error) {
	for _, s := range of {
		n, err := s.Metric(ctx, "stentor_connections")
		if err != nil {
			return nil, err
		}
		counts = append(counts, float64(n))
	}
	return counts, nil
}
