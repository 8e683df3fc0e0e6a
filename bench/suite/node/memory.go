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

// memoryTarget is the most bytes of the server's RSS for a connection.
const memoryTarget = 1024

// memory measures the server's RSS at a small and at a large number of connections, in a fresh process each, and divides
// the difference by the difference in connections. Every connection is a user of its own (JWT) with heart-beats and
// two subscriptions, a shared topic and its own queue. It is taken when they are connected, and again after work: a
// broadcast, a tenth of the connections dropped and opened anew, and a minute of pushes to all at 100 a second.
// The server's history is subtracted.
func (b *bench) memory(ctx context.Context) ([]report.Result, error) {
	small, large := b.smallPoint(), b.largePoint()
	var points [2]memoryPoint
	for i, n := range []int{small, large} {
		o := func(o *client.Options) { o.Headers, o.Heartbeat = b.Credentials.Token, 10*time.Second }
		err := b.withRig(ctx, o, func(ctx context.Context, r *suite.Rig) (err error) {
			points[i], err = b.memoryPoint(ctx, r, n)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	each := func(name string, small, large memorySample) report.Result {
		const mib = 1 << 20
		per := float64(large.own()-small.own()) / float64(b.Connections)
		return report.New("memory", name, "bytes", []float64{per},
			report.With(fmt.Sprintf("RSS at %d", b.smallPoint()), "MiB", float64(small.rss)/mib),
			report.With(fmt.Sprintf("RSS at %d", b.largePoint()), "MiB", float64(large.rss)/mib),
			report.With(fmt.Sprintf("history at %d", b.smallPoint()), "MiB", float64(small.history)/mib),
			report.With(fmt.Sprintf("history at %d", b.largePoint()), "MiB", float64(large.history)/mib),
		).Most(memoryTarget)
	}
	return []report.Result{
		each("server's RSS per connection, connected", points[0].connected, points[1].connected),
		each("server's RSS per connection, after work", points[0].worked, points[1].worked),
	}, nil
}

type memoryPoint struct{ connected, worked memorySample }

type memorySample struct{ rss, history int64 }

// own is what is there for connections.
func (m memorySample) own() int64 { return m.rss - m.history }

func (b *bench) memoryPoint(ctx context.Context, r *suite.Rig, n int) (p memoryPoint, err error) {
	b.Progress.Step(suite.Live(r.Clients), "memory: %d connections", n)
	if err := r.Open(ctx, client.Reading, n); err != nil {
		return p, err
	}
	if p.connected, err = b.memorySample(ctx, r); err != nil {
		return p, err
	}
	b.Progress.Step(suite.Live(r.Clients), "memory: %d connections, broadcast and churn", n)
	if err := r.Rounds(ctx, 1); err != nil {
		return p, err
	}
	if err := r.Clients.Drop(client.Reading, n/churn); err != nil {
		return p, err
	}
	if err := r.Open(ctx, client.Reading, n/churn); err != nil {
		return p, err
	}
	b.Progress.Step(suite.Live(r.Clients), "memory: %d connections, %d pushes a second for %v", n, workRate, b.plan.work)
	pushed, err := r.Back.Paced(ctx, workRate, b.plan.work)
	if err != nil {
		return p, err
	}
	if err := r.Expect(ctx, pushed); err != nil {
		return p, err
	}
	p.worked, err = b.memorySample(ctx, r)
	return p, err
}

// memorySample waits until the server is idle and returns the median of a few readings.
func (b *bench) memorySample(ctx context.Context, r *suite.Rig) (m memorySample, err error) {
	if m.rss, err = r.Resting(ctx, b.plan.settle); err != nil {
		return m, err
	}
	m.history, err = r.Server.Metric(ctx, server.HistoryBytes)
	return m, err
}
