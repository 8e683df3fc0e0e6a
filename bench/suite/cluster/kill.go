package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"stentor/bench/gen/client"
	"stentor/bench/gen/measure"
	"stentor/bench/gen/pace"
	"stentor/bench/gen/push"
	"stentor/bench/machine/server"
	"stentor/bench/suite/report"
	"stentor/stomp"
)

const (
	backTarget     = 5.0  // seconds until all are back
	survivorTarget = 10.0 // percent that a node may be from its share
	othersTarget   = 2.0  // times their p99 that clients of other nodes may see
)

// killed is the node that is killed.
const killed = 0

// kill connects a third of the clients to each of three nodes, each to one of many destinations, and pushes at a steady
// rate. It takes the 99th percentile of how late messages come, from the time that each push was due; ends one node by
// SIGKILL; and goes on pushing. The node's clients ask the registry where to connect, wait the part of spread_ms that
// they draw, and resume. From the kill until all of them are back the same percentile is taken again, of the clients of
// the other nodes. Then everything that was pushed has to be there, which is checked by number on each client.
func (b *bench) kill(ctx context.Context) ([]report.Result, error) {
	var k kills
	for i := range b.plan.kills {
		err := b.withNodes(ctx, fmt.Sprint("kill-", i), func(ctx context.Context, n *nodes) error {
			return b.killOnce(ctx, n, fmt.Sprintf("kill %d/%d", i+1, b.plan.kills), &k)
		})
		if err != nil {
			return nil, err
		}
	}
	return k.results(), nil
}

// kills are the samples.
type kills struct {
	wrong, repeated                       float64
	delivered                             int64
	backP50, backP99, back, off           []float64
	ratios, before, during, latest, again []float64
}

func (b *bench) killOnce(ctx context.Context, n *nodes, step string, k *kills) (err error) {
	sender, err := push.NewKafka(push.KafkaOptions{Brokers: b.Brokers, Topic: n.topic})
	if err != nil {
		return err
	}
	defer sender.Close()
	t := &traffic{to: sender}
	orphans := b.Connections / nodeCount
	r := newRoute(n.all[killed].Client)
	away, err := b.crowd(t, orphans, r, n.all[killed].Client)
	if err != nil {
		return err
	}
	defer away.Close()
	stay, err := b.crowd(t, b.Connections-orphans, nil, n.all[1].Client, n.all[2].Client)
	if err != nil {
		return err
	}
	defer stay.Close()
	live := func() string {
		a, s := away.Counts(), stay.Counts()
		return fmt.Sprintf("%d and %d open, %s messages", a.Reading, s.Reading, report.Group(a.Delivered+s.Delivered))
	}
	b.Progress.Step(live, "%s: opening %d connections", step, b.Connections)
	opening, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if err := errors.Join(away.Open(opening, client.Reading, orphans), stay.Open(opening, client.Reading, b.Connections-orphans)); err != nil {
		return err
	}
	if err := t.during(ctx, b.plan.warm); err != nil {
		return err
	}
	b.Progress.Step(live, "%s: %d pushes a second", step, pushRate)
	stay.ResetLatency()
	if err := t.during(ctx, b.plan.before); err != nil {
		return err
	}
	if err := b.complete(ctx, t, away, stay); err != nil {
		return err
	}
	before := stay.Latency()

	b.Progress.Step(live, "%s: a node is killed (p99 of the others was %.1f ms)", step, report.Millis(before.P99))
	t.start(ctx)
	whole, back := measure.NewLatency(), measure.NewLatency()
	away.Take(measure.NewLatency(), measure.NewLatency())
	stay.ResetLatency()
	at := time.Now()
	n.all[killed].Kill()
	if err := b.back(ctx, away, r, n.registry, orphans, at); err != nil {
		return errors.Join(err, t.stop())
	}
	during := stay.Latency()
	away.Take(whole, back)
	if err := errors.Join(pace.Wait(ctx, b.plan.after), t.stop()); err != nil {
		return err
	}
	if err := b.complete(ctx, t, away, stay); err != nil {
		return err
	}
	stay.Take(whole, measure.NewLatency())
	a := away.Take(whole, measure.NewLatency())
	counts := make([]float64, 0, nodeCount-1)
	for _, s := range n.all[killed+1:] {
		n, err := s.Metric(ctx, "stentor_connections")
		if err != nil {
			return err
		}
		counts = append(counts, float64(n))
	}
	return k.add(a, stay.Counts(), float64(away.Missing(t.newestOf)+stay.Missing(t.newestOf)), sample{
		before: before, during: during, whole: whole.Summary(), back: back.Summary(), off: furthest(counts), orphans: orphans,
	})
}

