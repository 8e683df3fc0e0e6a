package kafka

import (
	"context"
	"maps"
	"slices"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"stentor/engine/bus"
)

// mostBack is how many records before a begin are worth reading to avoid a gap, even where few follow it.
const mostBack = 10_000

// reachBack moves the begin of a topic that is new here to where the node's history from before its restart ends, which avoids
// a gap. It leaves the begin where those records no longer exist, or would more than double what the start reads.
func (w *watcher) reachBack(ctx context.Context, b *beginning) error {
	if w.opts.Covered == nil {
		return nil
	}
	back := map[int32]int64{}
	for n, begin := range b.begins {
		next := w.opts.Covered(b.Project, bus.Position{Epoch: b.epoch, Partition: n, Offset: begin}, b.ends[n])
		if worthIt(next, begin, b.ends[n]) {
			back[n] = next
		}
	}
	firsts, err := offsets(ctx, w.admin, b.Name, slices.Sorted(maps.Keys(back)), ck.EarliestOffsetSpec)
	if err != nil {
		return err
	}
	for n, next := range back {
		if next >= firsts[n] {
			b.begins[n] = next
		}
	}
	return nil
}

func worthIt(next, begin, end int64) bool {
	return next < begin && begin-next <= max(end-begin, mostBack)
}
