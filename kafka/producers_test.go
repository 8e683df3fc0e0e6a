package kafka

import (
	"context"
	"fmt"
	"testing"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"stentor/engine/bus"
	"stentor/kafka/kafkatest"
)

// backEnd produces numbered records to a topic with a client of its own.
type backEnd struct {
	t     *testing.T
	topic string
	*ck.Producer
}

func newBackEnd(t *testing.T, topic string, properties ck.ConfigMap) *backEnd {
	t.Helper()
	properties["bootstrap.servers"] = kafkatest.Bootstrap(t)
	p, err := ck.NewProducer(&properties)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return &backEnd{t, topic, p}
}

// produce writes records with the numbers from..to-1 to Kafka.
func (b *backEnd) produce(from, to int) {
	b.t.Helper()
	done := make(chan ck.Event, to-from)
	for i := from; i < to; i++ {
		err := b.Produce(&ck.Message{
			TopicPartition: ck.TopicPartition{Topic: &b.topic, Partition: 0}, Key: []byte("/topic/shop/a"), Value: []byte("x"),
			Headers: []ck.Header{{Key: "destination", Value: []byte("/topic/shop/a")}, {Key: "push-id", Value: fmt.Append(nil, i)}},
		}, done)
		if err != nil {
			b.t.Fatal(err)
		}
	}
	for range to - from {
		if m := (<-done).(*ck.Message); m.TopicPartition.Error != nil {
			b.t.Fatal(m.TopicPartition.Error)
		}
	}
}

func (b *backEnd) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// Records are read with every compression.
func TestRealCompressed(t *testing.T) {
	s := &sink{}
	o, topic := realOptions(t, s)
	ready(t, openTopic(t, o, topic))
	const each = 50
	n := 0
	for _, codec := range []string{"gzip", "snappy", "lz4", "zstd"} {
		newBackEnd(t, topic, ck.ConfigMap{"compression.type": codec, "linger.ms": 20}).produce(n, n+each)
		n += each
	}
	until(t, "delivered", func() bool { return s.count() == n })
	inOrder(t, s.ids(), 0)
}

// Records of an aborted transaction are not delivered, and those of an open one hold up the records after them. The
// transactions' own control records are skipped: a node that starts later becomes ready, and neither node is late.
func TestRealTransactions(t *testing.T) {
	s := &sink{}
	o, topic := realOptions(t, s)
	b := openTopic(t, o, topic)
	ready(t, b)
	plain := newBackEnd(t, topic, ck.ConfigMap{})
	b1 := newBackEnd(t, topic, ck.ConfigMap{"transactional.id": topic})
	ctx, cancel := context.WithTimeout(t.Context(), waitTime)
	defer cancel()
	b1.must(b1.InitTransactions(ctx))

	b1.must(b1.BeginTransaction())
	b1.produce(0, 10)
	b1.must(b1.CommitTransaction(ctx))
	b1.must(b1.BeginTransaction())
	b1.produce(1000, 1010)
	b1.must(b1.AbortTransaction(ctx))
	until(t, "the first transaction", func() bool { return s.count() == 10 })

	b1.must(b1.BeginTransaction())
	b1.produce(10, 20)
	plain.produce(20, 30)
	later := &sink{}
	o2 := o
	o2.Node, o2.Sink, later.applied = o.Node+"-2", later, map[int32]bus.Position{}
	b2 := openTopic(t, o2, topic)
	ready(t, b2)
	if s.count() != 10 || later.count() != 10 {
		t.Errorf("%d and %d pushes before the transaction ends", s.count(), later.count())
	}
	b1.must(b1.CommitTransaction(ctx))
	for _, one := range []*sink{s, later} {
		until(t, "all", func() bool { return one.count() == 30 })
		inOrder(t, one.ids(), 0)
	}
	if s.at[29] != later.at[29] {
		t.Errorf("positions %s and %s", s.at[29], later.at[29])
	}
	since := time.Now()
	for _, one := range []*Bus{b, b2} {
		until(t, "the end that the partition has since then", func() (reached bool) {
			inReader(one, func(r *reader) {
				p := r.parts[partitionKey{topic, 0}]
				end := p.known.Load()
				reached = end.at.After(since) && p.position.Load() >= end.offset
			})
			return reached && one.reader.lateness() == 0 && one.reader.count(testProject).lag.Load() == 0
		})
	}
}
