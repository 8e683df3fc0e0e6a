package kafka

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"stentor/engine/bus"
	"stentor/kafka/kafkatest"
)

func needsKafka(t *testing.T) {
	t.Helper()
	if os.Getenv("KAFKA_BOOTSTRAP") == "" {
		t.Skip("KAFKA_BOOTSTRAP is not set: make test-kafka")
	}
}

// realOptions are for a real broker: the test has topics of its own, which the bus creates.
func realOptions(t *testing.T, s *sink) (Options, string) {
	t.Helper()
	needsKafka(t)
	o := testOptions(kafkatest.Bootstrap(t), s)
	run := fmt.Sprintf("%s-%d", strings.ReplaceAll(t.Name(), "/", "-"), time.Now().UnixNano())
	o.Create, o.Replicas, o.Node, o.NodesTopic = true, 1, "n-"+run, "nodes-"+run
	return o, "push-" + run
}

func openTopic(t *testing.T, o Options, topic string) *Bus {
	t.Helper()
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeBus(b) })
	b.SetProjects([]bus.Topic{{Project: testProject, Name: topic}})
	return b
}

// pushAll pushes the numbers from..to-1, all at once.
func pushAll(t *testing.T, b *Bus, project string, from, to int) {
	t.Helper()
	var wg sync.WaitGroup
	var failed sync.Map
	for i := from; i < to; i++ {
		wg.Add(1)
		b.Publish(&bus.Record{Project: project, Destination: "/topic/" + project + "/a", ID: fmt.Sprint(i), Body: []byte("x"), Time: time.Now()}, func(_ bus.Position, err error) {
			if err != nil {
				failed.Store(i, err)
			}
			wg.Done()
		})
	}
	wg.Wait()
	failed.Range(func(i, err any) bool { t.Errorf("push %v: %v", i, err); return true })
}

func (s *sink) ids() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]string, len(s.records))
	for i, r := range s.records {
		all[i] = r.ID
	}
	return all
}

// last is the id of what was delivered last, "" before anything was.
func (s *sink) last() string {
	if ids := s.ids(); len(ids) > 0 {
		return ids[len(ids)-1]
	}
	return ""
}

func inOrder(t *testing.T, ids []string, from int) {
	t.Helper()
	for i, id := range ids {
		if id != fmt.Sprint(from+i) {
			t.Fatalf("push %d is %s", i, id)
		}
	}
}

// A node that starts later reads the window before the end, with the same positions.
func TestRealHistory(t *testing.T) {
	s := &sink{}
	o, topic := realOptions(t, s)
	b := openTopic(t, o, topic)
	ready(t, b)
	pushAll(t, b, testProject, 0, 5000)
	until(t, "delivered", func() bool { return s.count() == 5000 })
	inOrder(t, s.ids(), 0)
	later := &sink{}
	o2 := o
	o2.Node, o2.Sink, later.applied = o.Node+"-2", later, map[int32]bus.Position{}
	b2 := openTopic(t, o2, topic)
	ready(t, b2)
	if later.count() != 5000 {
		t.Errorf("ready with %d pushes", later.count())
	}
	inOrder(t, later.ids(), 0)
	if s.at[17] != later.at[17] || s.at[0].Epoch < 1000 {
		t.Errorf("positions %s and %s", s.at[17], later.at[17])
	}
	out, err := kafkatest.RunTool(kafkatest.Bootstrap(t), kafkatest.Groups, "--describe", "--group", Group(o.Node))
	until(t, "the group's lag in Kafka's tool", func() bool {
		out, err = kafkatest.RunTool(kafkatest.Bootstrap(t), kafkatest.Groups, "--describe", "--group", Group(o.Node))
		return err == nil && strings.Contains(out, "5000            5000            0")
	})
	t.Log(out)
}

