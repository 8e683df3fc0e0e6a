package kafka

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"golang.org/x/time/rate"

	"stentor/engine/bus"
	"stentor/engine/directory"
)

// Bus is a node's side of Kafka. It implements bus.Bus.
type Bus struct {
	opts     Options
	logs     chan ck.LogEvent
	logging  sync.WaitGroup
	client   *ck.Producer // of the watcher and the presence
	admin    *ck.AdminClient
	reader   *reader
	watcher  *watcher
	producer *producer
	presence *presence

	doubts    doubts
	flushed   atomic.Bool                      // Flush has returned: no push is accepted any more
	places    atomic.Pointer[map[string]place] // by project
	away      atomic.Pointer[string]           // why the last look failed for all projects; nil when it did not
	looked    atomic.Bool                      // a look has succeeded
	start     start                            // of notice
	unready   atomic.Pointer[error]            // what Ready returns; nil for good once the node has been ready
	lagging   atomic.Pointer[error]            // what Behind returns
	lateSince time.Time                        // when notice saw that this node is late, and has been since; zero: it is not
	refused   atomic.Pointer[string]           // why the brokers refuse this node; nil once a look succeeds
	fault     atomic.Pointer[string]           // how the last connection to a broker failed

	forwardFailed sync.Map // project to *atomic.Uint64: messages of clients that Kafka did not accept
	forwardLog    rate.Sometimes

	stopReading context.CancelFunc
	reading     sync.WaitGroup
	leave       context.CancelFunc
	present     sync.WaitGroup
	reporting   sync.WaitGroup
	closing     sync.Once
	closed      chan struct{}
	ended       chan struct{}
	err         error // once ended is closed
}

// New starts a bus. It returns an error for properties that librdkafka does not know. Unreachable brokers are no error: the
// bus keeps trying, and is not ready.
func New(o Options) (*Bus, error) {
	if err := errors.Join(CheckProperties(o.Properties)...); err != nil {
		return nil, err
	}
	if o.Directory == nil {
		o.Directory = directory.New(directory.Options{Key: o.ClusterKey, Self: o.Node})
	}
	b := &Bus{
		opts: o, logs: make(chan ck.LogEvent, 64), closed: make(chan struct{}), ended: make(chan struct{}),
		forwardLog: rate.Sometimes{First: 5, Interval: 10 * time.Second},
	}
	b.start.patience = cmp.Or(o.patience, patience)
	unready := fmt.Errorf("kafka: %w", errUnasked)
	b.unready.Store(&unready)
	b.logging.Go(func() { forward(b.logs, o.Log) })
	if err := b.open(); err != nil {
		b.discard()
		return nil, fmt.Errorf("kafka: %w", err)
	}
	reading, stopReading := context.WithCancel(context.Background())
	present, leave := context.WithCancel(context.Background())
	b.stopReading, b.leave = stopReading, leave
	b.reading.Go(func() { b.watcher.run(reading) })
	b.reading.Go(func() { b.reader.run(reading) })
	b.reading.Go(func() { b.reader.ends.run(reading, b.admin) })
	b.reading.Go(func() { b.notice(reading) })
	b.present.Go(func() {
		if err := b.presence.run(present); err != nil {
			b.err = err
			close(b.ended)
		}
	})
	return b, nil
}

// open creates the clients.
func (b *Bus) open() (err error) {
	o := &b.opts
	if b.client, err = ck.NewProducer(o.config(b.logs, nil, ck.ConfigMap{
		"message.timeout.ms": 3000, "go.events.channel.size": 16, "go.produce.channel.size": 1,
	})); err != nil {
		return err
	}
	if b.admin, err = ck.NewAdminClientFromProducer(b.client); err != nil {
		return err
	}
	if b.producer, err = newProducer(o, b.logs); err != nil {
		return err
	}
	if b.reader, err = newReader(o, b.logs); err != nil {
		return err
	}
	b.watcher = newWatcher(o, b.admin, b.reader, b.told())
	b.reader.ask = b.watcher.lookNow
	b.presence = newPresence(o, b.client, b.admin, b.logs, cmp.Or(o.Instance, rand.Text()), b.failed, b.status)
	b.reporting.Go(b.presence.reports)
	return nil
}

// discard closes what open created.
func (b *Bus) discard() {
	if b.reader != nil {
		b.reader.close()
	}
	if b.producer != nil {
		b.producer.close()
	}
	if b.client != nil {
		b.client.Close()
	}
	close(b.logs)
	b.logging.Wait()
}

// told returns the function that the watcher calls with the outcome of each look at the topics. One goroutine calls it.
func (b *Bus) told() func(places map[string]place, err error) {
	last := ""
	return func(places map[string]place, err error) {
		if b.doubts.settle(places, time.Now()) {
			time.AfterFunc(lookAgain, b.watcher.lookNow)
		}
		text := ""
		if err != nil {
			text = oneLine(err)
		}
		if places != nil {
			b.places.Store(&places)
			b.refused.Store(nil)
			b.away.Store(nil)
			b.looked.Store(true)
		} else {
			if unanswered(err) {
				text = b.silent()
			}
			b.away.Store(&text)
		}
		if text != "" && text != last {
			b.opts.Log.Warn("Kafka", "error", text)
		}
		last = text
	}
}

// silent is the text of the error when no broker answers.
func (b *Bus) silent() string {
	text := "no broker answers (kafka.brokers)"
	if how := b.fault.Load(); how != nil {
		text += ": " + *how
	}
	return text
}

// failed receives the connection errors of the client that looks at the topics. librdkafka keeps trying.
func (b *Bus) failed(e ck.Error) {
	text, ok := refusal(e)
	if !ok {
		if e.Code() == ck.ErrTransport {
			text = e.Error()
			b.fault.Store(&text)
		}
		return
	}
	if b.refused.Swap(&text) == nil {
		b.opts.Log.Error("Kafka", "error", text)
	}
}

