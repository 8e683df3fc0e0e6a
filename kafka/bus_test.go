package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"stentor/engine/bus"
)

// sink keeps what is delivered to it.
type sink struct {
	mu      sync.Mutex
	begins  []bus.Position
	records []*bus.Record
	at      []bus.Position
	applied map[int32]bus.Position
	full    map[string]bool // projects
	held    []*taken        // when hold is set
	hold    bool
}

type taken struct {
	mu   sync.Mutex
	done bool
}

func (t *taken) Taken() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.done
}

func (s *sink) Begin(_ string, pos bus.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begins = append(s.begins, pos)
}

func (s *sink) Deliver(pos bus.Position, r *bus.Record) (bus.Position, bus.Taken) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records, s.at = append(s.records, kept(r)), append(s.at, pos)
	t := &taken{done: !s.hold}
	if s.hold {
		s.held = append(s.held, t)
	}
	return pos, t
}

// kept is a copy of a record, which is valid only during its delivery.
func kept(r *bus.Record) *bus.Record {
	c := *r
	c.Body, c.Headers = bytes.Clone(r.Body), slices.Clone(r.Headers)
	return &c
}

func (s *sink) Advance(_ string, pos bus.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.applied[pos.Partition] = pos
}

func (s *sink) Flush() {}

func (s *sink) Full(project string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.full[project]
}

func (s *sink) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *sink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.records)
}

const (
	testProject = "shop"
	testTopic   = "stentor.push.shop"
	waitTime    = time.Minute
)

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(waitTime); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %s", what, waitTime)
		}
	}
}

// mock starts a broker in this process. The test runs beside others that have one.
func mock(t *testing.T, partitions int) *ck.MockCluster {
	t.Helper()
	t.Parallel()
	mc, err := ck.NewMockCluster(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(mc.Close)
	for topic, n := range map[string]int{testTopic: partitions, "stentor.nodes": 1} {
		if err := mc.CreateTopic(topic, n, 1); err != nil {
			t.Fatal(err)
		}
	}
	return mc
}

func testOptions(bootstrap string, s *sink) Options {
	s.applied = map[int32]bus.Position{}
	return Options{
		Node: "n1", Properties: map[string]string{"bootstrap.servers": bootstrap}, Partitions: 1, NodesTopic: "stentor.nodes",
		Window: time.Minute, PushTimeout: 3 * time.Second, PushBytes: 1 << 20, Sink: s, Own: ownTest, Log: slog.New(slog.DiscardHandler),
	}
}

func open(t *testing.T, o Options) *Bus {
	t.Helper()
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeBus(b) })
	b.SetProjects([]bus.Topic{{Project: testProject, Name: testTopic}})
	return b
}

// closeBus gives a bus the time that it needs.
func closeBus(b *Bus) {
	ctx, cancel := context.WithTimeout(context.Background(), waitTime)
	defer cancel()
	_ = b.Close(ctx)
}

func ready(t *testing.T, b *Bus) {
	t.Helper()
	until(t, "ready", func() bool { return b.Ready() == nil })
}

func push(b *Bus, destination, id string) (bus.Position, error) {
	return pushTo(b, testProject, destination, id)
}

func pushTo(b *Bus, project, destination, id string) (bus.Position, error) {
	type result struct {
		pos bus.Position
		err error
	}
	got := make(chan result, 1)
	r := &bus.Record{Project: project, Destination: destination, ID: id, Body: []byte(id), Time: time.Now()}
	b.Publish(r, func(pos bus.Position, err error) { got <- result{pos, err} })
	select {
	case g := <-got:
		return g.pos, g.err
	case <-time.After(waitTime):
		return bus.Position{}, fmt.Errorf("no answer within %s", waitTime)
	}
}

// raw writes a record to the topic as another producer would.
func raw(t *testing.T, bootstrap string, partition int32, key, value string, headers ...ck.Header) {
	t.Helper()
	p, err := ck.NewProducer(&ck.ConfigMap{"bootstrap.servers": bootstrap})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	done := make(chan ck.Event, 1)
	topic := testTopic
	if err := p.Produce(&ck.Message{TopicPartition: ck.TopicPartition{Topic: &topic, Partition: partition}, Key: []byte(key), Value: []byte(value), Headers: headers}, done); err != nil {
		t.Fatal(err)
	}
	if m := (<-done).(*ck.Message); m.TopicPartition.Error != nil {
		t.Fatal(m.TopicPartition.Error)
	}
}

