package kafka

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"stentor/bench/gen/client"
	"stentor/bench/gen/measure"
	"stentor/bench/gen/pace"
	"stentor/bench/machine/server"
	"stentor/bench/suite"
	"stentor/bench/suite/report"
	"stentor/bench/suite/topics"
)

// bench is one run.
type bench struct {
	Options
	*suite.Run
	plan   plan
	name   string // begins the names of all that the run puts into Kafka
	topics topics.Topics
}

// Run takes the measurements. The report has those that were completed even when there is an error.
func Run(ctx context.Context, o Options) (*report.Report, error) {
	if err := o.check(); err != nil {
		return &report.Report{}, err
	}
	a, err := topics.New(o.Brokers)
	if err != nil {
		return &report.Report{}, err
	}
	return run(ctx, o, o.plan(), a)
}

// run closes t.
func run(ctx context.Context, o Options, p plan, t topics.Topics) (*report.Report, error) {
	defer t.Close()
	r, err := suite.Begin(ctx, o.Options)
	if err != nil {
		return &report.Report{}, err
	}
	defer r.Close()
	r.Report.Load = fmt.Sprintf("%d connections, %d users, Kafka, server, clients and back ends on this machine", o.Connections, o.Users)
	b := &bench{Options: o, Run: r, plan: p, topics: t, name: "stentor-bench-" + strings.ToLower(rand.Text()[:8])}
	withBed := func(name string, f func(context.Context, *bed) ([]report.Result, error)) suite.Measurement {
		return suite.Measurement{Name: name, Run: func(ctx context.Context) ([]report.Result, error) { return b.withBed(ctx, name, f) }}
	}
	return r.Report, r.Measure(ctx, []suite.Measurement{
		withBed("latency", b.latency), withBed("unicast", b.unicast), withBed("start", b.start), withBed("resume", b.resume),
	})
}

// bed is the topic of one measurement in Kafka, and a back end that produces to it.
type bed struct {
	kafka server.Kafka
	back  *producer
	seq   uint32 // of the last push to server.Topic
}

// withBed runs f with a topic of its own, which is gone afterwards.
func (b *bench) withBed(ctx context.Context, name string, f func(context.Context, *bed) ([]report.Result, error)) (results []report.Result, err error) {
	at := server.Kafka{Node: b.name + "-" + name, Brokers: b.Brokers, Topic: b.name + "-" + name, NodesTopic: b.name + "-" + name + "-nodes"}
	if err := b.topics.Create(ctx, at.Topic); err != nil {
		return nil, err
	}
	defer func() {
		err = errors.Join(err, b.topics.Remove([]string{at.Topic, at.NodesTopic}, []string{"stentor-" + at.Node}))
	}()
	back, err := newProducer(b.Brokers, at.Topic, lingers[name])
	if err != nil {
		return nil, err
	}
	defer back.close()
	results, err = f(ctx, &bed{kafka: at, back: back})
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	return results, err
}

// lingers says how long a record may wait for others in the back end: not at all where its time is taken, librdkafka's
// own default where there are very many.
var lingers = map[string]time.Duration{"unicast": 5 * time.Millisecond, "start": 5 * time.Millisecond}

// serve runs f with a fresh server; ctx ends when the server does.
func (b *bench) serve(ctx context.Context, d *bed, historyBytes int64, f func(context.Context, *server.Server) error) error {
	s, ctx, err := server.Start(ctx, b.Stentor, b.Dir, server.Config{Credentials: b.Credentials, HistoryBytes: historyBytes, Kafka: &d.kafka})
	if err != nil {
		return err
	}
	defer s.Stop()
	if err := f(ctx, s); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return err
	}
	return nil
}

// crowd are clients of a server.
type crowd struct {
	*client.Client
	total    int64 // messages that they must have received by now
	patience time.Duration
}

// crowd makes one of n, not open yet. change sets what it wants besides the shared topic.
func (b *bench) crowd(s *server.Server, n int, change func(*client.Options)) (*crowd, error) {
	o := client.Options{
		Addresses: []netip.AddrPort{s.Client}, Path: server.Path, Subscriptions: []string{server.Topic}, Receipts: true,
		Heartbeat: time.Minute, // keeps heart-beats out of the measurement
		Headers:   server.Anonymous, Sources: client.Loopback(n),
	}
	if change != nil {
		change(&o)
	}
	c, err := client.New(o)
	if err != nil {
		return nil, err
	}
	return &crowd{Client: c, patience: b.plan.patience}, nil
}

func (c *crowd) open(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	return c.Open(ctx, client.Reading, n)
}

// expect waits until the clients together have received n more messages. It gives up after patience without one.
func (c *crowd) expect(ctx context.Context, n int64) error {
	c.total += n
	for {
		before := c.Delivered()
		err := c.wait(ctx)
		if err == nil || context.Cause(ctx) != nil || c.Delivered() == before {
			return err
		}
	}
}

func (c *crowd) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.patience, fmt.Errorf("nothing more came for %v", c.patience))
	defer cancel()
	return c.WaitDelivered(ctx, c.total)
}

// check reports messages out of order and lost connections.
func (c *crowd) check() error {
	got := c.Counts()
	if got.Order != (measure.Order{}) {
		return fmt.Errorf("messages were not in order: %+v", got.Order)
	}
	if len(got.Failures) > 0 {
		return fmt.Errorf("connections were lost: %v", got.Failures)
	}
	return nil
}

// live is for progress.
func (c *crowd) live() string {
	n := c.Counts()
	s := fmt.Sprintf("%s open, %s messages", report.Group(int64(n.Reading)), report.Group(n.Delivered))
	if len(n.Failures) > 0 {
		s += fmt.Sprintf(", %v", n.Failures)
	}
	return s
}

// broadcast produces pushes to all for d, and returns how many.
func (d *bed) broadcast(ctx context.Context, rate pace.Rate, length time.Duration) (int, error) {
	return paced(ctx, rate, length, func(due time.Time) error {
		d.seq++
		return d.back.produce(ctx, record{destination: server.Topic, seq: d.seq, due: due, size: payloadBytes})
	})
}