// SetProjects implements bus.Bus.
func (b *Bus) SetProjects(list []bus.Topic) { b.watcher.setProjects(list) }

// Room implements bus.Bus.
func (b *Bus) Room(project string, records, _ int) error {
	if _, err := b.place(project); err != nil {
		return err
	}
	return b.producer.room(records)
}

// place is where a project's pushes go, or why they cannot.
func (b *Bus) place(project string) (at place, err error) {
	if places := b.places.Load(); places != nil {
		at = (*places)[project]
	}
	err = b.refusedBy()
	if l := (*b.watcher.lives.Load())[project]; l != nil && err == nil {
		if why := l.obstacle(); why != nil && (at.topic == "" || !l.served.Load()) {
			return at, fmt.Errorf("%w: %w", bus.ErrUnserved, why)
		}
	}
	if at.topic == "" {
		return at, fmt.Errorf("%w: %w", bus.ErrUnavailable, cmp.Or(err, errNotFound))
	}
	return at, nil
}

// Publish implements bus.Bus. It calls done when all in-sync replicas have the record.
func (b *Bus) Publish(r *bus.Record, done func(bus.Position, error)) {
	at, err := b.place(r.Project)
	if err != nil {
		done(bus.Position{}, err)
		return
	}
	home, from := at.home(Key(r))
	b.producer.produce(at.topic, Encode(r), func(partition int32, offset int64, err error) {
		if err != nil {
			done(bus.Position{}, err)
			return
		}
		pos := bus.Position{Epoch: at.epoch, Partition: partition, Offset: offset}
		if now := (*b.places.Load())[r.Project]; now.topic == at.topic {
			pos.Epoch = now.epoch
		}
		if pos.Epoch == at.epoch && home != nil && home.number == partition {
			if offset < from {
				b.doubts.add(doubt{r.Project, pos, time.Now(), done})
				b.watcher.lookNow()
				return
			}
			home.took(offset)
		}
		done(pos, nil)
	})
}

// Forward implements bus.Bus.
func (b *Bus) Forward(m *bus.Inbound, done func(error)) {
	answer := func(_ int32, _ int64, err error) {
		if err != nil {
			b.notForwarded(m.Project, err)
		}
		done(err)
	}
	to, err := b.inward(m.Project)
	if err != nil {
		answer(0, 0, fmt.Errorf("%w: %w", bus.ErrUnavailable, err))
		return
	}
	b.producer.produce(to, EncodeInbound(m), answer)
}

// inward returns the topic of what a project's clients send, or why there is none.
func (b *Bus) inward(project string) (topic string, err error) {
	if places := b.places.Load(); places != nil {
		topic = (*places)[project].in
	}
	if topic != "" {
		return topic, nil
	}
	if l := (*b.watcher.lives.Load())[project]; l != nil {
		if why := l.mute.Load(); why != nil {
			err = errors.New(*why)
		}
	}
	return "", cmp.Or(b.refusedBy(), err, errNotFound)
}

// notForwarded counts and logs a message of a client that was not forwarded. The client only learns that it should retry.
func (b *Bus) notForwarded(project string, err error) {
	n, _ := b.forwardFailed.LoadOrStore(project, new(atomic.Uint64))
	n.(*atomic.Uint64).Add(1)
	b.forwardLog.Do(func() {
		b.opts.Log.Warn("a client's SEND could not be forwarded to the back ends", "project", project, "error", err)
	})
}

// refusedBy returns why the brokers cannot be queried, nil when they can.
func (b *Bus) refusedBy() error {
	for _, why := range []*string{b.refused.Load(), b.away.Load()} {
		if why != nil {
			return errors.New(*why)
		}
	}
	return nil
}

// Ended is closed when the node must not go on: Err says why.
func (b *Bus) Ended() <-chan struct{} { return b.ended }

// Err returns why the node must end, after Ended is closed.
func (b *Bus) Err() error { return b.err }

// Flush implements bus.Bus. It also waits until this node has read its own pushes: clients that go to another node without
// a position receive them only from here.
func (b *Bus) Flush(ctx context.Context) {
	b.producer.flush(ctx)
	for !b.readOwn() && ctx.Err() == nil {
		pause(ctx, pausedTime)
	}
	b.flushed.Store(true)
}

// halfOf ends after half of the time that ctx has left.
func halfOf(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(end)/2)
}

// readOwn reports whether this node has read all of its own pushes.
func (b *Bus) readOwn() bool {
	places := b.places.Load()
	if places == nil {
		return true
	}
	for _, at := range *places {
		for _, p := range at.parts {
			if p.position.Load() < p.acked.Load() && !p.life.over() {
				return false
			}
		}
	}
	return true
}

// Close implements bus.Bus. It stores the offsets before it sends the last beat. Calls that hang in librdkafka are left until
// the process ends.
func (b *Bus) Close(ctx context.Context) error {
	b.closing.Do(func() {
		go func() {
			b.close(ctx)
			close(b.closed)
		}()
	})
	select {
	case <-b.closed:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("kafka: its clients did not end in time: %w", ctx.Err())
	}
}

func (b *Bus) close(ctx context.Context) {
	if !b.flushed.Load() {
		flushing, cancel := halfOf(ctx)
		b.Flush(flushing)
		cancel()
	}
	b.producer.close()
	b.stopReading()
	b.reading.Wait()
	b.doubts.settle(nil, time.Now().Add(2*doubtTime))
	b.reader.close()
	b.leave()
	b.present.Wait()
	b.client.Close()
	b.reporting.Wait()
	close(b.logs)
	b.logging.Wait()
}
