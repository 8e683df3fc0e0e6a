package wss

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"stentor/bench/gen/pace"
	"stentor/bench/suite/baseline"
	"stentor/bench/suite/report"
	"stentor/engine/testkit/proc"
)

// strangersTarget is how many times their p99 beside a foreign process clients without TLS may see beside handshakes.
const strangersTarget = 1.2

// strangers takes how late messages come to clients without TLS: alone, while strangers make handshakes and others let theirs
// stand half made, and beside a process that burns as much CPU as those and the node's part of their handshakes.
func (b *bench) strangers(ctx context.Context) ([]report.Result, error) {
	var all, alone, with, beside, cores, made, stood []float64
	clients := b.Connections / warmPart
	for i := range b.plan.samples {
		err := b.withRig(ctx, way{file: b.ecdsa.file}, func(ctx context.Context, r *rig) error {
			if err := r.open(ctx, clients); err != nil {
				return err
			}
			step := func(text string) { b.Progress.Step(nil, "strangers %d/%d: %s", i+1, b.plan.samples, text) }
			step("none")
			calm, err := r.late(ctx, b.plan.p99, r.Server.CPU)
			if err != nil {
				return err
			}
			step(fmt.Sprintf("%d handshakes a second, %d that stand", b.plan.rate, b.plan.stalled))
			visit := visit{Address: r.secure.String(), Certificate: b.ecdsa.file, Rate: b.plan.rate, Stalled: b.plan.stalled, Within: b.plan.begin}
			var standing int64
			busy, err := b.beside(ctx, r, Strangers, visit, func() (err error) {
				standing, err = r.Server.Metric(ctx, underWayMetric)
				return err
			})
			if err != nil {
				return err
			}
			count, err := r.Server.Metric(ctx, handshakesMetric) // the node is fresh
			if err != nil {
				return err
			}
			made, stood = append(made, float64(count)/(b.plan.calm+b.plan.p99).Seconds()), append(stood, float64(standing))
			burn := (busy.cpu - calm.cpu).Seconds() / b.plan.p99.Seconds()
			step(fmt.Sprintf("a process that burns %.2f cores", burn))
			control, err := b.beside(ctx, r, Burner, max(0, burn), nil)
			if err != nil {
				return err
			}
			all = append(all, float64(busy.p99)/float64(control.p99))
			alone, with, beside = append(alone, report.Millis(calm.p99)), append(with, report.Millis(busy.p99)), append(beside, report.Millis(control.p99))
			cores = append(cores, burn)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return []report.Result{
		report.New("strangers", fmt.Sprintf("p99 without TLS beside %d handshakes a second and %d stalled, against a process that burns as much", b.plan.rate, b.plan.stalled), "times", all,
			report.With("p99 beside handshakes", "ms", with...), report.With("p99 beside the process", "ms", beside...), report.With("p99 alone", "ms", alone...),
			report.With("burnt", "cores", cores...), report.With("handshakes", "/s", made...), report.With("stalled at the end", "", stood...),
		).Most(strangersTarget),
	}, nil
}

// lateness is the p99 of messages, and what processes have used while they came.
type lateness struct {
	p99 time.Duration
	cpu time.Duration
}

// late pushes at pushRate for d.
func (r *rig) late(ctx context.Context, d time.Duration, cpu ...func() (time.Duration, error)) (l lateness, err error) {
	sum := func() (all time.Duration, err error) {
		for _, f := range cpu {
			one, err := f()
			if err != nil {
				return 0, err
			}
			all += one
		}
		return all, nil
	}
	before, err := sum()
	if err != nil {
		return l, err
	}
	if l.p99, err = r.P99(ctx, pushRate, d); err != nil {
		return l, err
	}
	after, err := sum()
	l.cpu = after - before
	return l, err
}

// What the node says of handshakes.
const (
	handshakesMetric = "stentor_tls_handshakes_total"
	underWayMetric   = "stentor_tls_handshakes_under_way"
)

// beside is late while a process plays a role; then, unless it is nil, it looks.
func (b *bench) beside(ctx context.Context, r *rig, role Role, argument any, look func() error) (l lateness, err error) {
	text, err := json.Marshal(argument)
	if err != nil {
		return l, err
	}
	p, err := baseline.Start(b.Peer(role, string(text)))
	if err != nil {
		return l, err
	}
	defer p.Close()
	if err := pace.Wait(ctx, b.plan.calm); err != nil {
		return l, err
	}
	l, err = r.late(ctx, b.plan.p99, r.Server.CPU, func() (time.Duration, error) { return proc.CPU(p.PID()) })
	if err == nil && look != nil {
		err = look()
	}
	return l, err
}
