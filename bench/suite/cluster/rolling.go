package cluster

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"stentor/bench/gen/measure"
	"stentor/bench/gen/pace"
	"stentor/bench/machine/server"
	"stentor/bench/suite/report"
)

const (
	gapTarget  = 1.0 // seconds that a client is away, the 99th percentile
	paceTarget = 2.0 // times the pace of the drain that clients may come to one node

	// busyDestinations are those that get pushes while nodes restart: a tenth of the subscriptions.
	busyDestinations = destinations / 10
	// drainChunk clients are closed in a tenth of a second.
	drainChunk = 100
	// leavePatience is more than drain.timeout.
	leavePatience = 40 * time.Second
)

// rolling restarts all nodes in turn while nine tenths of the subscriptions are silent for longer than a node's history. Each
// node is told to leave (SIGTERM), closes its clients at its pace, ends, and starts again; its clients wait as long as the close
// says, and ask where to connect. In the end each destination gets one more push: a client that was told that it missed nothing,
// but lacks a push, has lost it.
func (b *bench) rolling(ctx context.Context) ([]report.Result, error) {
	r := &restarts{}
	with := setup{config: server.Config{DrainChunk: drainChunk, Window: b.plan.window, StateDir: filepath.Join(b.Dir, "state")}}
	err := b.withNodes(ctx, "rolling", with, func(ctx context.Context, n *nodes) error {
		return b.gather(ctx, n, "rolling", b.plan.warm, func(g *gathering) error { return b.roll(ctx, n, g, r) })
	})
	if err != nil {
		return nil, err
	}
	return r.results(), nil
}

// restarts is what rolling has found.
type restarts struct {
	faults
	gap, late measure.Summary
	busiest   float64
	took      []float64 // seconds, of each restart until the node is ready
	parts     []report.Detail
}

func (b *bench) roll(ctx context.Context, n *nodes, g *gathering, r *restarts) error {
	t, h, all, live := g.t, g.h, g.all, g.live
	b.Progress.Step(live, "rolling: nine of ten subscriptions are silent for longer than %v", b.plan.window)
	t.active = busyDestinations
	t.start(ctx)
	whole, gaps := measure.NewLatency(), measure.NewLatency()
	all.Take(measure.NewLatency(), measure.NewLatency())
	if err := b.restart(ctx, n, h, live, r); err != nil {
		return errors.Join(err, t.stop())
	}
	if err := errors.Join(t.stop(), t.once(ctx), b.complete(ctx, t, all)); err != nil {
		return err
	}
	all.Take(whole, gaps)
	r.faults.add(t, all)
	r.gap, r.late, r.busiest, r.parts = gaps.Summary(), whole.Summary(), float64(h.busiest()), h.parts()
	return nil
}

// restart restarts each node.
func (b *bench) restart(ctx context.Context, n *nodes, h *homing, live func() string, r *restarts) error {
	for i, s := range n.list() {
		if err := pace.Wait(ctx, b.plan.window*3/2); err != nil {
			return err
		}
		b.Progress.Step(live, "rolling: node %d/%d restarts", i+1, nodeCount)
		began := time.Now()
		var left error
		n.end(s, func() { left = s.Leave(leavePatience) })
		if left != nil {
			return fmt.Errorf("node %d left: %w\n%s", i, left, s.Tail())
		}
		if _, err := n.start(i, n.config); err != nil {
			return err
		}
		r.took = append(r.took, time.Since(began).Seconds())
		if err := errors.Join(h.whole(ctx, b.Connections, 1, b.plan.patience), n.named(ctx, nodeCount)); err != nil {
			return err
		}
	}
	return pace.Wait(ctx, b.plan.window*3/2)
}

func (r *restarts) results() []report.Result {
	const name, paced = "rolling", drainChunk * 10
	all := []report.Result{
		report.New(name, "a client is away, p99", "s", []float64{r.gap.P99.Seconds()}, append([]report.Detail{
			report.With("p50", "s", r.gap.P50.Seconds()), report.With("the longest", "s", r.gap.Most.Seconds()),
			report.With("times that one was", "", float64(r.gap.Count)),
			report.With("until a node is ready again", "s", r.took...),
			report.With("latest message of all, of all clients", "ms", report.Millis(r.late.Most)),
		}, r.parts...)...).Most(gapTarget),
	}
	all = append(all, r.faults.results(name)...)
	return append(all, r.resumption(name),
		report.New(name, "most clients that came to one node in a second, against the pace of a drain", "times", []float64{r.busiest / paced},
			report.With("clients", "", r.busiest), report.With("pace", "a second", paced)).Most(paceTarget),
	)
}
