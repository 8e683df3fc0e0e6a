package browsers

import (
	"context"
	"time"

	"stentor/bench/machine/server"
	"stentor/bench/suite"
	"stentor/bench/suite/report"
)

// xhrClients is how many clients come over xhr_streaming, or a quarter of the connections when these are few.
const xhrClients = 1000

// xhr has clients over xhr_streaming, which net/http serves with a goroutine for each, and pushes to them until each response has
// ended several times. Nothing may be lost where one ends and the next one begins. What a client costs is stated: it is what a
// network without WebSockets costs.
func (b *bench) xhr(ctx context.Context) ([]report.Result, error) {
	n := min(xhrClients, b.Connections/quarter)
	var lost, cost, bytes, streams, idle []float64
	for i := range b.plan.phases {
		err := b.WithRig(ctx, b.Stentor, server.Config{Endpoint: sockjsEndpoint}, b.clients(), server.Publisher{Size: payloadBytes}, func(ctx context.Context, r *suite.Rig) error {
			b.Progress.Step(nil, "xhr %d/%d: %d clients over xhr_streaming", i+1, b.plan.phases, n)
			empty, err := r.Resting(ctx, b.plan.settle)
			if err != nil {
				return err
			}
			all, err := stream(ctx, r.Server.Client, n)
			if err != nil {
				return err
			}
			defer all.close()
			full, err := r.Resting(ctx, b.plan.settle)
			if err != nil {
				return err
			}
			before, err := r.Server.CPU()
			if err != nil {
				return err
			}
			pushes := b.plan.xhrPushes
			for range pushes {
				if err := r.Back.Push(ctx); err != nil {
					return err
				}
				ctx, cancel := context.WithTimeout(ctx, time.Minute)
				err := all.wait(ctx, int64(n)*int64(r.Back.Seq))
				cancel()
				if err != nil {
					return err
				}
			}
			after, err := r.Server.CPU()
			if err != nil {
				return err
			}
			worked, err := r.Resting(ctx, b.plan.settle)
			if err != nil {
				return err
			}
			all.close()
			wrong, responses := all.order()
			lost = append(lost, float64(wrong.Bad()))
			cost = append(cost, report.Micros(after-before)/float64(n*pushes))
			idle, bytes = append(idle, float64(full-empty)/float64(n)/1024), append(bytes, float64(worked-empty)/float64(n)/1024)
			streams = append(streams, float64(responses)/float64(n))
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return []report.Result{
		report.New("xhr", "messages over xhr_streaming that were lost, repeated or out of order", "", lost,
			report.With("clients", "", float64(n)),
			report.With("responses for each", "", streams...),
			report.With("server's RSS per client, connected", "KiB", idle...),
			report.With("server's RSS per client, after work", "KiB", bytes...),
			report.With("server CPU per message", "us", cost...),
		).Most(0),
	}, nil
}
