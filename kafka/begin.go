package kafka

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// beginning is a topic that the reader does not read in full yet.
type beginning struct {
	wanted
	found
	in    string // topic of what clients send, once it exists
	inErr error  // why in is empty

	fresh        bool    // the topic is new here
	missing      []int32 // partitions that the reader does not have yet
	begins, ends map[int32]int64
	err          error // why the reader cannot begin
}

// plan says which partitions of a topic the reader lacks.
func (w *watcher) plan(ctx context.Context, t wanted, there map[string]found) *beginning {
	b := &beginning{wanted: t}
	if t.In != "" {
		if _, b.inErr = w.find(ctx, there, t.Project, t.In, "Write"); b.inErr == nil {
			b.in = t.In
		}
	}
	if b.found, b.err = w.find(ctx, there, t.Project, t.Name, "Read and Write"); b.err != nil {
		return b
	}
	known := w.topics[t.Name]
	b.fresh = known == nil
	for _, n := range b.partitions {
		if known == nil || known.epoch != b.epoch || !slices.ContainsFunc(known.parts, func(p *partition) bool { return p.number == n }) {
			b.missing = append(b.missing, n)
		}
	}
	return b
}

// askers is how many topics are queried at once: one whose brokers do not answer must not keep the others waiting.
const askers = 16

// ask looks up where the missing partitions of topics begin and end.
func (w *watcher) ask(ctx context.Context, all []*beginning) {
	var asking sync.WaitGroup
	turns := make(chan struct{}, askers)
	for _, b := range all {
		if b.err != nil || len(b.missing) == 0 {
			continue
		}
		turns <- struct{}{}
		asking.Go(func() {
			if err := w.bounds(ctx, b); err != nil {
				b.err = fmt.Errorf("topic %s of project %s: %w", b.Name, b.Project, needs(err, "Read", b.Name))
			}
			<-turns
		})
	}
	asking.Wait()
}

// bounds looks up where the missing partitions of a topic begin and end. Partitions of a topic that is new here begin the window
// before the end. Partitions that were added while the node runs, and those of a recreated topic, begin at their first record.
func (w *watcher) bounds(ctx context.Context, b *beginning) (err error) {
	if b.ends, err = offsets(ctx, w.admin, b.Name, b.missing, ck.LatestOffsetSpec); err != nil {
		return err
	}
	from := ck.EarliestOffsetSpec
	if b.fresh {
		from = ck.NewOffsetSpecForTimestamp(time.Now().Add(-w.opts.Window).UnixMilli())
	}
	if b.begins, err = offsets(ctx, w.admin, b.Name, b.missing, from); err != nil {
		return err
	}
	for n, begin := range b.begins {
		if begin == none { // nothing within the window
			b.begins[n] = b.ends[n]
		}
	}
	if b.fresh {
		return w.reachBack(ctx, b)
	}
	return nil
}

// begin hands the missing partitions of a topic to the reader.
func (w *watcher) begin(b *beginning) {
	if len(b.missing) == 0 {
		return
	}
	var have []*partition
	if known := w.topics[b.Name]; known != nil && known.epoch == b.epoch {
		have = known.parts
	} else if known != nil {
		w.opts.Log.Warn("the topic was recreated: clients cannot resume across it", "topic", b.Name, "project", b.Project)
		w.reader.leave(known.parts)
	}
	var parts []*partition
	for _, n := range b.missing {
		p := newPartition(b.Topic, n, b.epoch, b.begins[n], b.ends[n])
		p.life = b.life
		parts = append(parts, p)
	}
	w.reader.join(parts)
	w.topics[b.Name] = &topic{project: b.Project, life: b.life, epoch: b.epoch, parts: append(slices.Clone(have), parts...)}
}
