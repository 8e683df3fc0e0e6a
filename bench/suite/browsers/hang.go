package browsers

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"stentor/bench/gen/client"
	"stentor/bench/gen/measure"
	"stentor/bench/gen/pace"
	"stentor/bench/machine/server"
	"stentor/bench/suite"
	"stentor/bench/suite/report"
)

// hangTarget is how many times their p99 others may see while an identity provider hangs.
const hangTarget = 1.2

// away is the project whose provider hangs.
const away = "away"

// hang pushes at a steady rate to clients of one project, while more of them come with tokens of a provider that answers. Clients
// of another project come with tokens that no known key verifies, so that the node asks that project's provider. The p99 of how
// late messages come, and of how long CONNECTs take, is compared between times in which that provider answers, and times in
// which it accepts and says nothing. Both times have the same clients.
func (b *bench) hang(ctx context.Context) ([]report.Result, error) {
	good, err := newProvider()
	if err != nil {
		return nil, err
	}
	defer good.close()
	bad, err := newProvider()
	if err != nil {
		return nil, err
	}
	defer bad.close()
	tokens, err := good.tokens(b.Connections, kid)
	if err != nil {
		return nil, err
	}
	forged, err := bad.tokens(1, "unknown")
	if err != nil {
		return nil, err
	}
	var push, connect [2][]float64 // p99 in ms: the provider answers, it hangs
	var pushRatios, connectRatios []float64
	asked := int64(0)
	c := server.Config{Keys: good.keys(), Projects: map[string]string{away: "audience: any, keys: " + bad.keys()}}
	err = b.WithRig(ctx, b.Stentor, c, b.clients(), server.Publisher{Size: payloadBytes}, func(ctx context.Context, r *suite.Rig) error {
		few := b.Connections / strangerShare
		b.Progress.Step(suite.Live(r.Clients), "hang: %d connections", few)
		if err := r.Open(ctx, client.Reading, few); err != nil {
			return err
		}
		o := b.clients()
		o.Addresses = []netip.AddrPort{r.Server.Client}
		o.Path, o.Sources, o.Headers = server.Path, client.Crowd(b.Connections), headers(away, forged)
		strangers, err := newComers(ctx, o, strangerRate, 0)
		if err != nil {
			return err
		}
		defer strangers.close()
		o.Headers = headers(server.Project, tokens)
		comers, err := newComers(ctx, o, comeRate, comeRate)
		if err != nil {
			return err
		}
		defer comers.close()
		for i := range b.plan.phases {
			for j, hangs := range []bool{false, true} {
				b.Progress.Step(suite.Live(r.Clients), "hang %d/%d: the provider of others %s", i+1, b.plan.phases, []string{"answers", "hangs"}[j])
				bad.hanging.Store(hangs)
				if err := pace.Wait(ctx, b.plan.turn); err != nil { // until it is asked again, so that its answer or silence is what they wait for
					return err
				}
				comers.take()
				late, err := r.P99(ctx, pushRate, b.plan.waiting)
				if err != nil {
					return err
				}
				push[j], connect[j] = append(push[j], report.Millis(late)), append(connect[j], report.Millis(comers.take()))
			}
			pushRatios = append(pushRatios, push[1][i]/push[0][i])
			connectRatios = append(connectRatios, connect[1][i]/connect[0][i])
		}
		if failed := comers.clients.Counts().Failures; len(failed) > 0 {
			return fmt.Errorf("clients whose provider answers were refused: %v", failed)
		}
		asked, err = r.Server.Metric(ctx, "stentor_keys_fetches_total")
		return err
	})
	if err != nil {
		return nil, err
	}
	return []report.Result{
		report.New("hang", "p99 of messages to others while a provider hangs, against while it answers", "times", pushRatios,
			report.With("while it hangs", "ms", push[1]...), report.With("while it answers", "ms", push[0]...),
			report.With("fetches of keys in all", "", float64(asked)),
		).Most(hangTarget),
		report.New("hang", "p99 of CONNECTs of others, likewise", "times", connectRatios,
			report.With("while it hangs", "ms", connect[1]...), report.With("while it answers", "ms", connect[0]...),
		).Most(hangTarget),
	}, nil
}

// comers are clients that come at a steady rate, in a goroutine of its own. Those above keep go again.
type comers struct {
	mu      sync.Mutex // of the methods of clients, which are for one goroutine at a time
	clients *client.Client
	stop    context.CancelFunc
	ended   chan struct{}
}

func newComers(ctx context.Context, o client.Options, rate pace.Rate, keep int) (*comers, error) {
	clients, err := client.New(o)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	c := &comers{clients: clients, stop: stop, ended: make(chan struct{})}
	go func() {
		defer close(c.ended)
		start := time.Now()
		for n := 0; pace.Wait(ctx, time.Until(start.Add(rate.At(n)))) == nil; n++ {
			c.come(start.Add(rate.At(n)), keep)
		}
	}()
	return c, nil
}

func (c *comers) come(due time.Time, keep int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clients.Begin(client.Reading, 1, due)
	if open := c.clients.Counts().Reading; open > keep {
		_ = c.clients.Drop(client.Reading, open-keep) // fails when the server has ended some meanwhile
	}
}

// take returns the p99 of how long they took to be open since the last take.
func (c *comers) take() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	latency, connecting := measure.NewLatency(), measure.NewLatency()
	c.clients.Take(latency, connecting)
	return connecting.Summary().P99
}

func (c *comers) close() {
	c.stop()
	<-c.ended
	c.clients.Close()
}
