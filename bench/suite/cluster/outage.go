package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"stentor/bench/gen/client"
	"stentor/bench/gen/pace"
	"stentor/bench/gen/push"
	"stentor/bench/suite/report"
)

const newTarget = 10.0 // percent that a node may be from its share of the new clients

// A stage is a time in which new clients come at a steady rate.
type stage struct {
	name  string
	lasts time.Duration
	// until, when set, must return true before the stage ends.
	until func(context.Context) (bool, error)
}

// outage keeps clients connected, and lets new ones connect, while something is unavailable.
type outage struct {
	b       *bench
	n       *nodes
	t       *traffic
	name    string
	live    func() string
	old     *client.Client // that stay
	young   *client.Client // that come
	homing  *homing        // of young
	asking  asking
	came    int
	worst   float64 // percent, of all stages
	most    string  // the stage of worst
	details []report.Detail
}

// newShare is the part of all clients that comes while something is away.
const newShare = 5

// withOutage runs f with a fifth fewer clients than there will be, pushes on their way, and new clients that ask as asked says.
func (b *bench) withOutage(ctx context.Context, name string, n *nodes, asked func(int) []string, f func(*outage) error) error {
	sender, err := push.NewKafka(push.KafkaOptions{Brokers: b.Brokers, Topic: n.topic})
	if err != nil {
		return err
	}
	defer sender.Close()
	o := &outage{b: b, n: n, name: name, t: &traffic{to: sender, active: destinations}, asking: asking{from: askFrom(newFrom), open: map[string]*asker{}}}
	defer o.asking.close()
	young := b.Connections / newShare
	var homes []netip.AddrPort
	for _, s := range n.list() {
		homes = append(homes, s.Client)
	}
	if o.old, err = b.crowd(o.t, b.Connections-young, nil, nil, homes...); err != nil {
		return err
	}
	defer o.old.Close()
	o.homing = newHoming(young, nil)
	o.homing.asked = asked
	if o.young, err = b.crowd(o.t, young, o.homing, nil, homes[0]); err != nil {
		return err
	}
	defer o.young.Close()
	o.homing.start(ctx, o.young)
	defer o.homing.end()
	o.live = func() string {
		a, y := o.old.Counts(), o.young.Counts()
		return fmt.Sprintf("%d and %d new ones open, %s messages", a.Reading, y.Reading, report.Group(a.Delivered+y.Delivered))
	}
	b.Progress.Step(o.live, "%s: opening %d connections", name, b.Connections-young)
	if err := open(ctx, o.old, b.Connections-young); err != nil {
		return err
	}
	if err := errors.Join(o.t.during(ctx, b.plan.warm), b.complete(ctx, o.t, o.old)); err != nil {
		return err
	}
	o.old.ResetLatency()
	return f(o)
}

// newFrom is the address from which clients ask that come for the first time.
const newFrom = 2000

