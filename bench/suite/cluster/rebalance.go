package cluster

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"stentor/bench/gen/measure"
	"stentor/bench/gen/pace"
	"stentor/bench/machine/server"
	"stentor/bench/suite/report"
)

const (
	rebalanceTarget = 10.0 // percent that a node may be from its share
	rebalanceRate   = 1000 // clients a second
)

// rebalance adds a fourth node to three that are equally full, and runs `stentor rebalance`, which has to end by itself.
func (b *bench) rebalance(ctx context.Context) ([]report.Result, error) {
	l := &levelled{}
	with := setup{config: server.Config{AdminKey: rand.Text()}}
	err := b.withNodes(ctx, "rebalance", with, func(ctx context.Context, n *nodes) error {
		return b.gather(ctx, n, "rebalance", b.plan.warm+b.plan.before, func(g *gathering) error { return b.levelOut(ctx, n, g, l) })
	})
	if err != nil {
		return nil, err
	}
	return l.results(), nil
}

// levelled is the result of rebalance.
type levelled struct {
	faults
	off, took    float64
	moved, again int
	needed       float64
	gap, late    measure.Summary
	parts        []report.Detail
}

func (b *bench) levelOut(ctx context.Context, n *nodes, g *gathering, l *levelled) error {
	t, h, all, live := g.t, g.h, g.all, g.live
	b.Progress.Step(live, "rebalance: a fourth node starts")
	whole, gaps := measure.NewLatency(), measure.NewLatency()
	all.Take(measure.NewLatency(), measure.NewLatency())
	t.start(ctx)
	if _, err := n.start(nodeCount, n.config); err != nil {
		return errors.Join(err, t.stop())
	}
	if err := n.named(ctx, nodeCount+1); err != nil {
		return errors.Join(err, t.stop())
	}
	b.Progress.Step(live, "rebalance: stentor rebalance runs")
	began := time.Now()
	if err := b.level(ctx, n, b.plan.warm+b.plan.before); err != nil {
		return errors.Join(err, t.stop())
	}
	l.took = time.Since(began).Seconds()
	if err := h.whole(ctx, b.Connections, 1, b.plan.patience); err != nil {
		return errors.Join(err, t.stop())
	}
	if err := errors.Join(pace.Wait(ctx, b.plan.after), t.stop(), b.complete(ctx, t, all)); err != nil {
		return err
	}
	counts, err := n.connections(ctx, n.list())
	if err != nil {
		return err
	}
	all.Take(whole, gaps)
	l.faults.add(t, all)
	l.off, l.gap, l.late = furthest(counts), gaps.Summary(), whole.Summary()
	l.moved, l.again = h.moves()
	l.parts = h.parts()
	l.needed = float64(b.Connections) / (nodeCount + 1)
	return nil
}

// runRebalance runs the product's command, which moves no session that is younger.
func (b *bench) runRebalance(ctx context.Context, n *nodes, younger time.Duration) error {
	cmd := exec.CommandContext(ctx, b.Stentor, "rebalance", "--api", n.list()[0].API(), "--key", n.config.AdminKey,
		"--rate", fmt.Sprintf("%d/s", rebalanceRate), "--min-age", younger.String())
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("stentor rebalance: %w\n%s", err, out.Bytes())
	}
	return nil
}

func (l *levelled) results() []report.Result {
	const name = "rebalance"
	return append([]report.Result{
		report.New(name, "the node that is furthest from its share, in the end", "%", []float64{l.off}, report.With("it took", "s", l.took)).Most(rebalanceTarget),
		report.New(name, "clients that were moved twice", "", []float64{float64(l.again)}, append([]report.Detail{
			report.With("clients that were moved", "", float64(l.moved)), report.With("share of the new node", "", l.needed),
			report.With("one is away, p50", "s", l.gap.P50.Seconds()), report.With("p99", "s", l.gap.P99.Seconds()), report.With("the longest", "s", l.gap.Most.Seconds()),
			report.With("latest message of all, of all clients", "ms", report.Millis(l.late.Most)),
		}, l.parts...)...).Most(0),
	}, append(l.faults.results(name), l.resumption(name))...)
}
