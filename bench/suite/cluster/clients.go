package cluster

import (
	"context"
	"net/netip"
	"time"

	"stentor/bench/gen/client"
	"stentor/bench/gen/pace"
	"stentor/bench/machine/server"
)

const openTimeout = 3 * time.Minute

// crowd makes n clients, none open yet, each with one destination. With a homing they come back; it may be nil, and then they
// connect to these nodes.
func (b *bench) crowd(t *traffic, n int, h *homing, change func(*client.Options), to ...netip.AddrPort) (*client.Client, error) {
	o := client.Options{
		Addresses: to, Path: server.Path, Receipts: true, Headers: server.Anonymous, Sources: client.Crowd(n), Opening: max(n/10, 100),
		SubscriptionsOf: func(number int) []string { return []string{destination(int(stream(number, 0)))} },
		Stream:          stream, Newest: t.newestOf,
		Heartbeat: time.Minute, // keeps heart-beats out of the measurement
	}
	if h != nil {
		o.Opening = n
		h.set(&o)
	}
	if change != nil {
		change(&o)
	}
	return client.New(o)
}

// open opens all n clients.
func open(ctx context.Context, c *client.Client, n int) error {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	return c.Open(ctx, client.Reading, n)
}

// complete waits until all clients have what was pushed. What has not come when nothing more does is counted later.
func (b *bench) complete(ctx context.Context, t *traffic, all ...*client.Client) error {
	for since, before := time.Now(), int64(-1); ; {
		missing, delivered := int64(0), int64(0)
		for _, c := range all {
			missing += c.Missing(t.newestOf)
			delivered += c.Delivered()
		}
		if missing == 0 || time.Since(since) > b.plan.patience {
			return nil
		}
		if delivered != before {
			since, before = time.Now(), delivered
		}
		if err := pace.Wait(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// faults are what was wrong with the messages of some clients, in the end.
type faults struct {
	wrong, repeated float64
	delivered       int64
	gaps, resumed   float64 // subscriptions that were told resumed:false, and resumed:true
}

func (f *faults) add(t *traffic, all ...*client.Client) {
	for _, c := range all {
		n := c.Counts()
		f.wrong += float64(c.Missing(t.newestOf) + n.Order.Bad() - n.Order.Repeated)
		f.repeated += float64(n.Order.Repeated)
		f.delivered += n.Delivered
		f.gaps += float64(n.Gaps)
		f.resumed += float64(n.Resumed)
	}
}
