package node

import (
	"context"
	"time"

	"stentor/bench/gen/client"
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
		var cost, user float64
		err = b.withRig(ctx, nil, func(ctx context.Context, r *rig) (err error) {
			b.Progress.Step(live(r.clients), "delivery %d/%d: server with %d connections (bare write %.2f us)", i+1, b.plan.pairs, b.Connections, bare.wrapped)
			cost, user, err = r.deliveryCost(ctx, b.Connections, b.plan.cpu)
			return err
		})
		if err != nil {
			return nil, err
		}
		costs, users, wrapped, raw = append(costs, cost), append(users, user), append(wrapped, bare.wrapped), append(raw, bare.raw)
		ratios, rawRatios = append(ratios, cost/bare.wrapped), append(rawRatios, cost/bare.raw)
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

// deliveryCost opens connections and pushes one by one until the server has used so much CPU time. It returns what one
// delivery costs, and how much of that in user mode, in us.
func (r *rig) deliveryCost(ctx context.Context, connections int, cpu time.Duration) (cost, user float64, err error) {
	if err := r.open(ctx, client.Reading, connections); err != nil {
		return 0, 0, err
	}
	if err := r.rounds(ctx, warmUp); err != nil {
		return 0, 0, err
	}
	before, err := r.server.CPU()
	if err != nil {
		return 0, 0, err
	}
	userBefore, err := r.server.UserCPU()
	if err != nil {
		return 0, 0, err
	}
	used, pushes := time.Duration(0), 0
	for used < cpu {
		if err := r.rounds(ctx, 1); err != nil {
			return 0, 0, err
		}
		pushes++
		now, err := r.server.CPU()
		if err != nil {
			return 0, 0, err
		}
		used = now - before
	}
	userNow, err := r.server.UserCPU()
	messages := float64(pushes * connections)
	return report.Micros(used) / messages, report.Micros(userNow-userBefore) / messages, err
}
