package cluster

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"

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
	// registry starts one for nodes. Its context ends when it does.
	registry func(context.Context, server.RegistryConfig, *nodes) (url string, running context.Context, stop func(), err error)
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
	b.registry = b.startRegistry
	return b, nil
}

func (b *bench) measure(ctx context.Context) error {
	return b.Measure(ctx, []suite.Measurement{{Name: "choices", Run: b.choices}, {Name: "kill", Run: b.kill}})
}
