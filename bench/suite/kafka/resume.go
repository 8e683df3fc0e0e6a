package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stentor/bench/gen/client"
	"stentor/bench/gen/pace"
	"stentor/bench/machine/server"
	"stentor/bench/suite/report"
)

// resumeTarget is the most that the p99 of clients that stayed may grow, as a factor.
const resumeTarget = 2

// resume connects clients that will be away and clients that stay, all of them to one topic, pushes at a steady rate,
// and takes the 99th percentile of how late messages come to those who stay, from the time that each push was due. Then
// the others drop their connections, miss pushes, and reconnect all at once, each with the id of the last message that it has
// read, while pushes continue at the steady rate. From the moment that they begin to connect until each of them has
// everything, the same percentile is taken again for the same clients. Then all is repeated; the result is the median ratio.
//
// Nothing lost and nothing repeated is checked by number on every client, over all its breaks.
func (b *bench) resume(ctx context.Context, d *bed) (results []report.Result, err error) {
	err = b.serve(ctx, d, 0, func(ctx context.Context, s *server.Server) error {
		stay, err := b.crowd(s, b.staying(), nil)
		if err != nil {
			return err
		}
		defer stay.Close()
		away, err := b.crowd(s, b.Connections, func(o *client.Options) {
			o.Resume, o.Opening = true, b.Connections
			o.Sources = client.Crowd(b.Connections)
		})
		if err != nil {
			return err
		}
		defer away.Close()
		b.Progress.Step(away.live, "resume: opening %d connections", b.Connections+b.staying())
		// A broadcast first reaches the earliest subscribers, until returning clients mix with them. So those who stay subscribe
		// in the middle: otherwise they would be better off before the first return than ever after.
		half := b.Connections / 2
		if err := errors.Join(away.open(ctx, half), stay.open(ctx, b.staying()), away.open(ctx, b.Connections-half)); err != nil {
			return err
		}
		both := func(length time.Duration) error {
			_, err := d.toAll(ctx, resumeRate, length, stay, away)
			return err
		}
		if err := both(b.plan.warm); err != nil {
			return err
		}
		var ratios, before, during, alone, seconds []float64
		for i := range b.plan.resumes {
			b.Progress.Step(away.live, "resume %d/%d: all connected, %d pushes a second", i+1, b.plan.resumes, resumeRate)
			stay.ResetLatency()
			if err := both(b.plan.before); err != nil {
				return err
			}
			p99 := stay.Latency().P99
			before = append(before, report.Millis(p99))

			if err := away.Drop(client.Reading, b.Connections); err != nil {
				return err
			}
			if err := pace.Wait(ctx, b.plan.settle); err != nil {
				return err
			}
			stay.ResetLatency()
			length := pace.Rate(missedRate).At(b.plan.missed)
			b.Progress.Step(away.live, "resume %d/%d: away (p99 was %.1f ms)", i+1, b.plan.resumes, report.Millis(p99))
			missed, err := d.toAll(ctx, missedRate, length, stay)
			if err != nil {
				return err
			}
			alone = append(alone, report.Millis(stay.Latency().P99))
			away.total += int64(missed) * int64(b.Connections)

			b.Progress.Step(away.live, "resume %d/%d: %d come back over %d pushes", i+1, b.plan.resumes, b.Connections, missed)
			stay.ResetLatency()
			took, err := b.comeBack(ctx, d, stay, away)
			if err != nil {
				return err
			}
			late := stay.Latency()
			during, seconds = append(during, report.Millis(late.P99)), append(seconds, took.Seconds())
			ratios = append(ratios, float64(late.P99)/float64(p99))
		}
		got := away.Counts()
		if got.Resumed != int64(b.plan.resumes*b.Connections) || got.Gaps > 0 {
			return fmt.Errorf("%d clients were told resumed:true and %d resumed:false, of %d", got.Resumed, got.Gaps, b.plan.resumes*b.Connections)
		}
		if err := stay.check(); err != nil {
			return err
		}
		wrong := got.Order.Lost + got.Order.Repeated + got.Order.Reordered + got.Order.Corrupted + max(0, away.total-got.Delivered)
		for _, lost := range got.Failures {
			wrong += int64(lost)
		}
		results = []report.Result{
			report.New("resume", "messages lost, repeated, reordered, corrupted; connections lost", "", []float64{float64(wrong)},
				report.With("resumes", "", float64(got.Resumed)),
				report.With("pushes missed by each", "", float64(b.plan.missed)),
				report.With("messages to those who came back", "", float64(got.Delivered)),
			).Most(0),
			report.New("resume", "p99 of those who stay while the others come back, against before", "times", ratios,
				report.With("p99 then", "ms", during...),
				report.With("p99 before, all connected", "ms", before...),
				report.With(fmt.Sprintf("p99 meanwhile, %d pushes a second, the others away", missedRate), "ms", alone...),
				report.With("until the last has everything", "s", seconds...),
			).Most(resumeTarget),
		}
		return nil
	})
	return results, err
}

// toAll pushes for a while and waits until these clients have received everything.
func (d *bed) toAll(ctx context.Context, rate pace.Rate, length time.Duration, all ...*crowd) (int, error) {
	n, err := d.broadcast(ctx, rate, length)
	if err != nil {
		return n, err
	}
	for _, c := range all {
		if err := c.expect(ctx, int64(n)*int64(c.Counts().Reading)); err != nil {
			return n, err
		}
	}
	return n, nil
}

// comeBack reconnects the clients that are away while pushes continue, until each has everything that it missed and that came
// meanwhile, and returns how long that took.
func (b *bench) comeBack(ctx context.Context, d *bed, stay, away *crowd) (time.Duration, error) {
	began := time.Now()
	opening, cancel := context.WithCancel(ctx)
	opened, returned := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(returned)
		opened <- away.open(opening, b.Connections)
	}()
	defer func() {
		cancel()
		<-returned
	}()
	pushed := 0
	// Pushes continue until only the last second's pushes are missing: where a broadcast takes longer than the interval
	// between two, something is always missing. Then the clients get the rest.
	for open := false; ; {
		due := began.Add(pace.Rate(resumeRate).At(pushed))
		if err := pace.Wait(ctx, time.Until(due)); err != nil {
			return 0, err
		}
		select {
		case err := <-opened:
			if err != nil {
				return 0, err
			}
			open = true
		default:
		}
		if open && away.Delivered() >= away.total+int64(pushed-resumeRate)*int64(b.Connections) {
			break
		}
		if time.Since(began) > b.plan.patience {
			return 0, fmt.Errorf("after %v those who came back have %d messages of %d", b.plan.patience, away.Delivered(), away.total+int64(pushed)*int64(b.Connections))
		}
		d.seq++
		if err := d.back.produce(ctx, record{destination: server.Topic, seq: d.seq, due: due, size: payloadBytes}); err != nil {
			return 0, err
		}
		pushed++
	}
	err := away.expect(ctx, int64(pushed)*int64(b.Connections))
	took := time.Since(began)
	if err != nil {
		return took, err
	}
	return took, stay.expect(ctx, int64(pushed)*int64(b.staying()))
}