// A node begins the window before its start, by the records' timestamps. A producer whose clock is ahead does no harm.
func TestRealWindow(t *testing.T) {
	s := &sink{}
	o, topic := realOptions(t, s)
	b := openTopic(t, o, topic)
	ready(t, b)
	for i, age := range []time.Duration{time.Hour, time.Hour, time.Hour, -30 * time.Minute, 0, 0} {
		done := make(chan error, 1)
		b.Publish(&bus.Record{Project: testProject, Destination: "/topic/shop/a", ID: fmt.Sprint(i), Time: time.Now().Add(-age)},
			func(_ bus.Position, err error) { done <- err })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	until(t, "delivered", func() bool { return s.count() == 6 })
	later := &sink{}
	o2 := o
	o2.Node, o2.Sink, o2.Window, later.applied = o.Node+"-2", later, 10*time.Minute, map[int32]bus.Position{}
	ready(t, openTopic(t, o2, topic))
	if len(later.begins) != 1 || later.begins[0].Offset != 3 {
		t.Errorf("it begins at %v", later.begins)
	}
	inOrder(t, later.ids(), 3)
	if later.count() != 3 {
		t.Errorf("ready with %d pushes", later.count())
	}
}

func TestRealMorePartitions(t *testing.T) {
	s := &sink{}
	o, topic := realOptions(t, s)
	b := openTopic(t, o, topic)
	ready(t, b)
	pushAll(t, b, testProject, 0, 10)
	got, err := b.admin.CreatePartitions(t.Context(), []ck.PartitionsSpecification{{Topic: topic, IncreaseTo: 3}})
	if err != nil || got[0].Error.Code() != ck.ErrNoError {
		t.Fatal(got, err)
	}
	b.watcher.lookNow()
	until(t, "three partitions", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.begins) == 3 })
	p, err := ck.NewProducer(&ck.ConfigMap{"bootstrap.servers": o.Properties["bootstrap.servers"]})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for i := range int32(3) {
		_ = p.Produce(&ck.Message{TopicPartition: ck.TopicPartition{Topic: &topic, Partition: i}, Value: []byte(`{"topic":"a","payload":1}`)}, nil)
	}
	until(t, "delivered", func() bool { return s.count() == 13 })
}

func TestRealTopicMadeAgain(t *testing.T) {
	s := &sink{}
	o, topic := realOptions(t, s)
	b := openTopic(t, o, topic)
	ready(t, b)
	pushAll(t, b, testProject, 0, 10)
	until(t, "delivered", func() bool { return s.count() == 10 })
	if _, err := b.admin.DeleteTopics(t.Context(), []string{topic}); err != nil {
		t.Fatal(err)
	}
	until(t, "a new epoch", func() bool {
		b.watcher.lookNow()
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.begins) == 2 && s.begins[1].Epoch != s.begins[0].Epoch
	})
	until(t, "a push", func() bool { _, err := push(b, "/topic/shop/a", "again"); return err == nil })
	until(t, "delivered", func() bool { return s.count() > 10 && s.last() == "again" })
	if b.Ready() != nil {
		t.Error(b.Ready())
	}
}

// Records that are deleted before the node has read them are a gap.
func TestRealTruncated(t *testing.T) {
	s := &sink{full: map[string]bool{testProject: true}}
	o, topic := realOptions(t, s)
	b := openTopic(t, o, topic)
	ready(t, b)
	pushAll(t, b, testProject, 0, 1000) // the reader stops behind its first batch
	until(t, "paused", func() bool { return b.reader.count(testProject).paused.Load() == 1 })
	inReader(b, func(*reader) {}) // it has delivered all of the batch
	read := s.count()
	if _, err := b.admin.DeleteRecords(t.Context(), []ck.TopicPartition{{Topic: &topic, Offset: 990}}); err != nil {
		t.Fatal(err)
	}
	s.set(func() { s.full = nil })
	until(t, "the gap", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.begins) == 2 })
	until(t, "delivered", func() bool { return s.count() == read+10 })
	inOrder(t, s.ids()[read:], 990)
	if s.begins[1].Offset != 990 || s.begins[1].Epoch != s.begins[0].Epoch {
		t.Errorf("begins %v", s.begins)
	}
}

