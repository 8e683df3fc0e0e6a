package kafka

import (
	"context"
	"errors"
	"fmt"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"stentor/engine/bus"
)

// recheck handles topics with fetches from offsets that do not exist. anyTopic stands for all topics.
func (w *watcher) recheck(ctx context.Context, lost map[string]bool) error {
	var all []error
	for name, t := range w.topics {
		if !lost[name] && !lost[anyTopic] {
			continue
		}
		if err := w.recheckTopic(ctx, name, t); err != nil {
			w.reader.lose(name)
			all = append(all, fmt.Errorf("topic %s of project %s: %w", name, t.project, err))
		}
	}
	return errors.Join(all...)
}

// recheckTopic moves the reader to the next offset that exists in each partition: what it skips is a gap.
func (w *watcher) recheckTopic(ctx context.Context, name string, t *topic) error {
	var numbers []int32
	nexts := map[int32]int64{} // taken before the ends are requested: the reader reads on, and must not seem to be beyond them
	for _, p := range t.parts {
		numbers = append(numbers, p.number)
		nexts[p.number] = p.position.Load()
	}
	begins, err := offsets(ctx, w.admin, name, numbers, ck.EarliestOffsetSpec)
	if err != nil {
		return err
	}
	ends, err := offsets(ctx, w.admin, name, numbers, ck.LatestOffsetSpec)
	if err != nil {
		return err
	}
	for i, p := range t.parts {
		next := nexts[p.number]
		begin := min(max(next, begins[p.number]), ends[p.number])
		again := newPartition(bus.Topic{Project: t.project, Name: name}, p.number, t.epoch, begin, ends[p.number])
		again.life, again.resumes = t.life, begin == next
		if !again.resumes {
			w.opts.Log.Warn("a gap: records were deleted before this node read them", "topic", name, "partition", p.number, "wanted", next, "next", begin)
			w.reader.gaps.Add(1)
		}
		again.before = p
		w.reader.leave([]*partition{p})
		w.reader.join([]*partition{again})
		t.parts[i] = again
	}
	return nil
}
