package cluster

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"stentor/bench/machine/server"
	"stentor/bench/suite"
	"stentor/bench/suite/report"
	"stentor/bench/suite/topics"
)

// bench is one run.
type bench struct {
	Options
	*suite.Run
	plan   plan
	name   string // begins the names of all that the run puts into Kafka
	topics topics.Topics
	kafka  broker // nil: it cannot be ended
	// registry starts one for nodes. Its context ends when it does.
	registry func(context.Context, server.RegistryConfig, *nodes) (*registry, context.Context, error)
	// level evens out the connections of all nodes, without sessions that are younger.
	level func(ctx context.Context, n *nodes, younger time.Duration) error
}

// Run takes the measurements. The report has those that were completed even when there is an error.
func Run(ctx context.Context, o Options) (*report.Report, error) {
	if err := o.check(); err != nil {
		return &report.Report{}, err
	}
	t, err := topics.New(o.Brokers)
	if err != nil {
		return &report.Report{}, err
	}
	defer t.Close()
	b, err := begin(ctx, o, o.plan(), t)
	if err != nil {
		return &report.Report{}, err
	}
	defer b.Close()
	return b.Report, b.measure(ctx)
}

// begin makes a run of checked options. The caller closes it.
func begin(ctx context.Context, o Options, p plan, t topics.Topics) (*bench, error) {
	r, err := suite.Begin(ctx, o.Options)
	if err != nil {
		return nil, err
	}
	r.Report.Load = fmt.Sprintf("%d connections to %d nodes, Kafka, nodes, registry, clients and the back end on this machine", o.Connections, nodeCount)
	b := &bench{Options: o, Run: r, plan: p, topics: t, name: "stentor-bench-" + strings.ToLower(rand.Text()[:8])}
	b.registry, b.level, b.kafka = b.startRegistry, b.runRebalance, controlled(o.Brokers)
	return b, nil
}

func (b *bench) measure(ctx context.Context) error {
	return b.Measure(ctx, []suite.Measurement{
		{Name: "choices", Run: b.choices}, {Name: "answers", Run: b.answers}, {Name: "kill", Run: b.kill}, {Name: "silent", Run: b.silent},
		{Name: "rolling", Run: b.rolling}, {Name: "rebalance", Run: b.rebalance}, {Name: "registry", Run: b.registries}, {Name: "brokers", Run: b.brokers},
	})
}
