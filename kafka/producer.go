package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"golang.org/x/time/rate"

	"stentor/engine/bus"
)

// producer writes records to Kafka. Any goroutine may use it.
type producer struct {
	opts *Options
	logs chan ck.LogEvent

	mu      sync.RWMutex // held for reading by each produce
	client  *ck.Producer
	connect func(*ck.ConfigMap) (*ck.Producer, error)
	mending bool // it is being replaced
	sealed  bool // it accepts no more records
	reports sync.WaitGroup
	stop    chan struct{} // closed once it is sealed

	produced, failed, busy atomic.Uint64
	rebuilds               atomic.Uint64
	errorLog               rate.Sometimes
}

// answer is called once, with where a record was written or why it was not. It must not block.
type answer func(partition int32, offset int64, err error)

func newProducer(o *Options, logs chan ck.LogEvent) (*producer, error) {
	p := &producer{opts: o, logs: logs, connect: ck.NewProducer, stop: make(chan struct{}), errorLog: rate.Sometimes{First: 5, Interval: 10 * time.Second}}
	return p, p.open()
}

// open creates a client. The caller holds mu, or no other goroutine uses p.
func (p *producer) open() error {
	client, err := p.connect(p.opts.producerConfig(p.logs))
	if err != nil {
		return err
	}
	p.client = client
	p.reports.Go(func() { p.report(client) })
	return nil
}

// produce does not block. done may be called before it returns.
func (p *producer) produce(topic string, r Record, done answer) {
	m := &ck.Message{
		TopicPartition: ck.TopicPartition{Topic: &topic, Partition: ck.PartitionAny},
		Key:            r.Key, Value: r.Value, Timestamp: r.Time, Opaque: done,
		Headers: make([]ck.Header, len(r.Headers)),
	}
	for i, h := range r.Headers {
		m.Headers[i] = ck.Header{Key: h.Name, Value: h.Value}
	}
	p.mu.RLock()
	err := error(bus.ErrClosed)
	if !p.sealed {
		err = p.client.Produce(m, nil)
	}
	p.mu.RUnlock()
	if err != nil {
		done(0, 0, p.refused(err))
	}
}

// room returns nil when the queue has room for so many more records.
func (p *producer) room(records int) error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	switch {
	case p.sealed:
		return bus.ErrClosed
	case p.client.Len()+records > p.opts.queued():
		p.busy.Add(1)
		return bus.ErrBusy
	}
	return nil
}

// refused counts a failure and returns the error that the caller of Publish gets.
func (p *producer) refused(err error) error {
	var e ck.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() {
	case ck.ErrQueueFull:
		p.busy.Add(1)
		return bus.ErrBusy
	case ck.ErrMsgSizeTooLarge:
		p.failed.Add(1)
		return bus.ErrTooLarge
	}
	p.failed.Add(1)
	return fmt.Errorf("%w: Kafka: %w", bus.ErrUnavailable, err)
}

// report handles the delivery reports of one client until that is closed.
func (p *producer) report(client *ck.Producer) {
	for e := range client.Events() {
		switch e := e.(type) {
		case *ck.Message:
			done := e.Opaque.(answer)
			if err := e.TopicPartition.Error; err != nil {
				done(0, 0, p.refused(needs(err, "Write", *e.TopicPartition.Topic)))
				continue
			}
			p.produced.Add(1)
			done(e.TopicPartition.Partition, int64(e.TopicPartition.Offset), nil)
		case ck.Error:
			if e.IsFatal() {
				go p.replace(client, e)
				continue
			}
			p.errorLog.Do(func() { p.opts.Log.Warn("Kafka producer", "error", e.Error(), "code", e.Code().String()) })
		}
	}
}

// replace replaces a client that has failed for good, and retries until that succeeds. Records that the old one still had
// are answered with its error.
func (p *producer) replace(old *ck.Producer, why error) {
	p.mu.Lock()
	if p.mending || p.client != old {
		p.mu.Unlock()
		return
	}
	p.mending = true
	p.mu.Unlock()
	p.opts.Log.Error("the Kafka producer failed and is replaced", "error", why)
	for again := (backOff{}); ; {
		done, err := p.reopen()
		if done {
			break
		}
		p.opts.Log.Error("no Kafka producer yet", "error", err)
		select {
		case <-time.After(again.next()):
		case <-p.stop:
			return
		}
	}
	p.rebuilds.Add(1)
	end(old)
}

// reopen creates the new client. It also fails when the producer is sealed: then close ends the old one.
func (p *producer) reopen() (done bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sealed {
		return false, bus.ErrClosed
	}
	if err := p.open(); err != nil {
		return false, err
	}
	p.mending = false
	return true, nil
}

// seal refuses every later record.
func (p *producer) seal() *ck.Producer {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.sealed {
		p.sealed = true
		close(p.stop)
	}
	return p.client
}

// flush refuses every later record, and waits for those in flight.
func (p *producer) flush(ctx context.Context) {
	client := p.seal()
	for client.Flush(flushStep) > 0 && ctx.Err() == nil {
	}
}

// flushStep is how long flush waits before it looks at its context again, in milliseconds.
const flushStep = 50

// close ends the producer. Records that were not sent are answered with an error. It can take a second.
func (p *producer) close() {
	if client := p.seal(); client != nil {
		end(client)
		p.reports.Wait()
	}
}

// end closes a client.
func end(client *ck.Producer) {
	_ = client.Purge(ck.PurgeQueue | ck.PurgeInFlight)
	client.Flush(1000)
	client.Close()
}

// forward passes librdkafka's log lines on until logs is closed.
func forward(logs <-chan ck.LogEvent, log *slog.Logger) {
	for line := range logs {
		level := slog.LevelDebug
		if line.Level <= 3 { // syslog: error and worse
			level = slog.LevelWarn
		}
		log.Log(context.Background(), level, "librdkafka", "client", line.Name, "tag", line.Tag, "text", line.Message)
	}
}
