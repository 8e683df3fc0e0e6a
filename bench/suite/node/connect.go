package node

import (
	"context"
	"time"

	"stentor/bench/gen/client"
	"stentor/bench/suite"
	"stentor/bench/suite/report"
	"stentor/engine/testkit/proc"
)

// How many bare writes a connect may cost the server, and server and clients together.
const (
	connectTarget     = 10
	bothConnectTarget = 25
)

// connect measures the CPU time (user + system, garbage collection included) that a fresh server uses for each of many
// connections: accept, handshake, CONNECT without a token, and two SUBSCRIBEs, each frame written by itself. It counts
// in bare writes of a loop over as many connections, run just before. Receipts would add a write to each connection,
// so the clients ask for none: the shared topic is subscribed to last, and when the API counts all subscriptions of it
// every frame has been dealt with. What this process, with the clients, uses meanwhile is taken too.
func (b *bench) connect(ctx context.Context) ([]report.Result, error) {
	var ratios, bothRatios, costs, ownCosts, bares, rates []float64
	for i := range b.plan.pairs {
		b.Progress.Step(nil, "connect %d/%d: bare write loop over %d connections", i+1, b.plan.pairs, b.Connections)
		bare, err := b.bareCosts(ctx, b.plan.bareCPU)
		if err != nil {
			return nil, err
		}
		noReceipts := func(o *client.Options) { o.Receipts = false }
		var cost, own, rate float64
		err = b.withRig(ctx, noReceipts, func(ctx context.Context, r *suite.Rig) (err error) {
			b.Progress.Step(suite.Live(r.Clients), "connect %d/%d: %d connections (bare write %.2f us)", i+1, b.plan.pairs, b.Connections, bare.wrapped)
			cost, own, rate, err = connectCost(ctx, r, b.Connections)
			return err
		})
		if err != nil {
			return nil, err
		}
		costs, ownCosts, bares, rates = append(costs, cost), append(ownCosts, own), append(bares, bare.wrapped), append(rates, rate)
		ratios, bothRatios = append(ratios, cost/bare.wrapped), append(bothRatios, (cost+own)/bare.wrapped)
	}
	return []report.Result{
		report.New("connect", "server CPU per connection with two subscriptions, in bare writes", "writes", ratios,
			report.With("server CPU per connection", "us", costs...),
			report.With("CPU per bare write", "us", bares...),
			report.With("connections opened", "/s", rates...),
		).Most(connectTarget),
		report.New("connect", "the same, server and clients together", "writes", bothRatios,
			report.With("clients' CPU per connection", "us", ownCosts...),
		).Most(bothConnectTarget),
	}, nil
}

// subscribedTimeout bounds the time of the server for its last SUBSCRIBEs.
const subscribedTimeout = 30 * time.Second

// connectCost opens connections and returns what each costs the server and this process, in us, and how many opened a
// second.
func connectCost(ctx context.Context, r *suite.Rig, connections int) (cost, own, rate float64, err error) {
	before, err := r.Server.CPU()
	if err != nil {
		return 0, 0, 0, err
	}
	ownBefore, start := proc.OwnCPU(), time.Now()
	if err := r.Open(ctx, client.Reading, connections); err != nil {
		return 0, 0, 0, err
	}
	if err := r.Subscribed(ctx, subscribedTimeout); err != nil {
		return 0, 0, 0, err
	}
	own = report.Micros(proc.OwnCPU()-ownBefore) / float64(connections)
	rate = float64(connections) / time.Since(start).Seconds()
	after, err := r.Server.CPU()
	return report.Micros(after-before) / float64(connections), own, rate, err
}
