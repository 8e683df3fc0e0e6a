package node

import (
	"context"
	"time"

	"stentor/bench/gen/client"
	"stentor/bench/gen/measure"
	"stentor/bench/suite"
	"stentor/bench/suite/baseline"
	"stentor/bench/suite/report"
)

// overloadTarget is how many times the deliveries per second of the bare loop the server must reach.
const overloadTarget = 3

// overload posts ten pushes at once, when all clients have had the ones before, and takes the deliveries per second
// from the start of the request until the last client has the last message. The bare loop writes the ten messages to
// every connection one by one, and its time is taken alike. Two ways to post: one batch, and ten requests at a time
// (whose messages come in any order, the same for all).
func (b *bench) overload(ctx context.Context) ([]report.Result, error) {
	var batchRatios, parallelRatios, batches, parallels, bares []float64
	for i := range b.plan.pairs {
		var bare, batch, parallel float64
		b.Progress.Step(nil, "overload %d/%d: bare write loop", i+1, b.plan.pairs)
		err := b.withBare(ctx, b.Connections, func(ctx context.Context, w *bareLoop) (err error) {
			bare, err = b.speeds(func() error { _, err := w.round(ctx, burst, baseline.Wrapped); return err })
			return err
		})
		if err != nil {
			return nil, err
		}
		err = b.withRig(ctx, nil, func(ctx context.Context, r *suite.Rig) (err error) {
			b.Progress.Step(suite.Live(r.Clients), "overload %d/%d: server, %d pushes at once (bare loop %s a second)", i+1, b.plan.pairs, burst, report.Number(bare))
			if err := r.Open(ctx, client.Reading, b.Connections); err != nil {
				return err
			}
			batch, err = b.speeds(func() error {
				now := time.Now()
				due := make([]time.Time, burst)
				for i := range due {
					due[i] = now
				}
				if err := r.Back.Post(ctx, due...); err != nil {
					return err
				}
				return r.Expect(ctx, burst)
			})
			if err != nil {
				return err
			}
			if err := r.Check(); err != nil {
				return err
			}
			parallel, err = b.speeds(func() error {
				if err := r.Back.Parallel(ctx, burst); err != nil {
					return err
				}
				return r.Expect(ctx, burst)
			})
			r.AnyOrder = true
			return err
		})
		if err != nil {
			return nil, err
		}
		bares, batches, parallels = append(bares, bare), append(batches, batch), append(parallels, parallel)
		batchRatios, parallelRatios = append(batchRatios, batch/bare), append(parallelRatios, parallel/bare)
	}
	return []report.Result{
		report.New("overload", "deliveries per second of ten pushes in a batch, against a bare loop", "times", batchRatios,
			report.With("server, a batch", "/s", batches...),
			report.With("bare loop", "/s", bares...),
		).Least(overloadTarget),
		report.New("overload", "the same, ten requests at a time", "times", parallelRatios,
			report.With("server, ten requests", "/s", parallels...),
		).Least(overloadTarget),
	}, nil
}

// speeds runs once to warm up, then as often as planned, and returns the median of deliveries per second.
func (b *bench) speeds(once func() error) (float64, error) {
	if err := once(); err != nil {
		return 0, err
	}
	var all []float64
	for range b.plan.bursts {
		start := time.Now()
		if err := once(); err != nil {
			return 0, err
		}
		all = append(all, float64(burst*b.Connections)/time.Since(start).Seconds())
	}
	return measure.Median(all), nil
}
