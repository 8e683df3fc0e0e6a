package browsers

import (
	"context"
	"fmt"
	"time"

	"stentor/bench/gen/client"
	"stentor/bench/gen/measure"
	"stentor/bench/machine/server"
	"stentor/bench/suite"
	"stentor/bench/suite/report"
)

const (
	// keysTarget is how many times the CPU of a CONNECT whose key is in a file one may cost whose key is a provider's.
	keysTarget = 1.05
	// connectsTarget is how many CONNECTs a second there must be, or as many as with files where the machine cannot.
	connectsTarget = 10_000
	// sameRate is the part of the rate with files that is as much: what one sample differs from the next by.
	sameRate = 0.95
)

// keys opens connections whose tokens a project's key verifies, ES256 and each of a user of its own, and takes what each costs
// the server: accept, handshake, CONNECT, the signature, and one SUBSCRIBE. Nodes that have the key from a file and from a
// provider's key set take turns.
func (b *bench) keys(ctx context.Context) ([]report.Result, error) {
	p, err := newProvider()
	if err != nil {
		return nil, err
	}
	defer p.close()
	b.Progress.Step(nil, "keys: %d tokens", b.Connections)
	tokens, err := p.tokens(b.Connections, kid)
	if err != nil {
		return nil, err
	}
	file, err := p.file(b.Dir)
	if err != nil {
		return nil, err
	}
	var ratios, rateRatios []float64
	var costs, rates [2][]float64
	for i := range b.plan.pairs {
		var cost, rate [2]float64
		for j, keys := range []string{file, p.keys()} {
			b.Progress.Step(nil, "keys %d/%d: %d CONNECTs with the key of a %s", i+1, b.plan.pairs, b.Connections, []string{"file", "provider"}[j])
			o := b.clients()
			o.Headers = headers(server.Project, tokens)
			err := b.WithRig(ctx, b.Stentor, server.Config{Keys: keys}, o, server.Publisher{Size: payloadBytes}, func(ctx context.Context, r *suite.Rig) (err error) {
				cost[j], rate[j], err = connects(ctx, r, b.Connections)
				return err
			})
			if err != nil {
				return nil, err
			}
			costs[j], rates[j] = append(costs[j], cost[j]), append(rates[j], rate[j])
		}
		ratios = append(ratios, cost[1]/cost[0])
		rateRatios = append(rateRatios, rate[1]/min(connectsTarget, rate[0]))
	}
	if limit := measure.Median(rates[0]); limit < connectsTarget {
		b.Report.Notes = append(b.Report.Notes, fmt.Sprintf("keys: this machine, with the clients on it, makes %s CONNECTs a second with a key from a file: it cannot show 10,000.", report.Group(int64(limit))))
	}
	return []report.Result{
		report.New("keys", "server CPU per CONNECT with a provider's key, against one from a file", "times", ratios,
			report.With("with a provider's key", "us", costs[1]...),
			report.With("with one from a file", "us", costs[0]...),
		).Most(keysTarget),
		report.New("keys", "CONNECTs a second, against 10,000 or those with a key from a file", "times", rateRatios,
			report.With("with a provider's key", "/s", rates[1]...),
			report.With("with one from a file", "/s", rates[0]...),
			report.With("that one processor of the server has time for", "/s", 1e6/measure.Median(costs[1])),
		).Least(sameRate),
	}, nil
}

// connects opens n connections and returns what each cost the server, in us, and how many opened a second.
func connects(ctx context.Context, r *suite.Rig, n int) (cost, rate float64, err error) {
	before, err := r.Server.CPU()
	if err != nil {
		return 0, 0, err
	}
	start := time.Now()
	if err := r.Open(ctx, client.Reading, n); err != nil {
		return 0, 0, err
	}
	rate = float64(n) / time.Since(start).Seconds()
	after, err := r.Server.CPU()
	return report.Micros(after-before) / float64(n), rate, err
}
