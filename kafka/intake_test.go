package kafka

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// openIntake is a reader that has opened its intake, of partition 0 of testTopic from its beginning.
func openIntake(t *testing.T, broker string) *reader {
	t.Helper()
	logs := make(chan ck.LogEvent, 1000)
	o := Options{Node: "n", Properties: map[string]string{"bootstrap.servers": broker}, Log: slog.New(slog.DiscardHandler)}
	r, err := newReader(&o, logs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	topic := testTopic
	if err := r.consumer.IncrementalAssign([]ck.TopicPartition{{Topic: &topic, Partition: 0, Offset: 0}}); err != nil {
		t.Fatal(err)
	}
	return r
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

func TestIntake(t *testing.T) {
	broker := mock(t, 1).BootstrapServers()
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
	in := openIntake(t, broker).intake
	next, largest := 0, 0
	for end := time.Now().Add(waitTime); next < len(all) && time.Now().Before(end); {
		n := in.take(pollTime)
		largest = max(largest, n)
		for i := range n {
			got, want := in.at(i), &all[next]
			if got.topic != testTopic || got.partition != 0 || got.offset != int64(next) || got.failed {
				t.Fatalf("record %d lies at %s/%d/%d, failed: %t", next, got.topic, got.partition, got.offset, got.failed)
			}
			if !bytes.Equal(got.Key, want.Key) || !bytes.Equal(got.Value, want.Value) || !got.Time.Equal(want.Timestamp) || show(got.Headers) != show(produced(want.Headers)) {
				t.Fatalf("record %d: %q %q %v %s", next, got.Key, short(string(got.Value)), got.Time, show(got.Headers))
			}
			next++
		}
		if allocs := testing.AllocsPerRun(10, func() {
			for i := range n {
				in.at(i)
			}
		}); allocs > 0 {
			t.Fatalf("%v allocations for %d records", allocs, n)
		}
		in.release()
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

// What comes behind records is told after them, and Kafka's errors are told.
func TestIntakeOther(t *testing.T) {
	broker := mock(t, 2).BootstrapServers()
	fill(t, broker, make([]ck.Message, 3))
	r := openIntake(t, broker)
	in, records := r.intake, 0
	next := func() (other any) {
		t.Helper()
		for end := time.Now().Add(waitTime); other == nil; {
			if time.Now().After(end) {
				t.Fatal("nothing more came")
			}
			records += in.take(pollTime)
			other = in.other()
			in.release()
		}
		return other
	}
	if e, ok := next().(ck.PartitionEOF); !ok || *e.Topic != testTopic || e.Partition != 0 || e.Offset != 3 || records != 3 {
		t.Errorf("%+v after %d records", e, records)
	}
	topic := testTopic
	if err := r.consumer.IncrementalAssign([]ck.TopicPartition{{Topic: &topic, Partition: 1, Offset: 1000}}); err != nil {
		t.Fatal(err)
	}
	if e, ok := next().(ck.Error); !ok || e.Code() != ck.ErrAutoOffsetReset || e.IsFatal() || e.Error() == "" {
		t.Errorf("%#v", e)
	}
}

// A record costs no memory until it is in the history.
func TestDecodeAllocates(t *testing.T) {
	for _, c := range []struct {
		name    string
		headers []Header
		most    float64
	}{
		{"topic", headers("destination", "/topic/shop/a", "content-type", "text/plain"), 0},
		{"headers", headers("destination", "/topic/shop/a", "color", "red"), 1},
		{"user", headers("destination", "/queue/orders", "user", "ann"), 1},
		{"all", headers("destination", "/queue/orders", "user", "ann", "push-id", "17", "ttl-ms", "1000"), 2},
	} {
		d := decoder()
		in := Record{Value: []byte("hello"), Headers: c.headers}
		allocs := testing.AllocsPerRun(100, func() {
			if _, _, err := d.Decode("shop", &in); err != nil {
				t.Fatal(err)
			}
		})
		if allocs > c.most {
			t.Errorf("%s: %v allocations", c.name, allocs)
		}
	}
}
