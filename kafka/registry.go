package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"stentor/engine/directory"
)

// RegistryOptions of a Registry. All fields are required.
type RegistryOptions struct {
	Properties map[string]string // see Options
	NodesTopic string
	Directory  *directory.View // receives all beats
	Log        *slog.Logger
}

// Registry reads only the topic of the nodes' beats: it is no node, and writes nothing.
type Registry struct {
	opts     Options
	nodes    *directory.View
	logs     chan ck.LogEvent
	logging  sync.WaitGroup
	admin    *ck.AdminClient
	stop     context.CancelFunc
	running  sync.WaitGroup
	caughtUp atomic.Pointer[time.Time]
	trouble  atomic.Pointer[string]
}

// settleTime is how long a registry reads the topic before it is ready: every live node sends a beat within it.
const settleTime = 2500 * time.Millisecond

// proofEvery is how often ask requests the end of the topic.
const proofEvery = 500 * time.Millisecond

// NewRegistry starts reading. It returns an error for properties that librdkafka does not know. Unreachable brokers are no
// error: the registry keeps trying.
func NewRegistry(o RegistryOptions) (*Registry, error) {
	if err := errors.Join(CheckProperties(o.Properties)...); err != nil {
		return nil, err
	}
	r := &Registry{
		opts:  Options{Node: "registry", Properties: o.Properties, NodesTopic: o.NodesTopic, Log: o.Log},
		nodes: o.Directory, logs: make(chan ck.LogEvent, 64),
	}
	r.logging.Go(func() { forward(r.logs, o.Log) })
	var err error
	if r.admin, err = ck.NewAdminClient(r.opts.config(r.logs, nil, nil)); err != nil {
		close(r.logs)
		r.logging.Wait()
		return nil, fmt.Errorf("kafka: %w", err)
	}
	keep(&r.trouble, errors.New("the topic of the nodes has not been read yet"))
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	r.running.Go(func() { r.run(ctx) })
	return r, nil
}

// Close stops reading. The view stays as it is.
func (r *Registry) Close() {
	r.stop()
	r.running.Wait()
	r.admin.Close()
	close(r.logs)
	r.logging.Wait()
}

// Ready returns nil once the registry knows the nodes. Later trouble of the brokers changes nothing: the nodes as last known
// are better than none.
func (r *Registry) Ready() error {
	at := r.caughtUp.Load()
	switch {
	case at == nil:
		return fmt.Errorf("kafka: %s", *r.trouble.Load())
	case time.Since(*at) < settleTime:
		return errors.New("kafka: the nodes that live have not all been heard yet")
	}
	return nil
}

func (r *Registry) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := r.read(ctx)
		if ctx.Err() == nil && keep(&r.trouble, err) {
			r.opts.Log.Warn("the list of nodes cannot be read", "topic", r.opts.NodesTopic, "error", err)
		}
		pause(ctx, time.Second)
	}
}

// topicEnd is where the topic ended, some time after asked.
type topicEnd struct {
	offset int64
	asked  time.Time
}

// read reads the topic until something fails from which librdkafka does not recover by itself.
func (r *Registry) read(ctx context.Context) error {
	start, end, err := nodesBounds(ctx, r.admin, r.opts.NodesTopic, "Read")
	if err != nil {
		return err
	}
	c, err := nodesConsumer(&r.opts, r.logs, start)
	if err != nil {
		return err
	}
	defer closeConsumer(c)
	var known atomic.Pointer[topicEnd]
	asking, stop := context.WithCancel(ctx)
	var asks sync.WaitGroup
	asks.Go(func() { r.ask(asking, &known) })
	defer asks.Wait()
	defer stop()
	next := start
	for ctx.Err() == nil {
		switch e := c.Poll(100).(type) {
		case *ck.Message:
			next = int64(e.TopicPartition.Offset) + 1
			r.nodes.Hear(string(e.Key), e.Value, next > end, time.Now())
		case ck.Error:
			if err := unreadable(e, r.opts.NodesTopic); err != nil {
				return err
			}
		}
		if e := known.Load(); e != nil && next >= e.offset {
			known.Store(nil)
			r.nodes.Proven(e.asked)
			if r.caughtUp.Load() == nil {
				now := time.Now()
				r.caughtUp.Store(&now)
			}
		}
	}
	return ctx.Err()
}

// ask requests the end of the topic every proofEvery, until ctx ends. A request without an answer proves nothing.
func (r *Registry) ask(ctx context.Context, known *atomic.Pointer[topicEnd]) {
	for ctx.Err() == nil {
		asked := time.Now()
		if ends, err := offsets(ctx, r.admin, r.opts.NodesTopic, []int32{0}, ck.LatestOffsetSpec); err == nil {
			known.Store(&topicEnd{ends[0], asked})
		}
		pause(ctx, proofEvery)
	}
}
