package node

import (
	"context"
	"fmt"
	"os"
	"time"

	"stentor/bench/client"
	"stentor/bench/measure"
	"stentor/bench/proc"
)

// bench is one run.
type bench struct {
	Options
	plan        plan
	dir         string // for configurations and logs
	credentials credentials
	progress    *progress
	frame       []byte // one message as the server sends it
}

// Run takes the measurements. The report has those that were completed even when there is an error.
func Run(ctx context.Context, o Options) (*Report, error) { return run(ctx, o, o.plan()) }

func run(ctx context.Context, o Options, p plan) (*Report, error) {
	r := &Report{Started: time.Now(), Machine: proc.ThisMachine(), Connections: o.Connections, Quick: o.Quick}
	if err := o.check(); err != nil {
		return r, err
	}
	var err error
	if r.Server, err = version(ctx, o.Stentor); err != nil {
		return r, err
	}
	dir, err := os.MkdirTemp("", "stentor-bench-")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	b := &bench{Options: o, plan: p, dir: dir, credentials: newCredentials(), progress: newProgress(o.Progress, o.Terminal)}
	defer b.progress.close()
	if err := b.readFrame(ctx); err != nil {
		return r, err
	}
	r.FrameBytes = len(b.frame)

	all := map[string]func(context.Context) ([]Result, error){
		"memory": b.memory, "delivery": b.delivery, "overload": b.overload, "slow": b.slow, "connect": b.connect,
	}
	for _, name := range Measurements {
		if !o.wants(name) {
			continue
		}
		ctx, cancel := context.WithTimeoutCause(ctx, wholeTimeout, fmt.Errorf("%s takes longer than %v", name, wholeTimeout))
		results, err := all[name](ctx)
		cancel()
		r.Results = append(r.Results, results...)
		if err != nil {
			return r, fmt.Errorf("%s: %w", name, err)
		}
	}
	return r, nil
}

// rig is a server, clients connected to it, and a back end.
type rig struct {
	server  *server
	clients *client.Client
	back    publisher
	total   int64 // messages that the clients must have had by now
	// anyOrder is set when pushes were posted at the same time, so that their order says nothing.
	anyOrder bool
}

// withRig runs f with a fresh server and no client yet. change sets what f wants of its clients. It is an error when a
// message was not in order.
func (b *bench) withRig(ctx context.Context, change func(*client.Options), f func(context.Context, *rig) error) error {
	s, ctx, err := startServer(ctx, b.Stentor, b.dir, b.credentials)
	if err != nil {
		return err
	}
	defer s.stop()
	o := client.Options{
		Addresses:     []netip.AddrPort{s.client},
		Path:          path,
		Subscriptions: []string{queue, topic}, // the shared one last: see connect.go
		Receipts:      true,
		Heartbeat:     restfulHeartbeat,
		Headers:       anonymous,
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
	r := &rig{server: s, clients: c, back: publisher{server: s}}
	if err := f(ctx, r); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return err
	}
	return r.check()
}

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
		if err := r.back.push(ctx); err != nil {
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
		s := fmt.Sprintf("%s open, %s messages", group(int64(n.Reading+n.Silent)), group(n.Delivered))
		if len(n.Failures) > 0 {
			s += fmt.Sprintf(", %v", n.Failures)
		}
		return s
	}
}
