package node

import (
	"context"

	"stentor/bench/gen/client"
	"stentor/bench/suite"
	"stentor/bench/suite/report"
)

// deliveryTarget is how many times the CPU time of a bare write a delivery may cost.
const deliveryTarget = 1.10

// delivery compares the server's CPU time (user + system of the process, from before the first push to after the last
// message has come) per delivered message with that of a bare write. Each push is posted when all clients have had the
// one before, so that every delivery is a write of its own. Pairs of a fresh bare loop and a fresh server alternate;
// the result is the median of their ratios. It is against unix.Write, because what the Go scheduler costs around a
// system call on a busy machine then is on both sides; the ratio to a raw system call stands below it.
func (b *bench) delivery(ctx context.Context) ([]report.Result, error) {
	var ratios, rawRatios, costs, users, wrapped, raw []float64
	for i := range b.plan.pairs {
		b.Progress.Step(nil, "delivery %d/%d: bare write loop over %d connections", i+1, b.plan.pairs, b.Connections)
		bare, err := b.bareCosts(ctx, b.plan.cpu)
		if err != nil {
			return nil, err
		}
		var cost suite.Cost
		err = b.withRig(ctx, nil, func(ctx context.Context, r *suite.Rig) (err error) {
			b.Progress.Step(suite.Live(r.Clients), "delivery %d/%d: server with %d connections (bare write %.2f us)", i+1, b.plan.pairs, b.Connections, bare.wrapped)
			if err := r.Open(ctx, client.Reading, b.Connections); err != nil {
				return err
			}
			if err := r.Rounds(ctx, warmUp); err != nil {
				return err
			}
			cost, err = r.DeliveryCost(ctx, b.plan.cpu)
			return err
		})
		if err != nil {
			return nil, err
		}
		costs, users, wrapped, raw = append(costs, cost.CPU), append(users, cost.User), append(wrapped, bare.wrapped), append(raw, bare.raw)
		ratios, rawRatios = append(ratios, cost.CPU/bare.wrapped), append(rawRatios, cost.CPU/bare.raw)
	}
	return []report.Result{
		report.New("delivery", "server CPU per message, against a bare write", "times", ratios,
			report.With("server CPU per message", "us", costs...),
			report.With("of it in user mode", "us", users...),
			report.With("CPU per bare write", "us", wrapped...),
			report.With("CPU per bare write, raw system call", "us", raw...),
			report.With("against the raw system call", "times", rawRatios...),
		).Most(deliveryTarget),
	}, nil
}
