package cluster

import (
	"context"
	"errors"
	"math"
	"net/netip"
	"sync"
	"time"

	"stentor/bench/gen/measure"
	"stentor/bench/gen/pace"
	"stentor/bench/suite/report"
)

const (
	spreadTarget  = 5.0  // percent that a node may be from its ideal share
	choicesTarget = 1.0  // seconds for all of them
	answerTarget  = 20.0 // ms, the 99th percentile
	// askers ask at the same time. A registry lets one address ask 2,000 times at once.
	askers = 20
)

// choices asks the registry for one node as often as clients would, over connections that stay open, as fast as it
// answers. Nodes are empty and alike, so each should be named a third of the times; the first of the answer counts.
//
// A registry counts clients that it sent to a node until two beats of the node do not include them. No client
// connects here, so each sample waits until that is over at all nodes, whose beats come at different times.
func (b *bench) choices(ctx context.Context) (results []report.Result, err error) {
	err = b.withNodes(ctx, "choices", setup{}, func(ctx context.Context, n *nodes) error {
		var off, seconds, p99, most []float64
		for i := range b.plan.samples {
			b.Progress.Step(nil, "choices %d/%d: %d", i+1, b.plan.samples, b.plan.choices)
			if err := pace.Wait(ctx, b.plan.settle); err != nil {
				return err
			}
			s, err := b.choose(ctx, n, askers*i+1)
			if err != nil {
				return err
			}
			off, seconds = append(off, s.off), append(seconds, s.took.Seconds())
			p99, most = append(p99, report.Millis(s.late.P99)), append(most, report.Millis(s.late.Most))
		}
		results = []report.Result{
			report.New("choices", "the node that is furthest from its share", "%", off).Most(spreadTarget),
			report.New("choices", report.Group(int64(b.plan.choices))+" choices", "s", seconds).Most(choicesTarget),
			report.New("choices", "p99 of an answer over a connection that stays open", "ms", p99, report.With("longest", "ms", most...)).Most(answerTarget),
		}
		return nil
	})
	return results, err
}

type choice struct {
	off  float64 // percent
	took time.Duration
	late measure.Summary
}

// choose takes one sample. Its askers have addresses from `from` on.
func (b *bench) choose(ctx context.Context, n *nodes, from int) (choice, error) {
	var mu sync.Mutex
	var all sync.WaitGroup
	late, named := measure.NewLatency(), map[netip.AddrPort]int{}
	var failed error
	began := time.Now()
	for i := range askers {
		share := b.plan.choices / askers
		all.Go(func() {
			a := newAsker(n.first.url, askFrom(from+i))
			defer a.close()
			own, times := map[netip.AddrPort]int{}, measure.NewLatency()
			var err error
			for range share {
				asked := time.Now()
				var got answer
				if got, err = a.ask(ctx, nodeCount); err != nil {
					break
				}
				times.Record(time.Since(asked))
				own[got.to[0]]++
			}
			mu.Lock()
			defer mu.Unlock()
			late.Merge(times)
			failed = errors.Join(failed, err)
			for to, n := range own {
				named[to] += n
			}
		})
	}
	all.Wait()
	c := choice{took: time.Since(began), late: late.Summary()}
	counts := make([]float64, 0, nodeCount)
	for _, s := range n.list() {
		counts = append(counts, float64(named[s.Client]))
	}
	c.off = furthest(counts)
	return c, failed
}

// furthest is how many percent the one is off that is furthest from the mean.
func furthest(counts []float64) (percent float64) {
	sum := 0.0
	for _, n := range counts {
		sum += n
	}
	mean := sum / float64(len(counts))
	for _, n := range counts {
		percent = max(percent, 100*math.Abs(n-mean)/mean)
	}
	return percent
}
