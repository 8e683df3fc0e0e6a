package librdkafka

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

const (
	testTopic = "records"
	waitTime  = 30 * time.Second
	pollTime  = 100 * time.Millisecond
)

// mock starts a broker with testTopic and returns its address.
func mock(t *testing.T, partitions int) string {
	t.Helper()
	c, err := ck.NewMockCluster(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.CreateTopic(testTopic, partitions, 1); err != nil {
		t.Fatal(err)
	}
	return c.BootstrapServers()
}

// open returns a consumer of partition 0 of testTopic from its beginning, with its Batch.
func open(t *testing.T, broker string) (*ck.Consumer, *Batch) {
	t.Helper()
	consumer, err := ck.NewConsumer(&ck.ConfigMap{
		"bootstrap.servers": broker, "group.id": "g", "enable.auto.commit": false, "enable.partition.eof": true, "auto.offset.reset": "error",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { consumer.Close() })
	b, err := New(consumer)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	assign(t, consumer, 0, 0)
	return consumer, b
}

func assign(t *testing.T, consumer *ck.Consumer, partition int32, from ck.Offset) {
	t.Helper()
	topic := testTopic
	if err := consumer.IncrementalAssign([]ck.TopicPartition{{Topic: &topic, Partition: partition, Offset: from}}); err != nil {
		t.Fatal(err)
	}
}

// fill produces to partition 0 of testTopic, in order.
func fill(t *testing.T, broker string, all []ck.Message) {
	t.Helper()
	p, err := ck.NewProducer(&ck.ConfigMap{"bootstrap.servers": broker, "go.delivery.reports": false})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	topic := testTopic
	for i := range all {
		all[i].TopicPartition = ck.TopicPartition{Topic: &topic, Partition: 0}
		if err := p.Produce(&all[i], nil); err != nil {
			t.Fatal(err)
		}
	}
	if left := p.Flush(int(waitTime.Milliseconds())); left > 0 {
		t.Fatalf("%d records were not produced", left)
	}
}

func TestBatch(t *testing.T) {
	broker := mock(t, 1)
	at := time.UnixMilli(1_700_000_000_123)
	kinds := []ck.Message{
		{Value: []byte("plain"), Key: []byte("key"), Headers: []ck.Header{{Key: "destination", Value: []byte("a")}, {Key: "x", Value: []byte{0, 255}}}},
		{Value: nil, Key: nil},
		{Value: []byte{}, Headers: []ck.Header{{Key: "none", Value: nil}, {Key: "empty", Value: []byte{}}, {Key: "none", Value: []byte("again")}}},
		{Value: bytes.Repeat([]byte("long "), 1000), Key: []byte("k")},
	}
	var all []ck.Message
	for i := range 1000 {
		m := kinds[i%len(kinds)]
		m.Timestamp = at.Add(time.Duration(i) * time.Millisecond)
		all = append(all, m)
	}
	fill(t, broker, all)
	_, b := open(t, broker)
	next, largest := 0, 0
	for end := time.Now().Add(waitTime); next < len(all) && time.Now().Before(end); {
		n := b.Take(pollTime)
		largest = max(largest, n)
		for i := range n {
			got, want := b.At(i), &all[next]
			if got.Topic != testTopic || got.Partition != 0 || got.Offset != int64(next) || got.Failed {
				t.Fatalf("record %d lies at %s/%d/%d, failed: %t", next, got.Topic, got.Partition, got.Offset, got.Failed)
			}
			if !bytes.Equal(got.Key, want.Key) || !bytes.Equal(got.Value, want.Value) || !got.Time.Equal(want.Timestamp) || show(got.Headers) != show(produced(want.Headers)) {
				t.Fatalf("record %d: %q %q %v %s", next, got.Key, got.Value, got.Time, show(got.Headers))
			}
			next++
		}
		if allocs := testing.AllocsPerRun(10, func() {
			for i := range n {
				b.At(i)
			}
		}); allocs > 0 {
			t.Fatalf("%v allocations for %d records", allocs, n)
		}
		b.Release()
	}
	if next != len(all) {
		t.Fatalf("%d of %d records came", next, len(all))
	}
	if largest < 2 {
		t.Error("each record came alone")
	}
}

func produced(list []ck.Header) (all []Header) {
	for _, h := range list {
		all = append(all, Header{h.Key, h.Value})
	}
	return all
}

func show(list []Header) string {
	var b strings.Builder
	for _, h := range list {
		fmt.Fprintf(&b, "%q:%q ", h.Name, h.Value)
	}
	return b.String()
}

// Events that follow records are reported after them, and so are Kafka's errors.
func TestOther(t *testing.T) {
	broker := mock(t, 2)
	fill(t, broker, make([]ck.Message, 3))
	consumer, b := open(t, broker)
	records := 0
	next := func() (other any) {
		t.Helper()
		for end := time.Now().Add(waitTime); other == nil; {
			if time.Now().After(end) {
				t.Fatal("nothing more came")
			}
			records += b.Take(pollTime)
			other = b.Other()
			b.Release()
		}
		return other
	}
	if e, ok := next().(ck.PartitionEOF); !ok || *e.Topic != testTopic || e.Partition != 0 || e.Offset != 3 || records != 3 {
		t.Errorf("%+v after %d records", e, records)
	}
	assign(t, consumer, 1, 1000)
	if e, ok := next().(Error); !ok || e.Code() != ck.ErrAutoOffsetReset || e.IsFatal() || e.Error.Error() == "" || e.Topic != testTopic {
		t.Errorf("%#v", e)
	}
}