func TestPushesComeInOrder(t *testing.T) {
	mc := mock(t, 1)
	s := &sink{}
	b := open(t, testOptions(mc.BootstrapServers(), s))
	ready(t, b)
	const n = 500
	epoch := s.begins[0].Epoch
	for i := range n {
		pos, err := push(b, "/topic/shop/a", fmt.Sprint(i))
		if err != nil {
			t.Fatal(err)
		}
		if want := (bus.Position{Epoch: epoch, Offset: int64(i)}); pos != want {
			t.Fatalf("position %s, want %s", pos, want)
		}
	}
	until(t, "delivered", func() bool { return s.count() == n })
	for i, r := range s.records {
		if r.ID != fmt.Sprint(i) || s.at[i].Offset != int64(i) {
			t.Fatalf("record %d is %s at %s", i, r.ID, s.at[i])
		}
	}
	if len(s.begins) != 1 || epoch == 0 || s.begins[0] != (bus.Position{Epoch: epoch}) {
		t.Errorf("begins %v", s.begins)
	}
}

func TestEveryPartitionIsRead(t *testing.T) {
	mc := mock(t, 4)
	s := &sink{}
	b := open(t, testOptions(mc.BootstrapServers(), s))
	ready(t, b)
	partitions := map[int32]bool{}
	for i := range 50 {
		pos, err := push(b, fmt.Sprintf("/topic/shop/%d", i), fmt.Sprint(i))
		if err != nil {
			t.Fatal(err)
		}
		partitions[pos.Partition] = true
	}
	until(t, "delivered", func() bool { return s.count() == 50 })
	if len(s.begins) != 4 || len(partitions) != 4 {
		t.Errorf("begins %v, pushes in %v", s.begins, partitions)
	}
}

// Two nodes read the same, under the same positions.
func TestTwoNodes(t *testing.T) {
	mc := mock(t, 1)
	s1, s2 := &sink{}, &sink{}
	b1 := open(t, testOptions(mc.BootstrapServers(), s1))
	o := testOptions(mc.BootstrapServers(), s2)
	o.Node = "n2"
	b2 := open(t, o)
	ready(t, b1)
	ready(t, b2)
	for i := range 100 {
		from := b1
		if i%2 == 1 {
			from = b2
		}
		if _, err := push(from, "/topic/shop/a", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "delivered", func() bool { return s1.count() == 100 && s2.count() == 100 })
	for i := range s1.at {
		if s1.at[i] != s2.at[i] || s1.records[i].ID != s2.records[i].ID {
			t.Fatalf("push %d: %s and %s", i, s1.at[i], s2.at[i])
		}
	}
}

func TestPoisonIsSkipped(t *testing.T) {
	mc := mock(t, 2)
	s := &sink{}
	b := open(t, testOptions(mc.BootstrapServers(), s))
	ready(t, b)
	for _, value := range []string{"", "no JSON", `{"projectId":"bank","topic":"a","payload":1}`} {
		raw(t, mc.BootstrapServers(), 0, "k", value)
	}
	raw(t, mc.BootstrapServers(), 0, "/topic/shop/a", `{"projectId":"shop","topic":"a","payload":"x"}`)
	raw(t, mc.BootstrapServers(), 1, "other", "y", ck.Header{Key: "destination", Value: []byte("/topic/shop/a")}, ck.Header{Key: "x", Value: []byte("\xff")})
	raw(t, mc.BootstrapServers(), 1, "k", "")
	until(t, "delivered", func() bool { return s.count() == 2 })
	c := b.reader.count(testProject)
	until(t, "skipped", func() bool { return c.poison.Load() == 4 })
	if c.keys.Load() != 1 || c.scattered.Load() != 1 || c.headers.Load() != 1 {
		t.Errorf("%d keys, %d scattered, %d headers", c.keys.Load(), c.scattered.Load(), c.headers.Load())
	}
	until(t, "the position behind the last", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.applied[1].Offset == 1
	})
}

func TestFullProjectIsPaused(t *testing.T) {
	mc := mock(t, 1)
	s := &sink{full: map[string]bool{testProject: true}}
	b := open(t, testOptions(mc.BootstrapServers(), s))
	ready(t, b)
	const n = moreThanABatch
	pushAll(t, b, testProject, 0, n)
	c := b.reader.count(testProject)
	until(t, "paused", func() bool { return c.paused.Load() == 1 })
	time.Sleep(200 * time.Millisecond)
	if got := s.count(); got >= n {
		t.Errorf("%d came through", got)
	}
	s.set(func() { s.full = nil })
	until(t, "delivered", func() bool { return s.count() == n })
	for i, r := range s.records {
		if r.ID != fmt.Sprint(i) {
			t.Fatalf("record %d is %s", i, r.ID)
		}
	}
}

