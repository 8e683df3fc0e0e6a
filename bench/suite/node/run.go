package node

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"stentor/bench/gen/client"
	"stentor/bench/gen/measure"
	"stentor/bench/machine/server"
	"stentor/bench/suite"
	"stentor/bench/suite/report"
)

// bench is one run.
type bench struct {
	Options
	*suite.Run
	plan  plan
	frame []byte // one message as the server sends it
}

// Run takes the measurements. The report has those that were completed even when there is an error.
func Run(ctx context.Context, o Options) (*report.Report, error) { return run(ctx, o, o.plan()) }

func run(ctx context.Context, o Options, p plan) (*report.Report, error) {
	if err := o.check(); err != nil {
		return &report.Report{}, err
	}
	r, err := suite.Begin(ctx, o.Options)
	if err != nil {
		return &report.Report{}, err
	}
	defer r.Close()
	b := &bench{Options: o, Run: r, plan: p}
	if err := b.readFrame(ctx); err != nil {
		return r.Report, err
	}
	r.Report.Load = fmt.Sprintf("%d connections, payloads of %d bytes in frames of %d", o.Connections, payloadBytes, len(b.frame))
	return r.Report, r.Measure(ctx, []suite.Measurement{
		{Name: "memory", Run: b.memory}, {Name: "delivery", Run: b.delivery}, {Name: "overload", Run: b.overload},
		{Name: "slow", Run: b.slow}, {Name: "connect", Run: b.connect},
	})
}

// rig is a server, clients connected to it, and a back end.
type rig struct {
	server  *server.Server
	clients *client.Client
	back    server.Publisher
	total   int64 // messages that the clients must have had by now
	// anyOrder is set when pushes were posted at the same time, so that their order says nothing.
	anyOrder bool
}

// withRig runs f with a fresh server and no client yet. change sets what f wants of its clients. It is an error when a
// message was not in order.
func (b *bench) withRig(ctx context.Context, change func(*client.Options), f func(context.Context, *rig) error) error {
	s, ctx, err := server.Start(ctx, b.Stentor, b.Dir, server.Config{Credentials: b.Credentials, SlowTimeout: slowTimeout})
	if err != nil {
		return err
	}
	defer s.Stop()
	o := client.Options{
		Addresses:     []netip.AddrPort{s.Client},
		Path:          server.Path,
		Subscriptions: []string{server.Queue, server.Topic}, // the shared one last: see connect.go
		Receipts:      true,
		Heartbeat:     restfulHeartbeat,
		Headers:       server.Anonymous,
		Sources:       client.Loopback(b.largePoint()),
	}
	if change != nil {
		change(&o)
	}
	c, err := client.New(o)
	if err != nil {
		return err
	}
	defer c.Close()
	r := &rig{server: s, clients: c, back: server.Publisher{Server: s, Size: payloadBytes}}
	if err := f(ctx, r); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return err
	}
	return r.check()
}

// slowTimeout is longer than a measurement of silent clients, which must not be closed meanwhile.
const slowTimeout = 10 * time.Minute

// restfulHeartbeat keeps heart-beats out of measurements that are about something else.
const restfulHeartbeat = time.Minute

// check looks for messages that were not in order and for connections that were lost.
func (r *rig) check() error {
	got := r.clients.Counts()
	if r.anyOrder {
		got.Order.Reordered = 0
	}
	if got.Order != (measure.Order{}) {
		return fmt.Errorf("messages were not in order: %+v", got.Order)
	}
	if len(got.Failures) > 0 {
		return fmt.Errorf("connections were lost: %v", got.Failures)
	}
	return nil
}

func (r *rig) open(ctx context.Context, kind client.Kind, n int) error {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	return r.clients.Open(ctx, kind, n)
}

// expect waits until all reading clients have got pushes more messages.
func (r *rig) expect(ctx context.Context, pushes int) error {
	r.total += int64(pushes) * int64(r.clients.Counts().Reading)
	ctx, cancel := context.WithTimeout(ctx, deliverTimeout)
	defer cancel()
	return r.clients.WaitDelivered(ctx, r.total)
}

// rounds pushes n times, each time when all have had the push before.
func (r *rig) rounds(ctx context.Context, n int) error {
	for range n {
		if err := r.back.Push(ctx); err != nil {
			return err
		}
		if err := r.expect(ctx, 1); err != nil {
			return err
		}
	}
	return nil
}

// live is for progress.
func live(c *client.Client) func() string {
	return func() string {
		n := c.Counts()
		s := fmt.Sprintf("%s open, %s messages", report.Group(int64(n.Reading+n.Silent)), report.Group(n.Delivered))
		if len(n.Failures) > 0 {
			s += fmt.Sprintf(", %v", n.Failures)
		}
		return s
	}
}