const openTimeout = 3 * time.Minute

// crowd makes clients of these nodes, none open yet. With a route they come back.
func (b *bench) crowd(t *traffic, n int, r *route, to ...netip.AddrPort) (*client.Client, error) {
	o := client.Options{
		Addresses: to, Path: server.Path, Receipts: true, Headers: server.Anonymous, Sources: client.Crowd(n), Opening: max(n/10, 100),
		SubscriptionsOf: func(number int) []string { return []string{destination(int(stream(number, 0)))} },
		Stream:          stream, Newest: t.newestOf,
		Heartbeat: time.Minute, // keeps heart-beats out of the measurement
	}
	if r != nil {
		o.Resume, o.Opening, o.Address = true, n, r.next
		o.Connected = func(number int, _ *stomp.Frame) { r.connected(number) }
	}
	return client.New(o)
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

// sample is what one kill has shown.
type sample struct {
	before, during, whole, back measure.Summary
	off                         float64
	orphans                     int
}

func (k *kills) add(away, stay client.Counts, missing float64, s sample) error {
	if away.Resumed != int64(s.orphans) || away.Gaps > 0 {
		return fmt.Errorf("%d clients were told resumed:true and %d resumed:false, of %d", away.Resumed, away.Gaps, s.orphans)
	}
	if len(stay.Failures) > 0 {
		return fmt.Errorf("clients of other nodes were disconnected: %v", stay.Failures)
	}
	again := 0
	for _, n := range away.Again {
		again += n
	}
	orders := away.Order
	orders.Add(stay.Order)
	k.wrong += missing + float64(orders.Bad()-orders.Repeated)
	k.repeated += float64(orders.Repeated)
	k.delivered += away.Delivered + stay.Delivered
	k.backP50, k.backP99 = append(k.backP50, s.back.P50.Seconds()), append(k.backP99, s.back.P99.Seconds())
	k.back, k.off, k.again = append(k.back, s.back.Most.Seconds()), append(k.off, s.off), append(k.again, float64(again))
	k.before, k.during = append(k.before, report.Millis(s.before.P99)), append(k.during, report.Millis(s.during.P99))
	k.ratios = append(k.ratios, float64(s.during.P99)/float64(s.before.P99))
	k.latest = append(k.latest, report.Millis(s.whole.Most))
	return nil
}

func (k *kills) results() []report.Result {
	return []report.Result{
		report.New("kill", "until the last client is back", "s", k.back,
			report.With("p50", "s", k.backP50...), report.With("p99", "s", k.backP99...),
			report.With("attempts that failed, most of them at the dead node", "", k.again...),
			report.With("latest message of all, of all clients", "ms", k.latest...),
		).Most(backTarget),
		report.New("kill", "messages lost, reordered, corrupted", "", []float64{k.wrong}, report.With("messages", "", float64(k.delivered))).Most(0),
		report.New("kill", "messages repeated", "", []float64{k.repeated}).Most(0),
		report.New("kill", "the surviving node that is furthest from its share", "%", k.off).Most(survivorTarget),
		report.New("kill", "p99 of the other nodes' clients until all are back, against before", "times", k.ratios,
			report.With("p99 then", "ms", k.during...), report.With("p99 before", "ms", k.before...),
		).Most(othersTarget),
	}
}
