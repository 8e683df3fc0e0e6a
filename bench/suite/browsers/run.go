package browsers

import (
	"context"
	"fmt"

	"stentor/bench/gen/client"
	"stentor/bench/machine/server"
	"stentor/bench/suite"
	"stentor/bench/suite/report"
)

// bench is one run.
type bench struct {
	Options
	*suite.Run
	plan plan
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
	r.Report.Load = fmt.Sprintf("%d connections", o.Connections)
	return r.Report, r.Measure(ctx, []suite.Measurement{
		{Name: "keys", Run: b.keys}, {Name: "hang", Run: b.hang}, {Name: "sockjs", Run: b.sockjs}, {Name: "xhr", Run: b.xhr}, {Name: "compression", Run: b.compression},
	})
}

// clients is what the clients of all measurements have in common.
func (b *bench) clients() client.Options {
	return client.Options{
		Subscriptions: []string{server.Topic}, Receipts: true, Heartbeat: suite.RestfulHeartbeat,
		Headers: server.Anonymous, Sources: client.Loopback(b.Connections),
	}
}
