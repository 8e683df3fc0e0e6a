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
	c, err := b.costs(ctx, "delivery", []kind{
		{"without TLS", b.deliveryCost, way{}}, {"warm", b.deliveryCost, secure},
		{"cold", b.deliveryCost, cold}, {"records of crypto/tls", b.deliveryCost, golang},
	})
	if err != nil {
		return nil, err
	}
	plain, warm, none, gone := c[0], c[1], c[2], c[3]
	return []report.Result{
		report.New("delivery", "node's CPU per message over TLS, against without, warm", "times", ratios(warm, plain),
			report.With("over TLS", "us", warm...), report.With("without", "us", plain...),
			report.With("with tls.records: go", "us", gone...), report.With("the same, against without TLS", "times", ratios(gone, plain)...),
		).Most(warmTarget),
		report.New("delivery", "the same, no cipher kept", "times", ratios(none, plain), report.With("over TLS", "us", none...)).Most(coldTarget),
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
