package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"stentor/bench/gen/measure"
	"stentor/bench/gen/pace"
)

// producer is a back end that produces records directly. Its methods but produced and acknowledged are for one
// goroutine.
type producer struct {
	client *ck.Producer
	topic  string
	reads  sync.WaitGroup
	scrap  []byte

	produced     atomic.Int64
	acknowledged atomic.Int64
	failure      atomic.Pointer[error] // of the first record that Kafka did not take
}

// newProducer connects to Kafka. linger is how long a record may wait for others that travel with it.
func newProducer(brokers []string, topic string, linger time.Duration) (*producer, error) {
	client, err := ck.NewProducer(&ck.ConfigMap{
		"bootstrap.servers":            strings.Join(brokers, ","),
		"enable.idempotence":           true,
		"partitioner":                  "murmur2_random",
		"linger.ms":                    int(linger.Milliseconds()),
		"queue.buffering.max.messages": 200_000,
		"queue.buffering.max.kbytes":   256 << 10,
		"go.delivery.report.fields":    "none",
		"go.produce.channel.size":      1,
	})
	if err != nil {
		return nil, err
	}
	p := &producer{client: client, topic: topic}
	p.reads.Go(p.report)
	return p, nil
}

// report takes the delivery reports until the client is closed.
func (p *producer) report() {
	for e := range p.client.Events() {
		switch e := e.(type) {
		case *ck.Message:
			if err := e.TopicPartition.Error; err != nil {
				p.fail(err)
			}
			p.acknowledged.Add(1)
		case ck.Error:
			if e.IsFatal() {
				p.fail(e)
			}
		}
	}
}

func (p *producer) fail(err error) {
	err = fmt.Errorf("producing to Kafka: %w", err)
	p.failure.CompareAndSwap(nil, &err)
}

// err is why a record was not taken.
func (p *producer) err() error {
	if e := p.failure.Load(); e != nil {
		return *e
	}
	return nil
}

// record is one push.
type record struct {
	destination string
	user        string // empty: to all who subscribed to destination
	seq         uint32
	due         time.Time
	size        int
}

// produce hands a record to the client library, and waits while the library's queue is full.
func (p *producer) produce(ctx context.Context, r record) error {
	key := r.destination
	headers := []ck.Header{{Key: "destination", Value: []byte(r.destination)}, {Key: "content-type", Value: []byte("application/json")}}
	if r.user != "" {
		key = "user/" + r.user
		headers = append(headers, ck.Header{Key: "user", Value: []byte(r.user)})
	}
	p.scrap = measure.AppendPayload(p.scrap[:0], r.seq, r.due.UnixNano(), r.size)
	m := &ck.Message{
		TopicPartition: ck.TopicPartition{Topic: &p.topic, Partition: ck.PartitionAny},
		Key:            []byte(key), Value: p.scrap, Headers: headers, // which the library copies
	}
	for {
		if err := p.err(); err != nil {
			return err
		}
		err := p.client.Produce(m, nil)
		if err == nil {
			p.produced.Add(1)
			return nil
		}
		if e := (ck.Error{}); !errors.As(err, &e) || e.Code() != ck.ErrQueueFull {
			return err
		}
		if err := pace.Wait(ctx, time.Millisecond); err != nil {
			return err
		}
	}
}

// flush waits until Kafka has acknowledged everything.
func (p *producer) flush(ctx context.Context) error {
	for p.acknowledged.Load() < p.produced.Load() {
		if err := pace.Wait(ctx, time.Millisecond); err != nil {
			return err
		}
	}
	return p.err()
}

func (p *producer) close() {
	p.client.Close()
	p.reads.Wait()
}

// paced calls one for each event of d when it is due, open loop: late events are not skipped, and keep the time at which
// they were due. Events less than a millisecond apart go out together.
func paced(ctx context.Context, rate pace.Rate, d time.Duration, one func(due time.Time) error) (n int, err error) {
	start := time.Now()
	for total := rate.Count(d); n < total; {
		if left := time.Until(start.Add(rate.At(n))); left > 0 {
			if err := pace.Wait(ctx, max(left, time.Millisecond)); err != nil {
				return n, err
			}
		}
		for due := min(rate.Due(time.Since(start)), total); n < due; n++ {
			if err := one(start.Add(rate.At(n))); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}
