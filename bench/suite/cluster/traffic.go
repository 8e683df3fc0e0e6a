package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"stentor/bench/gen/measure"
	"stentor/bench/gen/pace"
	"stentor/bench/gen/push"
	"stentor/bench/machine/server"
)

// traffic is a back end that produces to Kafka, to the destinations in turn. Each has a numbering of its own.
type traffic struct {
	to     push.Sender
	active int // of the destinations; the others are silent
	newest [destinations]atomic.Uint32

	cancel context.CancelFunc
	done   sync.WaitGroup
	err    error
}

func destination(stream int) string { return fmt.Sprintf("/topic/bench/%d", stream) }

// stream is the destination of a connection.
func stream(number, _ int) uint32 { return uint32(number % destinations) }

// newestOf is the number of the last push to a connection's destination that was made by now.
func (t *traffic) newestOf(number, sub int) uint32 { return t.newest[stream(number, sub)].Load() }

// start pushes until stop. What could not go out in time goes out late, with the time at which it was due.
func (t *traffic) start(ctx context.Context) {
	ctx, t.cancel = context.WithCancel(ctx)
	t.err = nil
	t.done.Go(func() {
		began := time.Now()
		for n := 0; pace.Wait(ctx, time.Until(began.Add(pace.Rate(pushRate).At(n)))) == nil; {
			var batch []push.Message
			for due := pace.Rate(pushRate).Due(time.Since(began)); n < due; n++ {
				batch = append(batch, t.next(n%t.active, began.Add(pace.Rate(pushRate).At(n))))
			}
			if taken, err := t.to.Send(context.WithoutCancel(ctx), batch); err != nil {
				t.err = fmt.Errorf("%d of %d pushes were taken: %w", taken, len(batch), err)
				return
			}
		}
	})
}

func (t *traffic) next(stream int, due time.Time) push.Message {
	return push.Message{
		Project: server.Project, Destination: destination(stream), Stream: uint32(stream), Size: payloadBytes,
		Payload: measure.Payload{Seq: t.newest[stream].Add(1), Due: due.UnixNano(), Stream: uint64(stream)},
	}
}

// stop ends start, and returns when Kafka has all that was pushed.
func (t *traffic) stop() error {
	t.cancel()
	t.done.Wait()
	return t.err
}

// during pushes for a while.
func (t *traffic) during(ctx context.Context, d time.Duration) error {
	t.start(ctx)
	return errors.Join(pace.Wait(ctx, d), t.stop())
}

// once pushes one to each destination.
func (t *traffic) once(ctx context.Context) error {
	var batch []push.Message
	for i := range destinations {
		batch = append(batch, t.next(i, time.Now()))
	}
	_, err := t.to.Send(ctx, batch)
	return err
}
