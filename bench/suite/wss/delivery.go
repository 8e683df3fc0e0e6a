package wss

import (
	"context"

	"stentor/bench/suite/report"
)

// How many times what it costs without TLS a delivery may cost.
const (
	warmTarget = 1.20
	coldTarget = 1.35
)

// delivery compares the node's CPU time for each delivered message, garbage collection included, with that without TLS: with
// its ciphers kept (warm), with none kept (cold), and with the records of crypto/tls. Each push is posted when all clients
// have had the one before.
func (b *bench) delivery(ctx context.Context) ([]report.Result, error) {
	secure := overTLS(b.ecdsa)
	cold, golang := secure, secure
	cold.ciphers, golang.records = "0", "go"
	ways := []way{{}, secure, cold, golang}
	names := []string{"without TLS", "warm", "cold", "records of crypto/tls"}
	costs, ratios := make([][]float64, len(ways)), make([][]float64, len(ways))
	for i := range b.plan.samples {
		for j, w := range ways {
			b.Progress.Step(nil, "delivery %d/%d: %s", i+1, b.plan.samples, names[j])
			cost, err := b.deliveryCost(ctx, w)
			if err != nil {
				return nil, err
			}
			costs[j] = append(costs[j], cost)
			ratios[j] = append(ratios[j], cost/costs[0][i])
		}
	}
	return []report.Result{
		report.New("delivery", "node's CPU per message over TLS, against without, warm", "times", ratios[1],
			report.With("over TLS", "us", costs[1]...), report.With("without", "us", costs[0]...),
			report.With("with tls.records: go", "us", costs[3]...), report.With("the same, against without TLS", "times", ratios[3]...),
		).Most(warmTarget),
		report.New("delivery", "the same, no cipher kept", "times", ratios[2], report.With("over TLS", "us", costs[2]...)).Most(coldTarget),
	}, nil
}

// deliveryCost is the node's CPU time of one message, in us.
func (b *bench) deliveryCost(ctx context.Context, w way) (cost float64, err error) {
	err = b.withRig(ctx, w, func(ctx context.Context, r *rig) error {
		if err := r.open(ctx, b.Connections); err != nil {
			return err
		}
		if err := r.Rounds(ctx, warmUp); err != nil {
			return err
		}
		before, err := r.Server.CPU()
		if err != nil {
			return err
		}
		if err := r.Rounds(ctx, b.plan.pushes); err != nil {
			return err
		}
		after, err := r.Server.CPU()
		cost = report.Micros(after-before) / float64(b.plan.pushes*b.Connections)
		return err
	})
	return cost, err
}
