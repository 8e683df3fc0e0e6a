package node

import (
	"context"
	"fmt"
	"time"

	"stentor/bench/gen/client"
	"stentor/bench/machine/server"
	"stentor/bench/suite"
	"stentor/bench/suite/report"
)

// bench is one run.
type bench struct {
	Options
	*suite.Run
	plan  plan
	frame []byte // one message as the server sends it
}

// Run takes the measurements. The report has those that were completed even when there is an error.
func Run(ctx context.Context, o Options) (*report.Report, error) { return run(ctx, o, o.plan()) }

func run(ctx context.Context, o Options, p plan) (*report.Report, error) {
	if err := o.check(); err != nil {
		return &report.Report{}, err
	}
	r, err := suite.Begin(ctx, o.Options)
	if err != nil {
		return &report.Report{}, err
	}
	defer r.Close()
	b := &bench{Options: o, Run: r, plan: p}
	if err := b.readFrame(ctx); err != nil {
		return r.Report, err
	}
	r.Report.Load = fmt.Sprintf("%d connections, payloads of %d bytes in frames of %d", o.Connections, payloadBytes, len(b.frame))
	return r.Report, r.Measure(ctx, []suite.Measurement{
		{Name: "memory", Run: b.memory}, {Name: "delivery", Run: b.delivery}, {Name: "overload", Run: b.overload},
		{Name: "slow", Run: b.slow}, {Name: "connect", Run: b.connect},
	})
}

// withRig runs f with a fresh server and no client yet. change sets what f wants of its clients. It is an error when a
// message was not in order.
func (b *bench) withRig(ctx context.Context, change func(*client.Options), f func(context.Context, *suite.Rig) error) error {
	o := client.Options{
		Subscriptions: []string{server.Queue, server.Topic}, // the shared one last: see connect.go
		Receipts:      true,
		Heartbeat:     suite.RestfulHeartbeat,
		Headers:       server.Anonymous,
		Sources:       client.Loopback(b.largePoint()),
	}
	if change != nil {
		change(&o)
	}
	return b.WithRig(ctx, b.Stentor, server.Config{SlowTimeout: slowTimeout}, o, server.Publisher{Size: payloadBytes}, f)
}

// slowTimeout is longer than a measurement of silent clients, which must not be closed meanwhile.
const slowTimeout = 10 * time.Minute
