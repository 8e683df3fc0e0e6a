//go:build kafka

package examples

import (
	"hash/crc32"
	"maps"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"stentor/engine/bus"
	"stentor/kafka/kafkatest"
)

const (
	topic = "stentor.push.shop"
	// Enough that librdkafka's default partitioner puts neither key of the examples where murmur2 does.
	partitions = 12
)

// TestExamples runs each example as it is written, on a Kafka of its own, and reads back what it has produced.
func TestExamples(t *testing.T) {
	c := kafkatest.Start(t, 1)
	if _, err := c.RunTool(kafkatest.Topics, "--create", "--topic", topic, "--partitions", strconv.Itoa(partitions)); err != nil {
		t.Fatal(err)
	}
	reader := newReader(t, c.Bootstrap())
	for _, example := range []struct {
		name, dir string
		command   []string
	}{
		{"kcat", ".", []string{"./push-kcat.sh"}},
		{"Go", ".", []string{"go", "run", "push.go"}},
		{"spring-kafka", "spring", []string{"mvn", "-q", "-B", "compile", "exec:java"}},
	} {
		t.Run(example.name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), example.command[0], example.command[1:]...)
			cmd.Dir = example.dir
			cmd.Env = append(os.Environ(), "KAFKA_BOOTSTRAP="+c.Bootstrap())
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v (kafka/dev/deps.sh installs what the examples need)\n%s", err, out)
			}
			// The two go to different partitions, so in any order.
			seen := map[string]bool{}
			for range expected {
				m, err := reader.ReadMessage(10 * time.Second)
				if err != nil {
					t.Fatal(err)
				}
				check(t, m)
				seen[string(m.Key)] = true
			}
			if len(seen) != len(expected) {
				t.Errorf("only %v", seen)
			}
		})
	}
}

var expected = map[string]struct {
	body    string
	headers map[string]string
}{
	"/topic/shop/all": {`{"text":"Open until ten tonight"}`, map[string]string{
		"destination": "/topic/shop/all", "content-type": "application/json", "ttl-ms": "60000", "push-id": "hours-1",
	}},
	"user/alice": {`{"order":7,"state":"sent"}`, map[string]string{
		"destination": "/queue/orders", "user": "alice", "content-type": "application/json", "push-id": "order-7-sent",
	}},
}

func check(t *testing.T, m *kafka.Message) {
	t.Helper()
	key := string(m.Key)
	want, known := expected[key]
	if !known {
		t.Fatalf("key %q", key)
	}
	if string(m.Value) != want.body {
		t.Errorf("%s: body %s", key, m.Value)
	}
	headers := map[string]string{}
	for _, h := range m.Headers {
		headers[h.Key] = string(h.Value)
	}
	if !maps.Equal(headers, want.headers) {
		t.Errorf("%s: headers %v", key, headers)
	}
	partition := bus.Home(key, partitions)
	if m.TopicPartition.Partition != partition {
		t.Errorf("%s: partition %d, want %d", key, m.TopicPartition.Partition, partition)
	}
	if int32(crc32.ChecksumIEEE(m.Key)%partitions) == partition {
		t.Errorf("%s: the partition is the same with librdkafka's default, so this proves nothing", key)
	}
}

func newReader(t *testing.T, bootstrap string) *kafka.Consumer {
	t.Helper()
	reader, err := kafka.NewConsumer(&kafka.ConfigMap{
		"bootstrap.servers": bootstrap, "group.id": "examples", "auto.offset.reset": "error", "enable.auto.commit": false,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = reader.Close() })
	name := topic
	var all []kafka.TopicPartition
	for p := range int32(partitions) {
		all = append(all, kafka.TopicPartition{Topic: &name, Partition: p, Offset: kafka.OffsetBeginning})
	}
	if err := reader.Assign(all); err != nil {
		t.Fatal(err)
	}
	return reader
}
