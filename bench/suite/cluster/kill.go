package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stentor/bench/gen/client"
	"stentor/bench/gen/measure"
	"stentor/bench/gen/pace"
	"stentor/bench/gen/push"
	"stentor/bench/machine/server"
	"stentor/bench/suite/report"
)

const (
	backTarget     = 5.0  // seconds until all are back
	survivorTarget = 10.0 // percent that a node may be from its share
	othersTarget   = 2.0  // most growth of the p99 of other nodes' clients, as a factor
)

// victim is the node that is taken away.
const victim = 0

// kill connects a third of the clients to each of three nodes, each to one of many destinations, and pushes at a steady
// rate. It takes the 99th percentile of how late messages come, from the time that each push was due; ends one node by
// SIGKILL; and goes on pushing. The node's clients ask the registry where to connect, wait the part of spread_ms that
// they draw, and resume. From the kill until all of them are back the same percentile is taken again, of the clients of
// the other nodes. Then everything that was pushed has to be there, which is checked by number on each client.
func (b *bench) kill(ctx context.Context) ([]report.Result, error) {
	k := &losses{name: "kill", back: "until the last client is back", most: backTarget}
	for i := range b.plan.kills {
		err := b.withNodes(ctx, fmt.Sprint("kill-", i), setup{}, func(ctx context.Context, n *nodes) error {
			step := fmt.Sprintf("kill %d/%d", i+1, b.plan.kills)
			return b.lose(ctx, n, step, k, nil, func(s *server.Server) error { n.end(s, s.Kill); return nil })
		})
		if err != nil {
			return nil, err
		}
	}
	return k.results(), nil
}

// losses are the samples of nodes that were lost.
type losses struct {
	name, back string // of the measurement, and of how long it takes until clients are back
	most       float64
	details    []report.Detail
	faults
	backP50, backP99, backMost, off       []float64
	ratios, before, during, latest, again []float64
}

// lose connects clients to three nodes and takes one of the nodes away. change, unless nil, alters the options of all clients.
func (b *bench) lose(ctx context.Context, n *nodes, step string, k *losses, change func(*client.Options), how func(*server.Server) error) error {
	sender, err := push.NewKafka(push.KafkaOptions{Brokers: b.Brokers, Topic: n.topic})
	if err != nil {
		return err
	}
	defer sender.Close()
	t := &traffic{to: sender, active: destinations}
	orphans := b.Connections / nodeCount
	all := n.list()
	gone := all[victim]
	h := newHoming(orphans, n.only(victim), n.first.url)
	away, err := b.crowd(t, orphans, h, change, gone.Client)
	if err != nil {
		return err
	}
	defer away.Close()
	h.start(ctx, away)
	defer h.end()
	stay, err := b.crowd(t, b.Connections-orphans, nil, change, all[1].Client, all[2].Client)
	if err != nil {
		return err
	}
	defer stay.Close()
	live := func() string {
		a, s := away.Counts(), stay.Counts()
		return fmt.Sprintf("%d and %d open, %s messages", a.Reading, s.Reading, report.Group(a.Delivered+s.Delivered))
	}
	b.Progress.Step(live, "%s: opening %d connections", step, b.Connections)
	if err := errors.Join(open(ctx, away, orphans), open(ctx, stay, b.Connections-orphans)); err != nil {
		return err
	}
	before, err := b.sample(ctx, t, live, step, stay, away)
	if err != nil {
		return err
	}

	b.Progress.Step(live, "%s: a node is lost (p99 of the others was %.1f ms)", step, report.Millis(before.P99))
	t.start(ctx)
	whole, back := measure.NewLatency(), measure.NewLatency()
	away.Take(measure.NewLatency(), measure.NewLatency())
	stay.ResetLatency()
	at := time.Now()
	h.since(at)
	if err := how(gone); err != nil {
		return errors.Join(err, t.stop())
	}
	if err := h.whole(ctx, orphans, int64(orphans), b.plan.patience+time.Duration(k.most*float64(time.Second))); err != nil {
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
	away.Take(whole, measure.NewLatency())
	counts, err := n.connections(ctx, all[victim+1:])
	if err != nil {
		return err
	}
	k.faults.add(t, away, stay)
	return k.add(away.Counts(), stay.Counts(), sample{
		before: before, during: during, whole: whole.Summary(), back: back.Summary(), off: furthest(counts), orphans: orphans,
	})
}

// sample pushes for a while and returns how late messages came to stay.
func (b *bench) sample(ctx context.Context, t *traffic, live func() string, step string, stay *client.Client, others ...*client.Client) (measure.Summary, error) {
	if err := t.during(ctx, b.plan.warm); err != nil {
		return measure.Summary{}, err
	}
	b.Progress.Step(live, "%s: %d pushes a second", step, pushRate)
	stay.ResetLatency()
	if err := t.during(ctx, b.plan.before); err != nil {
		return measure.Summary{}, err
	}
	err := b.complete(ctx, t, append(others, stay)...)
	return stay.Latency(), err
}

// sample is the result of one loss.
type sample struct {
	before, during, whole, back measure.Summary
	off                         float64
	orphans                     int
}

func (k *losses) add(away, stay client.Counts, s sample) error {
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
	k.backP50, k.backP99 = append(k.backP50, s.back.P50.Seconds()), append(k.backP99, s.back.P99.Seconds())
	k.backMost, k.off, k.again = append(k.backMost, s.back.Most.Seconds()), append(k.off, s.off), append(k.again, float64(again))
	k.before, k.during = append(k.before, report.Millis(s.before.P99)), append(k.during, report.Millis(s.during.P99))
	k.ratios = append(k.ratios, float64(s.during.P99)/float64(s.before.P99))
	k.latest = append(k.latest, report.Millis(s.whole.Most))
	return nil
}

func (k *losses) results() []report.Result {
	all := []report.Result{
		report.New(k.name, k.back, "s", k.backMost, append([]report.Detail{
			report.With("p50", "s", k.backP50...), report.With("p99", "s", k.backP99...),
			report.With("attempts that failed, most of them at the lost node", "", k.again...),
			report.With("latest message of all, of all clients", "ms", k.latest...),
		}, k.details...)...).Most(k.most),
	}
	all = append(all, k.faults.results(k.name)...)
	return append(all,
		report.New(k.name, "the surviving node that is furthest from its share", "%", k.off).Most(survivorTarget),
		report.New(k.name, "p99 of the other nodes' clients until all are back, against before", "times", k.ratios,
			report.With("p99 then", "ms", k.during...), report.With("p99 before", "ms", k.before...),
		).Most(othersTarget),
	)
}
