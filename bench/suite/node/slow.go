package node

import (
	"context"
	"fmt"
	"net/netip"

	"stentor/bench/gen/client"
	"stentor/bench/suite"
	"stentor/bench/suite/report"
	"stentor/engine/testkit/proc"
)

const (
	// slowTarget is how many times their p99 the others may see when there are silent clients.
	slowTarget = 1.2
	// silentTarget is what the server may hold for a silent client, in KiB.
	silentTarget = 20
)

// slow pushes at a steady rate to clients that read, and takes the 99th percentile of how late the messages come,
// from the time that each push was due. Then clients are added that never read; when their buffers are full, the same
// is taken again, of the same clients that read. Then the silent ones go, and all is repeated. The result is the
// median ratio.
//
// The cost of a silent client is the growth of the server's RSS by the silent ones, plus the kernel's buffers at the
// server's end of their connections as reported by sock_diag. It does not include some 3 KB that the kernel holds for any
// connection.
func (b *bench) slow(ctx context.Context) ([]report.Result, error) {
	silent := b.silent()
	var ratios, with, without, kib, user, kernel, queued []float64
	err := b.withRig(ctx, nil, func(ctx context.Context, r *suite.Rig) error {
		b.Progress.Step(suite.Live(r.Clients), "slow clients: opening %d that read", b.Connections-silent)
		if err := r.Open(ctx, client.Reading, b.Connections-silent); err != nil {
			return err
		}
		if _, err := r.P99(ctx, slowRate, b.plan.slow/2); err != nil {
			return err
		}
		for i := range b.plan.slowPairs {
			b.Progress.Step(suite.Live(r.Clients), "slow clients %d/%d: all read, %d pushes a second", i+1, b.plan.slowPairs, slowRate)
			p99, err := r.P99(ctx, slowRate, b.plan.slow)
			if err != nil {
				return err
			}
			before, err := r.Server.RSS()
			if err != nil {
				return err
			}
			b.Progress.Step(suite.Live(r.Clients), "slow clients %d/%d: with %d that never read (p99 without %.1f ms)", i+1, b.plan.slowPairs, silent, report.Millis(p99))
			if err := r.Open(ctx, client.Silent, silent); err != nil {
				return err
			}
			if _, err := r.P99(ctx, slowRate, b.plan.fill); err != nil {
				return err
			}
			p99With, err := r.P99(ctx, slowRate, b.plan.slow)
			if err != nil {
				return err
			}
			after, err := r.Server.RSS()
			if err != nil {
				return err
			}
			buffers, unsent, err := silentBuffers(r, silent)
			if err != nil {
				return err
			}
			each := float64(after-before) / float64(silent)
			with, without = append(with, report.Millis(p99With)), append(without, report.Millis(p99))
			ratios = append(ratios, float64(p99With)/float64(p99))
			user, kernel, queued = append(user, each/1024), append(kernel, buffers/1024), append(queued, unsent/1024)
			kib = append(kib, (each+buffers)/1024)
			if err := r.Clients.Drop(client.Silent, silent); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return []report.Result{
		report.New("slow", "p99 of the others with silent clients, against without", "times", ratios,
			report.With("p99 with silent clients", "ms", with...),
			report.With("p99 without", "ms", without...),
		).Most(slowTarget),
		report.New("slow", "server's memory for a silent client", "KiB", kib,
			report.With("its RSS", "KiB", user...),
			report.With("kernel buffers of its socket", "KiB", kernel...),
			report.With("data that these hold", "KiB", queued...),
		).Most(silentTarget),
	}, nil
}

// silentBuffers returns the kernel's buffers of the server's end of a silent connection, and the data that is unsent in
// them, in bytes on average.
func silentBuffers(r *suite.Rig, want int) (buffers, unsent float64, err error) {
	addresses, err := r.Clients.Addresses(client.Silent)
	if err != nil {
		return 0, 0, err
	}
	silent := make(map[netip.AddrPort]bool, len(addresses))
	for _, a := range addresses {
		silent[a] = true
	}
	sockets, err := proc.Sockets(r.Server.Client.Port())
	if err != nil {
		return 0, 0, err
	}
	found := 0
	for _, s := range sockets {
		if silent[s.Remote] {
			found++
			buffers += float64(s.Buffers)
			unsent += float64(s.Unsent)
		}
	}
	if found < want {
		return 0, 0, fmt.Errorf("the server has closed %d of %d silent clients while they were measured", want-found, want)
	}
	return buffers / float64(found), unsent / float64(found), nil
}