// If a topic's limit is below that of a push, only pushes that are themselves too large are refused: Kafka refuses a whole
// batch, which must not contain small pushes.
func TestRealSmallTopic(t *testing.T) {
	const limit, small, n = 200_000, 1000, 2000
	s := &sink{}
	o, topic := realOptions(t, s)
	b := openTopic(t, o, topic)
	ready(t, b)
	got, err := b.admin.IncrementalAlterConfigs(t.Context(), []ck.ConfigResource{{Type: ck.ResourceTopic, Name: topic, Config: []ck.ConfigEntry{
		{Name: "max.message.bytes", Value: fmt.Sprint(limit), IncrementalOperation: ck.AlterConfigOpTypeSet},
	}}})
	if err != nil || got[0].Error.Code() != ck.ErrNoError {
		t.Fatal(got, err)
	}
	results := make(chan error, 2*n)
	publish := func(size int, id string) {
		b.Publish(&bus.Record{Project: testProject, Destination: "/topic/shop/a", ID: id, Body: make([]byte, size), Time: time.Now()},
			func(_ bus.Position, err error) { results <- err })
	}
	large := 0
	for i := range n {
		publish(small, fmt.Sprint(i))
		if i%500 == 499 {
			publish(limit+1, "large")
			large++
		}
	}
	refused := 0
	for range n + large {
		if err := <-results; errors.Is(err, bus.ErrTooLarge) {
			refused++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if refused != large {
		t.Errorf("%d pushes were refused as too large, %d are", refused, large)
	}
	until(t, "delivered", func() bool { return s.count() >= n })
	inOrder(t, s.ids(), 0)
}

// Every acknowledged push arrives, in order, after the broker was killed and restarted.
func TestRealBrokerKilled(t *testing.T) {
	b, s, c, _ := openOwn(t, 1)
	pushThrough(t, b, s, func(refused func() bool) {
		c.KillBroker(0)
		until(t, "a push that is refused", refused)
		if err := c.RestartBroker(0); err != nil {
			t.Fatal(err)
		}
	})
}

// When the leader of three is killed another one takes over: an acknowledged push is on at least two of them.
func TestRealLeaderKilled(t *testing.T) {
	withoutLeader(t, func(c *kafkatest.Cluster, leader int) error {
		c.KillBroker(leader)
		return nil
	}, (*kafkatest.Cluster).RestartBroker)
}

// The same when the leader's host loses power: no connection ends, and no request is answered any more.
func TestRealLeaderSilent(t *testing.T) {
	withoutLeader(t, (*kafkatest.Cluster).Freeze, (*kafkatest.Cluster).Thaw)
}

// withoutLeader takes the leader of three away under load, and brings it back.
func withoutLeader(t *testing.T, take, give func(c *kafkatest.Cluster, broker int) error) {
	t.Helper()
	b, s, c, topic := openOwn(t, 3)
	found, err := b.admin.DescribeConfigs(t.Context(), []ck.ConfigResource{{Type: ck.ResourceTopic, Name: topic}})
	if err != nil {
		t.Fatal(err)
	}
	if min := found[0].Config["min.insync.replicas"]; min.Value != "2" || min.Source != ck.ConfigSourceDynamicTopic {
		t.Errorf("min.insync.replicas is %s, of %s: the topic has to say 2 whatever the brokers do", min.Value, min.Source)
	}
	partition := func() (p ck.PartitionMetadata) {
		m, err := b.admin.GetMetadata(&topic, false, 2000)
		if err == nil && len(m.Topics[topic].Partitions) == 1 {
			p = m.Topics[topic].Partitions[0]
		}
		return p
	}
	until(t, "three replicas", func() bool { return len(partition().Isrs) == 3 })
	leader := partition().Leader
	pushThrough(t, b, s, func(func() bool) {
		began := time.Now()
		if err := take(c, int(leader)); err != nil {
			t.Fatal(err)
		}
		until(t, "another leader", func() bool { p := partition(); return len(p.Replicas) == 3 && p.Leader >= 0 && p.Leader != leader })
		t.Logf("another leader after %v", time.Since(began))
		before := s.count()
		until(t, "pushes with two of three", func() bool { return s.count() > before+100 })
		t.Logf("pushes after %v", time.Since(began))
		if err := give(c, int(leader)); err != nil {
			t.Fatal(err)
		}
	})
}

// openOwn returns a bus on a Kafka of its own, with as many replicas as brokers.
func openOwn(t *testing.T, brokers int) (*Bus, *sink, *kafkatest.Cluster, string) {
	t.Helper()
	needsKafka(t)
	c := kafkatest.Start(t, brokers)
	s := &sink{}
	o, topic := realOptions(t, s)
	o.Properties = map[string]string{"bootstrap.servers": c.Bootstrap()}
	o.Replicas = brokers
	b := openTopic(t, o, topic)
	ready(t, b)
	return b, s, c, topic
}

// pushThrough pushes like a back end, one push after the other, each until it is acknowledged, while fault runs. Every
// acknowledged push has to arrive, once and in order.
func pushThrough(t *testing.T, b *Bus, s *sink, fault func(refused func() bool)) {
	t.Helper()
	var stop atomic.Bool
	var answered []string
	var refused atomic.Int64
	var wg sync.WaitGroup
	end := func() {
		stop.Store(true)
		wg.Wait()
	}
	defer end()
	wg.Go(func() {
		for i := 0; !stop.Load(); i++ {
			id := fmt.Sprint(i)
			for begun := time.Now(); !stop.Load() || time.Since(begun) < waitTime; {
				_, err := push(b, "/topic/shop/a", id)
				if err == nil {
					answered = append(answered, id)
					break
				}
				if !errors.Is(err, bus.ErrUnavailable) {
					t.Error(err)
				}
				refused.Add(1)
			}
		}
	})
	until(t, "pushes before the fault", func() bool { return s.count() > 100 })
	fault(func() bool { return refused.Load() > 0 })
	before := s.count()
	until(t, "pushes after the fault", func() bool { return s.count() > before+100 })
	end()
	last := answered[len(answered)-1]
	until(t, "the last", func() bool { return s.last() == last })
	seen := map[string]bool{}
	var once []string
	for _, id := range s.ids() { // what was not answered may be present twice: the history drops it
		if !seen[id] {
			seen[id] = true
			once = append(once, id)
		}
	}
	inOrder(t, once, 0)
	if len(once) < len(answered) {
		t.Errorf("%d of %d answered pushes arrived", len(once), len(answered))
	}
	t.Logf("%d answered, %d refused, %d records", len(answered), refused.Load(), s.count())
}

// The API's answer has a push's true epoch, even just after its topic was recreated, before the watcher has looked.
func TestRealEpochOfAnswers(t *testing.T) {
	s := &sink{}
	o, topic := realOptions(t, s)
	b := openTopic(t, o, topic)
	ready(t, b)
	for try := range 3 {
		pushAll(t, b, testProject, 100*try, 100*try+10)
		until(t, "delivered", func() bool { return s.last() == fmt.Sprint(100*try+9) })
		if _, err := b.admin.DeleteTopics(t.Context(), []string{topic}); err != nil {
			t.Fatal(err)
		}
		until(t, "made again", func() bool {
			return createTopic(t.Context(), b.admin, &o, topic, 1, map[string]string{}) == nil && describes(b, topic)
		})
		id := fmt.Sprint("again", try)
		var answered bus.Position
		until(t, "a push", func() (ok bool) {
			pos, err := push(b, "/topic/shop/a", id)
			answered = pos
			return err == nil
		})
		until(t, "delivered", func() bool { return s.last() == id })
		s.set(func() {
			for i, r := range s.records {
				if r.ID == id && s.at[i] == answered {
					return
				}
			}
			t.Errorf("answered %s, delivered at %s", answered, s.at[len(s.at)-1])
		})
	}
}

// describes reports whether a topic exists.
func describes(b *Bus, topic string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), askTime)
	defer cancel()
	got, err := b.admin.DescribeTopics(ctx, ck.NewTopicCollectionOfTopicNames([]string{topic}))
	return err == nil && len(got.TopicDescriptions) == 1 && got.TopicDescriptions[0].Error.Code() == ck.ErrNoError
}