// run connects count new clients during a stage, evenly, and records how they spread over the nodes.
func (o *outage) run(ctx context.Context, s stage, count int) error {
	o.b.Progress.Step(o.live, "%s: %s", o.name, s.name)
	before := o.spread()
	began, looked := time.Now(), time.Now()
	done := s.until == nil
	for came := 0; came < count || !done; {
		due := count
		if passed := time.Since(began); passed < s.lasts {
			due = int(float64(count) * float64(passed) / float64(s.lasts))
		}
		if due > came {
			if err := o.homing.newcomers(ctx, &o.asking, due-came); err != nil {
				return fmt.Errorf("%s: a new client finds no node: %w", s.name, err)
			}
			o.young.Begin(client.Reading, due-came, time.Now())
			came = due
		}
		if !done && time.Since(looked) >= lookEvery {
			var err error
			if done, err = s.until(ctx); err != nil {
				return err
			}
			looked = time.Now()
		}
		if err := pace.Wait(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	o.came += count
	if err := o.young.WaitOpened(ctx); err != nil {
		return err
	}
	if c := o.young.Counts(); c.Reading != o.came {
		return fmt.Errorf("%s: %d of %d new clients are open: %v", s.name, c.Reading, o.came, c.Failures)
	}
	after := o.spread()
	for i := range after {
		after[i] -= before[i]
	}
	off := furthest(after)
	o.details = append(o.details, report.With(s.name, "%", off))
	if off >= o.worst {
		o.worst, o.most = off, s.name
	}
	return nil
}

// lookEvery is how often a stage checks whether it may end.
const lookEvery = 200 * time.Millisecond

// spread is how many new clients each node has.
func (o *outage) spread() (counts []float64) {
	for _, s := range o.n.list() {
		counts = append(counts, o.homing.on(s.Client))
	}
	return counts
}

// results are the figures that all outages have in common.
func (o *outage) results() []report.Result {
	var f faults
	f.add(o.t, o.old, o.young)
	old := o.old.Counts()
	all := []report.Result{
		report.New(o.name, "connected clients that were disconnected", "", []float64{float64(old.Failed())}, report.With("connected", "", float64(old.Reading))).Most(0),
	}
	all = append(all, f.results(o.name)...)
	return append(all,
		report.New(o.name, "the node that is furthest from its share of the new clients ("+o.most+")", "%", []float64{o.worst},
			append([]report.Detail{report.With("new clients", "", float64(o.came))}, o.details...)...).Most(newTarget),
	)
}

// registries kills the registry that clients ask. New ones ask another, or the nodes.
func (b *bench) registries(ctx context.Context) (results []report.Result, err error) {
	err = b.withNodes(ctx, "registry", setup{spare: true}, func(ctx context.Context, n *nodes) error {
		others := [][]string{{n.first.url, n.spare.url}, {n.first.url}}
		for _, s := range n.list() {
			others[1] = append(others[1], s.API())
		}
		var times atomic.Int64
		asked := func(int) []string { return others[times.Add(1)%int64(len(others))] }
		return b.withOutage(ctx, "registry", n, asked, func(o *outage) error {
			young := b.Connections / newShare
			o.t.start(ctx)
			err := o.run(ctx, stage{name: "with it", lasts: b.plan.stage}, young/2)
			before := o.old.Latency()
			o.old.ResetLatency()
			if err == nil {
				n.first.stop()
				err = o.run(ctx, stage{name: "without it", lasts: b.plan.stage}, young-young/2)
			}
			during := o.old.Latency()
			if err := errors.Join(err, o.t.stop()); err != nil {
				return err
			}
			if err := b.complete(ctx, o.t, o.old, o.young); err != nil {
				return err
			}
			results = o.results()
			results[0].Details = append(results[0].Details, // for orientation: the new clients and their noise are in both
				report.With("p99 of their messages while new ones come, without the registry", "ms", report.Millis(during.P99)),
				report.With("the same with it, before", "ms", report.Millis(before.P99)))
			return nil
		})
	})
	return results, err
}

// brokers ends Kafka for a while. New clients come meanwhile, and when it is back.
func (b *bench) brokers(ctx context.Context) (results []report.Result, err error) {
	if b.kafka == nil {
		b.Report.Notes = append(b.Report.Notes, "brokers: not measured: this Kafka was not started by kafka-dev, which ends and starts it for this")
		return nil, nil
	}
	err = b.withNodes(ctx, "brokers", setup{}, func(ctx context.Context, n *nodes) error {
		asked := func(int) []string { return []string{n.first.url} }
		return b.withOutage(ctx, "brokers", n, asked, func(o *outage) error {
			// As many a second in all stages. One is much longer than a beat, which tells what the view cannot know before.
			stages := []stage{
				{name: "while they are away", lasts: b.plan.away},
				{name: "while they start", lasts: b.plan.stage, until: n.fresh},
				{name: "when nodes and registry are heard again", lasts: b.plan.stage},
				{name: "after that", lasts: b.plan.stage},
			}
			rate := float64(b.Connections/newShare) / (b.plan.away + 3*b.plan.stage).Seconds()
			began := time.Now()
			if err := b.kafka.away(ctx); err != nil {
				return err
			}
			for i, s := range stages {
				err := o.run(ctx, s, int(rate*s.lasts.Seconds()))
				if i == 0 {
					o.details = append(o.details, report.With("they were away for", "s", time.Since(began).Seconds()))
					err = errors.Join(err, b.kafka.back())
				}
				if err != nil {
					return err
				}
			}
			if err := errors.Join(o.t.during(ctx, b.plan.after), b.complete(ctx, o.t, o.old, o.young)); err != nil {
				return err
			}
			results = o.results()
			return nil
		})
	})
	return results, err
}

// fresh reports whether registry and nodes read the list of nodes.
func (n *nodes) fresh(ctx context.Context) (bool, error) {
	for _, s := range append(n.list(), n.first.server) {
		if s == nil { // a test's
			continue
		}
		stale, err := s.Metric(ctx, "stentor_directory_stale_seconds")
		if err != nil || stale > 0 {
			return false, err
		}
	}
	return true, nil
}