// Only offsets of records that the shards have processed are stored.
func TestStoredOffsets(t *testing.T) {
	mc := mock(t, 1)
	s := &sink{hold: true}
	b := open(t, testOptions(mc.BootstrapServers(), s))
	ready(t, b)
	for i := range 10 {
		if _, err := push(b, "/topic/shop/a", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "delivered", func() bool { return s.count() == 10 })
	for i := range 4 {
		s.held[i].mu.Lock()
		s.held[i].done = true
		s.held[i].mu.Unlock()
	}
	closeBus(b)
	c, err := ck.NewConsumer(&ck.ConfigMap{"bootstrap.servers": mc.BootstrapServers(), "group.id": Group("n1")})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	topic := testTopic
	got, err := c.Committed([]ck.TopicPartition{{Topic: &topic}}, 5000)
	if err != nil || got[0].Offset != 4 {
		t.Errorf("committed %v %v, want 4", got, err)
	}
}

func TestBrokerAway(t *testing.T) {
	mc := mock(t, 1)
	s := &sink{}
	if err := mc.SetBrokerDown(1); err != nil {
		t.Fatal(err)
	}
	b := open(t, testOptions(mc.BootstrapServers(), s))
	if _, err := push(b, "/topic/shop/a", "0"); !errors.Is(err, bus.ErrUnavailable) {
		t.Errorf("push without a broker: %v", err)
	}
	if b.Ready() == nil {
		t.Error("ready without a broker")
	}
	if err := mc.SetBrokerUp(1); err != nil {
		t.Fatal(err)
	}
	ready(t, b)
	if _, err := push(b, "/topic/shop/a", "1"); err != nil {
		t.Fatal(err)
	}
	if err := mc.SetBrokerDown(1); err != nil {
		t.Fatal(err)
	}
	if _, err := push(b, "/topic/shop/a", "2"); !errors.Is(err, bus.ErrUnavailable) {
		t.Errorf("push without a broker: %v", err)
	}
	if err := b.Ready(); err != nil {
		t.Errorf("not ready: %v", err)
	}
	if err := mc.SetBrokerUp(1); err != nil {
		t.Fatal(err)
	}
	until(t, "a push", func() bool { _, err := push(b, "/topic/shop/a", "3"); return err == nil })
	until(t, "delivered", func() bool { return s.last() == "3" })
}

// A node that cannot reach the brokers says so, and why.
func TestOutOfReach(t *testing.T) {
	t.Parallel()
	deaf, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	go func() {
		for {
			conn, err := deaf.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	for _, c := range []struct{ name, address, protocol, says string }{
		{"nobody there", "127.0.0.1:1", "plaintext", "Connection refused"},
		{"no TLS", deaf.Addr().String(), "ssl", "SSL_HANDSHAKE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := testOptions(c.address, &sink{})
			o.Properties["security.protocol"] = c.protocol
			b := open(t, o)
			const what = "no broker answers (kafka.brokers)"
			until(t, c.says, func() bool {
				err := b.Ready()
				return err != nil && strings.Contains(err.Error(), what) && strings.Contains(err.Error(), c.says)
			})
			if _, err := push(b, "/topic/shop/a", "1"); !errors.Is(err, bus.ErrUnavailable) || !strings.Contains(err.Error(), what) {
				t.Errorf("a push: %v", err)
			}
		})
	}
}

func TestTwinIsRefused(t *testing.T) {
	mc := mock(t, 1)
	first := open(t, testOptions(mc.BootstrapServers(), &sink{}))
	ready(t, first)
	second := open(t, testOptions(mc.BootstrapServers(), &sink{}))
	select {
	case <-second.Ended():
		if !errors.Is(second.Err(), ErrTwin) {
			t.Error(second.Err())
		}
	case <-time.After(waitTime):
		t.Fatal("two nodes with one id")
	}
	if second.Ready() == nil {
		t.Error("the second is ready")
	}
	closeBus(second)
	closeBus(first)
	ready(t, open(t, testOptions(mc.BootstrapServers(), &sink{})))
}

func TestProperties(t *testing.T) {
	for _, name := range []string{"group.id", "acks", "go.events.channel.size"} {
		if len(CheckProperties(map[string]string{name: "x"})) != 1 {
			t.Errorf("%s may be set", name)
		}
	}
	if err := CheckProperties(map[string]string{"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN"}); err != nil {
		t.Error(err)
	}
	wrong := map[string]string{"no.such.property": "1", "socket.timeout.ms": "soon", "security.protocol": "SSH", "fetch.min.bytes": "-1", "acks": "1"}
	if errs := CheckProperties(wrong); len(errs) != len(wrong) {
		t.Errorf("of %v it finds %v", wrong, errs)
	}
	o := testOptions("127.0.0.1:1", &sink{})
	o.Properties["no.such.property"] = "1"
	if _, err := New(o); err == nil {
		t.Error("an unknown property was taken")
	}
}

func TestPushTooLarge(t *testing.T) {
	mc := mock(t, 1)
	o := testOptions(mc.BootstrapServers(), &sink{})
	b := open(t, o)
	ready(t, b)
	got := make(chan error, 1)
	b.Publish(&bus.Record{Project: testProject, Destination: "/topic/shop/a", Body: make([]byte, 4<<20), Time: time.Now()}, func(_ bus.Position, err error) { got <- err })
	if err := <-got; !errors.Is(err, bus.ErrTooLarge) {
		t.Error(err)
	}
}

// The queue for Kafka is bounded: further pushes are refused at once, and queued ones are answered in time.
func TestPushesThatWaitAreBounded(t *testing.T) {
	const most = 10
	mc := mock(t, 1)
	o := testOptions(mc.BootstrapServers(), &sink{})
	o.Properties["queue.buffering.max.messages"] = fmt.Sprint(most)
	b := open(t, o)
	ready(t, b)
	if err := mc.SetBrokerDown(1); err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 5*most)
	for range cap(got) {
		b.Publish(&bus.Record{Project: testProject, Destination: "/topic/shop/a", Time: time.Now()}, func(_ bus.Position, err error) { got <- err })
	}
	busy := 0
	for i := range cap(got) {
		switch err := <-got; {
		case errors.Is(err, bus.ErrBusy):
			busy++
			if i >= cap(got)-most {
				t.Error("refused after those that waited")
			}
		case !errors.Is(err, bus.ErrUnavailable):
			t.Error(err)
		}
	}
	if busy != cap(got)-most || b.producer.busy.Load() != uint64(busy) {
		t.Errorf("%d were refused at once, %d counted", busy, b.producer.busy.Load())
	}
}

// A Kafka that does not answer does not delay a node that leaves, however long a push may take: waiting pushes fail.
func TestLeavesAnUnansweringKafka(t *testing.T) {
	mc := mock(t, 1)
	o := testOptions(mc.BootstrapServers(), &sink{})
	o.PushTimeout = time.Hour
	b := open(t, o)
	ready(t, b)
	if err := mc.SetBrokerDown(1); err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	r := &bus.Record{Project: testProject, Destination: "/topic/shop/a", Time: time.Now()}
	b.Publish(r, func(_ bus.Position, err error) { answered <- err })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	b.Flush(ctx)
	if _, err := push(b, "/topic/shop/a", "late"); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("a push after the flush: %v", err)
	}
	if err := b.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a close without time: %v", err)
	}
	if err := <-answered; !errors.Is(err, bus.ErrUnavailable) {
		t.Errorf("the push that Kafka never took: %v", err)
	}
	closeBus(b)
}

