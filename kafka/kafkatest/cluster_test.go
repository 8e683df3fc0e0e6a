//go:build kafka

package kafkatest_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"stentor/kafka/kafkatest"
)

// Records that are acknowledged while the leader is killed and comes back are not lost and in order, and Kafka's own tool
// sees the reader's group.
func TestKillAndRestartTheLeader(t *testing.T) {
	c := kafkatest.Start(t, 3)
	const topic, perStep, steps = "stentor.push.shop", 100, 3
	if _, err := c.RunTool(kafkatest.Topics, "--create", "--topic", topic, "--partitions", "1"); err != nil {
		t.Fatal(err)
	}
	p, err := kafka.NewProducer(&kafka.ConfigMap{"bootstrap.servers": c.Bootstrap(), "enable.idempotence": true})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	name, next := topic, 0
	produce := func() {
		t.Helper()
		done := make(chan kafka.Event, perStep)
		for range perStep {
			m := &kafka.Message{TopicPartition: kafka.TopicPartition{Topic: &name}, Value: strconv.AppendInt(nil, int64(next), 10)}
			next++
			if err := p.Produce(m, done); err != nil {
				t.Fatal(err)
			}
		}
		for range perStep {
			if err := (<-done).(*kafka.Message).TopicPartition.Error; err != nil {
				t.Fatal(err)
			}
		}
	}
	partition := func() kafka.PartitionMetadata {
		t.Helper()
		m, err := p.GetMetadata(&name, false, 10_000)
		if err != nil {
			t.Fatal(err)
		}
		return m.Topics[topic].Partitions[0]
	}
	produce()
	leader := int(partition().Leader)
	c.KillBroker(leader)
	produce()
	if now := int(partition().Leader); now == leader {
		t.Errorf("broker %d is dead and leads", now)
	}
	if err := c.RestartBroker(leader); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); len(partition().Isrs) < 3; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in sync 30 s after the restart: %v", partition().Isrs)
		}
	}
	produce()

	r, err := kafka.NewConsumer(&kafka.ConfigMap{
		"bootstrap.servers": c.Bootstrap(), "group.id": "stentor-a", "auto.offset.reset": "error", "enable.auto.commit": false,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Assign([]kafka.TopicPartition{{Topic: &name, Offset: kafka.OffsetBeginning}}); err != nil {
		t.Fatal(err)
	}
	for i := range perStep * steps {
		m, err := r.ReadMessage(30 * time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if string(m.Value) != strconv.Itoa(i) {
			t.Fatalf("%s at place %d", m.Value, i)
		}
	}
	if _, err := r.CommitOffsets([]kafka.TopicPartition{{Topic: &name, Offset: perStep*steps - 1}}); err != nil {
		t.Fatal(err)
	}
	out, err := c.RunTool(kafkatest.Groups, "--describe", "--group", "stentor-a")
	if err != nil {
		t.Fatal(err)
	}
	// GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG ...
	if _, row, _ := strings.Cut(out, topic); !strings.HasPrefix(strings.Join(strings.Fields(row), " "), "0 299 300 1 ") {
		t.Errorf("lag of 1 expected:\n%s", out)
	}
}
