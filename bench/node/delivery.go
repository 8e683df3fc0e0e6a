package node

import (
	"context"
	"time"

	"stentor/bench/client"
)

// deliveryTarget is how many times the CPU time of a bare write a delivery may cost.
const deliveryTarget = 1.10

// delivery compares the server's CPU time (user + system of the process, from before the first push to after the last
// message has come) per delivered message with that of a bare write. Each push is posted when all clients have had the
// one before, so that every delivery is a write of its own. Pairs of a fresh bare loop and a fresh server alternate;
// the result is the median of their ratios.
func (b *bench) delivery(ctx context.Context) ([]Result, error) {
	var ratios, costs, bares []float64
	for i := range b.plan.pairs {
		b.progress.step(nil, "delivery %d/%d: bare write loop over %d connections", i+1, b.plan.pairs, b.Connections)
		bare, err := b.bareCost(ctx, b.plan.cpu)
		if err != nil {
			return nil, err
		}
		cost := 0.0
		err = b.withRig(ctx, nil, func(ctx context.Context, r *rig) (err error) {
			b.progress.step(live(r.clients), "delivery %d/%d: server with %d connections (bare write %.2f us)", i+1, b.plan.pairs, b.Connections, bare)
			cost, err = r.deliveryCost(ctx, b.Connections, b.plan.cpu)
			return err
		})
		if err != nil {
			return nil, err
		}
		costs, bares, ratios = append(costs, cost), append(bares, bare), append(ratios, cost/bare)
	}
	return []Result{
		result("delivery", "server CPU per message, against a bare write", "times", ratios,
			detail("server CPU per message", "us", costs...),
			detail("CPU per bare write", "us", bares...),
		).atMost(deliveryTarget),
	}, nil
}

// deliveryCost opens connections and pushes one by one until the server has used so much CPU time. It returns what one
// delivery costs, in us.
func (r *rig) deliveryCost(ctx context.Context, connections int, cpu time.Duration) (float64, error) {
	if err := r.open(ctx, client.Reading, connections); err != nil {
		return 0, err
	}
	if err := r.rounds(ctx, warmUp); err != nil {
		return 0, err
	}
	before, err := r.server.cpu()
	if err != nil {
		return 0, err
	}
	for pushes := 1; ; pushes++ {
		if err := r.rounds(ctx, 1); err != nil {
			return 0, err
		}
		now, err := r.server.cpu()
		if err != nil {
			return 0, err
		}
		if used := now - before; used >= cpu {
			return micros(used) / float64(pushes*connections), nil
		}
	}
}
