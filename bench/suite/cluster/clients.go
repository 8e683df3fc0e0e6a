package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"stentor/bench/gen/client"
	"stentor/bench/gen/pace"
	"stentor/bench/gen/push"
	"stentor/bench/machine/server"
	"stentor/bench/suite/report"
)

const openTimeout = 3 * time.Minute

// gathering is clients that come back, on all nodes, and the back end that pushes to them.
type gathering struct {
	t    *traffic
	h    *homing
	all  *client.Client
	live func() string // how they are, for the progress
}

// gather calls f when all clients of the measurement are connected and have received pushes for a while.
func (b *bench) gather(ctx context.Context, n *nodes, name string, warm time.Duration, f func(*gathering) error) error {
	sender, err := push.NewKafka(push.KafkaOptions{Brokers: b.Brokers, Topic: n.topic})
	if err != nil {
		return err
	}
	defer sender.Close()
	g := &gathering{t: &traffic{to: sender, active: destinations}, h: newHoming(b.Connections, n.home, n.first.url)}
	if g.all, err = b.crowd(g.t, b.Connections, g.h, nil, n.list()[0].Client); err != nil {
		return err
	}
	defer g.all.Close()
	g.h.start(ctx, g.all)
	defer g.h.end()
	g.live = func() string {
		c := g.all.Counts()
		return fmt.Sprintf("%d open, %d resumed, %s messages", c.Reading, c.Resumed, report.Group(c.Delivered))
	}
	b.Progress.Step(g.live, "%s: opening %d connections", name, b.Connections)
	if err := errors.Join(open(ctx, g.all, b.Connections), g.t.during(ctx, warm), b.complete(ctx, g.t, g.all)); err != nil {
		return err
	}
	return f(g)
}

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

// complete waits until all clients have received every push, or nothing arrives any more. Missing pushes are counted later.
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

// results are of the messages: none may be lost or repeated.
func (f *faults) results(name string) []report.Result {
	return []report.Result{
		report.New(name, "messages lost, reordered, corrupted", "", []float64{f.wrong}, report.With("messages", "", float64(f.delivered))).Most(0),
		report.New(name, "messages repeated", "", []float64{f.repeated}).Most(0),
	}
}

// resumption reports on the subscriptions: none may be told that it missed a push.
func (f *faults) resumption(name string) report.Result {
	return report.New(name, "subscriptions that were told resumed:false", "", []float64{f.gaps}, report.With("resumed:true", "", f.resumed)).Most(0)
}
