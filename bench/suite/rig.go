package suite

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"stentor/bench/gen/client"
	"stentor/bench/gen/measure"
	"stentor/bench/gen/pace"
	"stentor/bench/machine/server"
	"stentor/bench/suite/report"
)

// How long a rig waits at most.
const (
	openTimeout    = 3 * time.Minute
	deliverTimeout = time.Minute
)

// RestfulHeartbeat keeps heart-beats out of measurements that are about something else.
const RestfulHeartbeat = time.Minute

// Rig is a server, clients connected to it, and a back end. One goroutine uses it.
type Rig struct {
	Server  *server.Server
	Clients *client.Client
	Back    server.Publisher
	// AnyOrder is set when pushes were posted at the same time, so that their order says nothing.
	AnyOrder bool
	total    int64 // messages that the clients must have received by now
	// Also are further clients of the same pushes, nil without any. Who sets it closes them, after Check.
	Also *client.Client
	also int64 // see total
}

// WithRig runs f with a fresh server of configuration c and no client yet. o has what f wants of its clients; the server's
// address and path are added where it has none. It is an error when a message was not in order.
func (r *Run) WithRig(ctx context.Context, binary string, c server.Config, o client.Options, back server.Publisher, f func(context.Context, *Rig) error) error {
	c.Credentials = r.Credentials
	s, ctx, err := server.Start(ctx, binary, r.Dir, c)
	if err != nil {
		return err
	}
	defer s.Stop()
	if o.Addresses == nil {
		o.Addresses = []netip.AddrPort{s.Client}
	}
	if o.Path == "" {
		o.Path = server.Path
	}
	clients, err := client.New(o)
	if err != nil {
		return err
	}
	defer clients.Close()
	back.Server = s
	x := &Rig{Server: s, Clients: clients, Back: back}
	if err := f(ctx, x); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return err
	}
	return x.Check()
}

// Check reports messages out of order and lost connections.
func (r *Rig) Check() error {
	if r.Also != nil {
		if err := r.check(r.Also); err != nil {
			return err
		}
	}
	return r.check(r.Clients)
}

func (r *Rig) check(c *client.Client) error {
	got := c.Counts()
	if r.AnyOrder {
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

// Open opens n more connections.
func (r *Rig) Open(ctx context.Context, kind client.Kind, n int) error {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	return r.Clients.Open(ctx, kind, n)
}

// Subscribed waits until the server counts a subscription to the shared topic for every reading client.
func (r *Rig) Subscribed(ctx context.Context, timeout time.Duration) error {
	want := r.Clients.Counts().Reading
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("after %v the server does not count %d subscriptions", timeout, want))
	defer cancel()
	for {
		have, err := r.Server.Subscriptions(ctx, server.Topic)
		if err != nil || have == want {
			return err
		}
		if err := pace.Wait(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// Expect waits until every reading client, those of Also too, has received pushes more messages.
func (r *Rig) Expect(ctx context.Context, pushes int) error {
	r.total += int64(pushes) * int64(r.Clients.Counts().Reading)
	ctx, cancel := context.WithTimeout(ctx, deliverTimeout)
	defer cancel()
	if r.Also != nil {
		r.also += int64(pushes) * int64(r.Also.Counts().Reading)
		if err := r.Also.WaitDelivered(ctx, r.also); err != nil {
			return err
		}
	}
	return r.Clients.WaitDelivered(ctx, r.total)
}

// Rounds pushes n times, each time after all clients received the push before, so that every delivery is a write of its own.
func (r *Rig) Rounds(ctx context.Context, n int) error {
	for range n {
		if err := r.Back.Push(ctx); err != nil {
			return err
		}
		if err := r.Expect(ctx, 1); err != nil {
			return err
		}
	}
	return nil
}

// Cost is what one delivery costs the server, in us of CPU.
type Cost struct {
	CPU  float64 // in all
	User float64 // of it in user mode
}

// DeliveryCost pushes in rounds to all reading clients until the server has used so much CPU time.
func (r *Rig) DeliveryCost(ctx context.Context, cpu time.Duration) (c Cost, err error) {
	before, err := r.Server.CPU()
	if err != nil {
		return c, err
	}
	userBefore, err := r.Server.UserCPU()
	if err != nil {
		return c, err
	}
	used, pushes := time.Duration(0), 0
	for used < cpu {
		if err := r.Rounds(ctx, 1); err != nil {
			return c, err
		}
		pushes++
		now, err := r.Server.CPU()
		if err != nil {
			return c, err
		}
		used = now - before
	}
	userNow, err := r.Server.UserCPU()
	reading := r.Clients.Counts().Reading
	if r.Also != nil {
		reading += r.Also.Counts().Reading
	}
	messages := float64(pushes * reading)
	return Cost{report.Micros(used) / messages, report.Micros(userNow-userBefore) / messages}, err
}

// P99 pushes at a rate for d, waits until all reading clients have everything, and returns how late it came, from the time
// that each push was due.
func (r *Rig) P99(ctx context.Context, rate pace.Rate, d time.Duration) (time.Duration, error) {
	r.Clients.ResetLatency()
	pushed, err := r.Back.Paced(ctx, rate, d)
	if err != nil {
		return 0, err
	}
	if err := r.Expect(ctx, pushed); err != nil {
		return 0, err
	}
	return r.Clients.Latency().P99, nil
}

// Resting waits until the server is at rest, and returns the median of a few readings of its RSS, in bytes.
func (r *Rig) Resting(ctx context.Context, settle time.Duration) (int64, error) {
	if err := pace.Wait(ctx, settle); err != nil {
		return 0, err
	}
	var readings []float64
	for range 5 {
		rss, err := r.Server.RSS()
		if err != nil {
			return 0, err
		}
		readings = append(readings, float64(rss))
		if err := pace.Wait(ctx, min(settle/5, 200*time.Millisecond)); err != nil {
			return 0, err
		}
	}
	return int64(measure.Median(readings)), nil
}

// Live is for progress.
func Live(c *client.Client) func() string {
	return func() string {
		n := c.Counts()
		s := fmt.Sprintf("%s open, %s messages", report.Group(int64(n.Reading+n.Silent)), report.Group(n.Delivered))
		if len(n.Failures) > 0 {
			s += fmt.Sprintf(", %v", n.Failures)
		}
		return s
	}
}