// A node that leaves reads until Close.
func TestFlushReadsOn(t *testing.T) {
	mc := mock(t, 1)
	s := &sink{}
	b := open(t, testOptions(mc.BootstrapServers(), s))
	ready(t, b)
	b.Flush(t.Context())
	raw(t, mc.BootstrapServers(), 0, "/topic/shop/a", "x", ck.Header{Key: "destination", Value: []byte("/topic/shop/a")})
	until(t, "another node's push", func() bool { return s.count() == 1 })
}

// A flush ends when this node has read its own pushes.
func TestFlushWaitsForOwnPushes(t *testing.T) {
	mc := mock(t, 1)
	s := &sink{full: map[string]bool{testProject: true}}
	b := open(t, testOptions(mc.BootstrapServers(), s))
	ready(t, b)
	pushN(t, b, testProject, 1)
	until(t, "paused", func() bool { return b.reader.count(testProject).paused.Load() == 1 })
	pushN(t, b, testProject, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	b.Flush(ctx)
	if b.readOwn() || s.count() != 1 {
		t.Fatalf("%d pushes were read", s.count())
	}
	s.set(func() { s.full = nil })
	b.Flush(t.Context())
	if n := s.count(); n != 2 {
		t.Errorf("%d pushes were read", n)
	}
}
