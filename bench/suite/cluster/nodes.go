package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"stentor/bench/gen/pace"
	"stentor/bench/machine/server"
)

// nodes are a cluster that runs.
type nodes struct {
	all      []*server.Server
	registry string // URL
	topic    string
}

// withNodes runs f with fresh nodes and a registry, whose topics and groups are gone afterwards. Its context ends when the
// registry does, or a node that f did not kill.
func (b *bench) withNodes(ctx context.Context, name string, f func(context.Context, *nodes) error) (err error) {
	name = b.name + "-" + name
	n := &nodes{topic: name}
	at := server.Kafka{Brokers: b.Brokers, Topic: n.topic, NodesTopic: name + "-nodes"}
	if err := b.topics.Create(ctx, at.Topic); err != nil {
		return err
	}
	var groups []string
	defer func() { err = errors.Join(err, b.topics.Remove([]string{at.Topic, at.NodesTopic}, groups)) }()
	key := rand.Text() + rand.Text()
	whole := ctx
	for i := range nodeCount {
		at.Node = fmt.Sprintf("%s-%d", name, i)
		groups = append(groups, "stentor-"+at.Node)
		kafka := at
		s, running, err := server.Start(whole, b.Stentor, b.Dir, server.Config{Credentials: b.Credentials, ClusterKey: key, Kafka: &kafka})
		if err != nil {
			return err
		}
		defer s.Stop()
		if n.all = append(n.all, s); i != killed { // that one may end
			var cancel context.CancelFunc
			ctx, cancel = both(ctx, running)
			defer cancel()
		}
	}
	registry, running, stop, err := b.registry(whole, server.RegistryConfig{ClusterKey: key, Brokers: b.Brokers, NodesTopic: at.NodesTopic}, n)
	if err != nil {
		return err
	}
	defer stop()
	n.registry = registry
	ctx, cancel := both(ctx, running)
	defer cancel()
	if err = n.named(ctx, b.plan.patience); err == nil {
		err = f(ctx, n)
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	return err
}

// both ends with either of them, for the same cause.
func both(a, b context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(a)
	stop := context.AfterFunc(b, func() { cancel(context.Cause(b)) })
	return ctx, func() { stop(); cancel(nil) }
}

// startRegistry starts the product's registry.
func (b *bench) startRegistry(ctx context.Context, c server.RegistryConfig, _ *nodes) (url string, running context.Context, stop func(), err error) {
	s, running, err := server.StartRegistry(ctx, b.Stentor, b.Dir, c)
	if err != nil {
		return "", nil, nil, err
	}
	return s.API(), running, s.Stop, nil
}

// named waits until the registry names every node.
func (n *nodes) named(ctx context.Context, patience time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("the registry does not name all nodes after %v", patience))
	defer cancel()
	asker := newAsker(n.registry, askFrom(0))
	defer asker.close()
	for {
		a, err := asker.ask(ctx, nodeCount)
		if err == nil && len(a.to) == nodeCount {
			return nil
		}
		if pace.Wait(ctx, 50*time.Millisecond) != nil {
			return errors.Join(context.Cause(ctx), err)
		}
	}
}
