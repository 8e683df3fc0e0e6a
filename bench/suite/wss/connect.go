package wss

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"stentor/bench/gen/client"
	"stentor/bench/gen/pace"
	"stentor/bench/machine/server"
	"stentor/bench/suite"
	"stentor/bench/suite/baseline"
	"stentor/bench/suite/report"
	"stentor/engine/testkit/certificate"
	"stentor/engine/testkit/proc"
)

const (
	// connectTarget is how many times the CPU time of crypto/tls's handshake on a blocking socket the node may take for its
	// handshake, CONNECT and two SUBSCRIBE together.
	connectTarget = 1.3
	// How many times what a full handshake takes a resumed one may take, the rest included, by the certificate.
	resumedECDSATarget = 0.9
	resumedRSATarget   = 0.3
)

// kind is one of the costs that are compared: of a node, or of crypto/tls on blocking sockets.
type kind struct {
	what string
	take func(context.Context, way) (float64, error)
	way  way
}

// costs takes samples of all kinds, in turn. The result has those of each.
func (b *bench) costs(ctx context.Context, name string, all []kind) ([][]float64, error) {
	costs := make([][]float64, len(all))
	for i := range b.plan.samples {
		for j, k := range all {
			b.Progress.Step(nil, "%s %d/%d: %s", name, i+1, b.plan.samples, k.what)
			cost, err := k.take(ctx, k.way)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", k.what, err)
			}
			costs[j] = append(costs[j], cost)
		}
	}
	return costs, nil
}

// connect takes the CPU time that a node uses for each of many connections: accept, the handshake, CONNECT without a token, and
// two SUBSCRIBE. A process that makes nothing but the handshake, by crypto/tls on a blocking socket with a goroutine for each
// connection, is compared with it.
func (b *bench) connect(ctx context.Context) ([]report.Result, error) {
	w := overTLS(b.ecdsa)
	c, err := b.costs(ctx, "connect", []kind{
		{"without TLS", b.connectCost, way{}}, {"full handshakes", b.connectCost, w}, {"crypto/tls", b.blockingCost, w},
		{"with ML-KEM", b.connectCost, w.hybrid()}, {"crypto/tls with ML-KEM", b.blockingCost, w.hybrid()},
	})
	if err != nil {
		return nil, err
	}
	plain, full, blocking, hybrid, hybridBlocking := c[0], c[1], c[2], c[3], c[4]
	return []report.Result{
		report.New("connect", "node's CPU for handshake, CONNECT and two SUBSCRIBE, against the handshake of crypto/tls", "times", ratios(full, blocking),
			report.With("node", "us", full...), report.With("crypto/tls on a blocking socket", "us", blocking...), report.With("node without TLS", "us", plain...),
			report.With("with X25519MLKEM768, as browsers: node", "us", hybrid...), report.With("crypto/tls", "us", hybridBlocking...),
			report.With("ratio", "times", ratios(hybrid, hybridBlocking)...),
		).Most(connectTarget),
	}, nil
}

// resumed compares connections whose TLS resumes with those that make a full handshake.
func (b *bench) resumed(ctx context.Context) ([]report.Result, error) {
	e, r := overTLS(b.ecdsa), overTLS(b.rsa)
	c, err := b.costs(ctx, "resumed", []kind{
		{"full", b.connectCost, e}, {"resumed", b.connectCost, e.resuming()},
		{"crypto/tls, full", b.blockingCost, e}, {"crypto/tls, resumed", b.blockingCost, e.resuming()},
		{"RSA-2048, full", b.connectCost, r}, {"RSA-2048, resumed", b.connectCost, r.resuming()}, {"crypto/tls, RSA-2048", b.blockingCost, r},
	})
	if err != nil {
		return nil, err
	}
	return []report.Result{
		report.New("resumed", "node's CPU for all that, TLS resumed, against a full handshake", "times", ratios(c[1], c[0]),
			report.With("resumed", "us", c[1]...), report.With("full", "us", c[0]...),
			report.With("resumed, against crypto/tls on a blocking socket", "times", ratios(c[1], c[3])...),
			report.With("crypto/tls, resumed against full", "times", ratios(c[3], c[2])...),
		).Most(resumedECDSATarget),
		report.New("resumed", "the same, RSA-2048", "times", ratios(c[5], c[4]),
			report.With("resumed", "us", c[5]...), report.With("full", "us", c[4]...),
			report.With("full, against crypto/tls on a blocking socket", "times", ratios(c[4], c[6])...),
		).Most(resumedRSATarget),
	}, nil
}

func ratios(a, b []float64) (all []float64) {
	for i := range a {
		all = append(all, a[i]/b[i])
	}
	return all
}

// connectCost is the node's CPU time of one connection, in us.
func (b *bench) connectCost(ctx context.Context, w way) (cost float64, err error) {
	err = b.withRig(ctx, w, func(ctx context.Context, r *rig) error {
		few := b.Connections / warmPart
		cost, err = b.costOf(ctx, b.Connections-few, r.Server.CPU, func(n int) error { return r.open(ctx, n) }, few)
		return err
	})
	return cost, err
}

// costOf opens few connections, then n, and returns what each of the n has cost, in us.
func (b *bench) costOf(ctx context.Context, n int, cpu func() (time.Duration, error), open func(n int) error, few int) (float64, error) {
	if err := open(few); err != nil {
		return 0, err
	}
	before, err := b.steady(ctx, cpu)
	if err != nil {
		return 0, err
	}
	if err := open(n); err != nil {
		return 0, err
	}
	after, err := b.steady(ctx, cpu)
	return report.Micros(after-before) / float64(n), err
}

// steady waits until a process computes next to nothing, and returns what it has used.
func (b *bench) steady(ctx context.Context, cpu func() (time.Duration, error)) (time.Duration, error) {
	const nothing = 10 * time.Millisecond
	last, err := cpu()
	for begun := time.Now(); err == nil && time.Since(begun) < steadyTimeout; {
		if err := pace.Wait(ctx, b.plan.look); err != nil {
			return 0, err
		}
		now, err := cpu()
		if err != nil || now-last <= nothing {
			return now, err
		}
		last = now
	}
	return last, err
}

// blockingCost is connectCost for handshakes of crypto/tls on blocking sockets.
func (b *bench) blockingCost(ctx context.Context, w way) (float64, error) {
	p, err := baseline.Start(b.Peer(Blocking, w.file))
	if err != nil {
		return 0, err
	}
	defer p.Close()
	c, err := client.New(client.Options{
		Addresses: []netip.AddrPort{p.Address}, Path: server.Path, Raw: true, TLS: w.trust, Host: certificate.Name,
		Sources: client.Loopback(b.Connections),
	})
	if err != nil {
		return 0, err
	}
	defer c.Close()
	few := b.Connections / warmPart
	return b.costOf(ctx, b.Connections-few, func() (time.Duration, error) { return proc.CPU(p.PID()) },
		func(n int) error { return (&suite.Rig{Clients: c}).Open(ctx, client.Reading, n) }, few)
}
