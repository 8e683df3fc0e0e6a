package browsers

import (
	"context"
	"fmt"
	"net/netip"

	"stentor/bench/gen/client"
	"stentor/bench/machine/server"
	"stentor/bench/suite"
)

// way is how clients get their messages.
type way struct {
	name     string
	endpoint string // keys of the node's endpoint
	form     client.Form
	half     bool // half of the clients are plain ones, to the same node; their memory is not taken
}

var plain = way{name: "plain", form: client.Plain}

// sample is what a way cost, of one fresh node.
type sample struct {
	cpu    float64 // us of the server for each delivered message
	memory float64 // bytes of its RSS for each connection
}

// quarter of the connections are open before memory is first read: what a process takes once for all is not in the growth.
const quarter = 4

// beside takes samples of each way in turn, pairs times, so that what changes meanwhile strikes all alike.
func (b *bench) beside(ctx context.Context, name string, back server.Publisher, ways ...way) ([][]sample, error) {
	all := make([][]sample, len(ways))
	for i := range b.plan.pairs {
		for j, w := range ways {
			one, err := b.sample(ctx, fmt.Sprintf("%s %d/%d: %s", name, i+1, b.plan.pairs, w.name), back, w)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", w.name, err)
			}
			all[j] = append(all[j], one)
		}
	}
	return all, nil
}

func (b *bench) sample(ctx context.Context, step string, back server.Publisher, w way) (s sample, err error) {
	o := b.clients()
	o.Form = w.form
	if w.half {
		o.Threads = halfThreads()
	}
	err = b.WithRig(ctx, b.Stentor, server.Config{Endpoint: w.endpoint}, o, back, func(ctx context.Context, r *suite.Rig) error {
		b.Progress.Step(suite.Live(r.Clients), "%s, %d connections", step, b.Connections)
		if w.half {
			return b.mix(ctx, r, &s)
		}
		few := b.Connections / quarter
		var rss [2]int64
		for i, n := range []int{few, b.Connections - few} {
			if err := r.Open(ctx, client.Reading, n); err != nil {
				return err
			}
			if err := r.Rounds(ctx, warmUp); err != nil {
				return err
			}
			if rss[i], err = r.Resting(ctx, b.plan.settle); err != nil {
				return err
			}
		}
		s.memory = float64(rss[1]-rss[0]) / float64(b.Connections-few)
		cost, err := r.DeliveryCost(ctx, b.plan.cpu)
		s.cpu = cost.CPU
		return err
	})
	return s, err
}

// mix is a sample of a way for half of the connections, with plain ones as the other half.
func (b *bench) mix(ctx context.Context, r *suite.Rig, s *sample) error {
	if err := r.Open(ctx, client.Reading, b.Connections/2); err != nil {
		return err
	}
	o := b.clients()
	o.Addresses, o.Path, o.Threads = []netip.AddrPort{r.Server.Client}, server.Path, halfThreads()
	c, err := client.New(o)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Open(ctx, client.Reading, b.Connections-b.Connections/2); err != nil {
		return err
	}
	r.Also = c
	if err := r.Rounds(ctx, warmUp); err != nil {
		return err
	}
	cost, err := r.DeliveryCost(ctx, b.plan.cpu)
	if err != nil {
		return err
	}
	s.cpu = cost.CPU
	err = r.Check()
	r.Also = nil // it is closed here
	return err
}

// column is one number of each sample.
func column(samples []sample, of func(sample) float64) (all []float64) {
	for _, s := range samples {
		all = append(all, of(s))
	}
	return all
}

func cpu(s sample) float64    { return s.cpu }
func memory(s sample) float64 { return s.memory }

// pairwise is f of each sample of two ways that were taken one after the other.
func pairwise(a, b []sample, f func(a, b sample) float64) (all []float64) {
	for i := range a {
		all = append(all, f(a[i], b[i]))
	}
	return all
}
