package proxies

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"time"

	"stentor/bench/gen/client"
	"stentor/bench/gen/measure"
	"stentor/bench/gen/pace"
	"stentor/bench/machine/server"
	"stentor/bench/suite"
	"stentor/bench/suite/report"
	"stentor/engine/testkit/certificate"
	"stentor/tuning/proxy"
)

type bench struct {
	Options
	*suite.Run
	certificate string
	trusting    *tls.Config
}

// Run measures. The costs have what was measured even when there is an error.
func Run(ctx context.Context, o Options) (c *Costs, err error) {
	c = &Costs{Connections: o.Connections, Pushes: o.Pushes, Samples: o.Samples}
	if err := o.check(); err != nil {
		return c, err
	}
	r, err := suite.Begin(ctx, o.Options)
	if err != nil {
		return c, err
	}
	defer r.Close()
	c.Started, c.Machine, c.Stentor = r.Report.Started, r.Report.Machine, r.Report.Server
	pair, err := certificate.New()
	if err != nil {
		return c, err
	}
	b := &bench{Options: o, Run: r, trusting: pair.Trusting()}
	if b.certificate, err = pair.Write(b.Dir); err != nil {
		return c, err
	}
	all := chosen(o.Only)
	samples := make([][]sample, len(all))
	defer func() {
		for j, w := range all {
			if len(samples[j]) > 0 {
				c.Ways = append(c.Ways, cost(w.name, samples[j]))
			}
		}
	}()
	for i := range o.Samples { // the ways take turns, so that what changes meanwhile strikes all alike
		for j, w := range all {
			b.Progress.Step(nil, "%s, sample %d of %d", w.name, i+1, o.Samples)
			one, err := b.sample(ctx, w)
			if err != nil {
				return c, fmt.Errorf("%s: %w", w.name, err)
			}
			samples[j] = append(samples[j], one)
		}
	}
	return c, nil
}

// sample takes a sample of one way, with a fresh node and a fresh proxy.
func (b *bench) sample(ctx context.Context, w way) (s sample, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, sampleTimeout, fmt.Errorf("a sample takes longer than %v", sampleTimeout))
	defer cancel()
	dir, err := os.MkdirTemp(b.Dir, "")
	if err != nil {
		return s, err
	}
	c := server.Config{Credentials: b.Credentials}
	r := proxy.Request{Kind: w.kind, Connections: b.Connections + reserve, Path: server.Path, Workers: runtime.NumCPU()}
	if err := w.place(&c, &r, dir); err != nil {
		return s, err
	}
	if w.tls && w.kind == "" {
		c.Certificate = b.certificate
	} else if w.tls {
		r.Certificate, r.Key, r.ServerName = b.certificate, b.certificate+".key", certificate.Name
	}
	node, ctx, err := server.Start(ctx, b.Stentor, dir, c)
	if err != nil {
		return s, err
	}
	defer node.Stop()
	x := rig{node: node, calm: b.calm, back: server.Publisher{Server: node, Size: payloadBytes}}
	at := node.Client
	if w.kind == "" && w.tls {
		at = netip.MustParseAddrPort(r.Nodes[0])
	}
	if w.kind != "" {
		if x.front, ctx, err = startFront(ctx, dir, r); err != nil {
			return s, err
		}
		defer x.front.Stop(stopTimeout)
		at = x.front.address
	}
	o := client.Options{
		Addresses: []netip.AddrPort{at}, Path: server.Path, Subscriptions: []string{server.Queue, server.Topic}, Receipts: true,
		Heartbeat: restfulHeartbeat, Headers: b.Credentials.Token, Sources: client.Loopback(b.Connections),
	}
	if w.tls {
		o.TLS, o.Host = b.trusting, certificate.Name
	}
	if x.clients, err = client.New(o); err != nil {
		return s, err
	}
	defer x.clients.Close()
	if s, err = x.measure(ctx, b.Connections, b.Pushes); err != nil && context.Cause(ctx) != nil {
		err = context.Cause(ctx) // the end of node or proxy rather than what came of it
	}
	return s, err
}

// rig is a node, the proxy before it (nil for none), clients and a back end.
type rig struct {
	node    *server.Server
	front   *front
	clients *client.Client
	back    server.Publisher
	total   int64 // messages that the clients must have had by now
	calm    time.Duration
}

// sample is what one way cost, of node and proxy.
type sample struct {
	memory  [2]float64 // bytes for each connection
	connect [2]float64 // us of CPU for each
	deliver [2]float64 // us of CPU for each message
}

// usage is what node and proxy have used.
type usage struct {
	cpu    [2]time.Duration
	memory [2]int64
}

func (x *rig) usage() (u usage, err error) {
	if u.cpu[0], err = x.node.CPU(); err != nil {
		return u, err
	}
	if u.memory[0], err = x.node.RSS(); err != nil {
		return u, err
	}
	if x.front == nil {
		return u, nil
	}
	if u.cpu[1], err = x.front.CPU(); err != nil {
		return u, err
	}
	u.memory[1], err = x.front.Memory()
	return u, err
}

// measure opens the connections in two steps, both of which get some messages, and pushes.
func (x *rig) measure(ctx context.Context, connections, pushes int) (s sample, err error) {
	few := connections / quarter
	if _, err := x.grow(ctx, few); err != nil {
		return s, err
	}
	before, err := x.settled(ctx)
	if err != nil {
		return s, err
	}
	opened, err := x.grow(ctx, connections-few)
	if err != nil {
		return s, err
	}
	after, err := x.settled(ctx)
	if err != nil {
		return s, err
	}
	if err := x.push(ctx, pushes); err != nil {
		return s, err
	}
	end, err := x.usage()
	if err != nil {
		return s, err
	}
	for i := range s.memory {
		s.memory[i] = float64(after.memory[i]-before.memory[i]) / float64(connections-few)
		s.connect[i] = report.Micros(opened.cpu[i]-before.cpu[i]) / float64(connections-few)
		s.deliver[i] = report.Micros(end.cpu[i]-after.cpu[i]) / float64(pushes*connections)
	}
	return s, x.check()
}

// grow opens n connections more, says what had been used when they were open, and warms them up.
func (x *rig) grow(ctx context.Context, n int) (u usage, err error) {
	opening, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if err := x.clients.Open(opening, client.Reading, n); err != nil {
		return u, err
	}
	if u, err = x.usage(); err != nil {
		return u, err
	}
	return u, x.push(ctx, warmUp)
}

func (x *rig) settled(ctx context.Context) (u usage, err error) {
	if err := pace.Wait(ctx, x.calm); err != nil {
		return u, err
	}
	return x.usage()
}

// push pushes n times, each time when all have had the push before, so that each delivery is a write of its own.
func (x *rig) push(ctx context.Context, n int) error {
	for range n {
		if err := x.back.Push(ctx); err != nil {
			return err
		}
		x.total += int64(x.clients.Counts().Reading)
		delivering, cancel := context.WithTimeout(ctx, deliverTimeout)
		err := x.clients.WaitDelivered(delivering, x.total)
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

// check looks for messages that were not in order and for connections that were lost.
func (x *rig) check() error {
	c := x.clients.Counts()
	if c.Order != (measure.Order{}) || len(c.Failures) > 0 {
		return fmt.Errorf("messages or connections were lost or disordered: %+v, %v", c.Order, c.Failures)
	}
	return nil
}
