//go:build kafka

package kafka_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"stentor/engine/bus"
	"stentor/kafka"
	"stentor/kafka/kafkatest"
)

// TestOperations runs the commands of OPERATIONS.md as they are written, and then a node and a back end with only the
// rights that those commands grant.
func TestOperations(t *testing.T) {
	c := kafkatest.Start(t, 1)
	page := commands(t)
	ran := map[string]bool{}
	run := func(section string) string {
		t.Helper()
		ran[section] = true
		var all strings.Builder
		if len(page[section]) == 0 {
			t.Fatalf("no commands under %q", section)
		}
		for _, command := range page[section] {
			out, err := c.RunTool(command[0], command[1:]...)
			if err != nil {
				t.Fatal(err)
			}
			all.WriteString(out)
		}
		return all.String()
	}
	run("ACLs")

	// The node creates its topics itself: the right to do so is on the page too.
	got := make(chan *bus.Record, 10)
	node, err := kafka.New(kafka.Options{
		Node: "a", Properties: as(c, "node"), Create: true, Partitions: 1, NodesTopic: "stentor.nodes",
		Window: time.Minute, PushTimeout: 10 * time.Second, PushBytes: 1 << 20,
		Sink: delivered(got), Own: func(string, string) bool { return true }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer closeNode(node)
	node.SetProjects([]bus.Topic{{Project: "shop", Name: "stentor.push.shop"}})
	eventually(t, func() bool { return node.Ready() == nil }, func() any { return node.Ready() })
	done := make(chan error, 1)
	node.Publish(&bus.Record{Project: "shop", Destination: "/topic/shop/all", Body: []byte("1"), Time: time.Now()},
		func(_ bus.Position, err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	await(t, got, "1")

	run("Topics and groups")
	if out := run("Settings of a push topic"); !strings.Contains(out, "message.timestamp.type=LogAppendTime") {
		t.Errorf("settings:\n%s", out)
	}
	run("Partitions and order")

	backend := newProducer(t, as(c, "backend"))
	if err := produce(t, backend, "stentor.push.shop"); err != nil {
		t.Errorf("the back end may not push: %v", err)
	}
	await(t, got, "2")
	nodes := newProducer(t, as(c, "node"))
	for _, topic := range []string{"stentor.in.shop", "stentor.nodes"} {
		if err := produce(t, nodes, topic); err != nil {
			t.Errorf("the node may not write to %s: %v", topic, err)
		}
	}
	if v := readOne(t, as(c, "node"), "stentor-b", "stentor.nodes"); !strings.HasPrefix(v, "{") {
		t.Errorf("the node read no heartbeat: %s", v)
	}
	for _, topic := range []string{"stentor.in.shop", "stentor.nodes", "stentor.push.other"} {
		var e ck.Error
		if err := produce(t, backend, topic); !errors.As(err, &e) || e.Code() != ck.ErrTopicAuthorizationFailed {
			t.Errorf("the back end writes to %s: %v", topic, err)
		}
	}
	if v := readOne(t, as(c, "backend"), "shop-backend", "stentor.in.shop"); v != "2" {
		t.Errorf("the back end read %s", v)
	}
	if v := readOne(t, as(c, "backend"), "shop-backend", "stentor.push.shop"); !strings.Contains(v, "Topic authorization failed") {
		t.Errorf("the back end read pushes: %s", v)
	}

	closeNode(node)
	out := run("Lag, and groups of nodes that are gone")
	if !strings.Contains(out, "stentor.push.shop") || !strings.Contains(out, "was successful") {
		t.Errorf("groups:\n%s", out)
	}
	for section := range page {
		if !ran[section] {
			t.Errorf("nobody ran the commands under %q", section)
		}
	}
	if out, err := c.RunTool(kafkatest.Groups, "--list"); err != nil || strings.Contains(out, "stentor-a") {
		t.Errorf("groups after the deletion: %v\n%s", err, out)
	}
}

var tools = map[string]string{
	"kafka-acls.sh": kafkatest.ACLs, "kafka-topics.sh": kafkatest.Topics,
	"kafka-configs.sh": kafkatest.Configs, "kafka-consumer-groups.sh": kafkatest.Groups,
}

// commands reads the page: by heading, each command's class and arguments. RunTool adds the address.
func commands(t *testing.T) map[string][][]string {
	t.Helper()
	page, err := os.ReadFile("OPERATIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][][]string{}
	heading, inside := "", false
	for line := range strings.Lines(strings.ReplaceAll(string(page), "\\\n", "")) {
		line = strings.TrimSpace(line)
		if title, ok := strings.CutPrefix(line, "## "); ok {
			heading = title
		} else if strings.HasPrefix(line, "```") {
			inside = line == "```sh"
		} else if inside {
			words := strings.Fields(line)
			class := tools[words[0]]
			if class == "" || words[1] != "--bootstrap-server" || words[2] != "$KAFKA_BOOTSTRAP" {
				t.Fatalf("what is this command? %s", line)
			}
			all[heading] = append(all[heading], append([]string{class}, words[3:]...))
		}
	}
	return all
}

func as(c *kafkatest.Cluster, user string) map[string]string {
	return map[string]string{
		"bootstrap.servers": c.SASL(), "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN",
		"sasl.username": user, "sasl.password": user,
	}
}

func configMap(properties map[string]string, more ck.ConfigMap) *ck.ConfigMap {
	for name, value := range properties {
		more[name] = value
	}
	return &more
}

func newProducer(t *testing.T, properties map[string]string) *ck.Producer {
	t.Helper()
	p, err := ck.NewProducer(configMap(properties, ck.ConfigMap{"enable.idempotence": true, "message.timeout.ms": 10_000}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func produce(t *testing.T, p *ck.Producer, topic string) error {
	t.Helper()
	done := make(chan ck.Event, 1)
	err := p.Produce(&ck.Message{
		TopicPartition: ck.TopicPartition{Topic: &topic, Partition: 0}, Key: []byte("/topic/shop/all"), Value: []byte("2"),
		Headers: []ck.Header{{Key: "destination", Value: []byte("/topic/shop/all")}},
	}, done)
	if err != nil {
		t.Fatal(err)
	}
	return (<-done).(*ck.Message).TopicPartition.Error
}

// readOne returns the first record of a topic, or the error, and commits it as a back end does.
func readOne(t *testing.T, properties map[string]string, group, topic string) string {
	t.Helper()
	r, err := ck.NewConsumer(configMap(properties, ck.ConfigMap{"group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": false}))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Subscribe(topic, nil); err != nil {
		t.Fatal(err)
	}
	m, err := r.ReadMessage(20 * time.Second)
	if err != nil {
		return err.Error()
	}
	if _, err := r.CommitMessage(m); err != nil {
		t.Errorf("%s may not commit: %v", group, err)
	}
	return string(m.Value)
}

// delivered is a bus.Sink that takes everything at once.
type delivered chan *bus.Record

func (delivered) Begin(string, bus.Position)   {}
func (delivered) Advance(string, bus.Position) {}
func (delivered) Full(string) bool             { return false }
func (delivered) Flush()                       {}

func (d delivered) Deliver(pos bus.Position, r *bus.Record) (bus.Position, bus.Taken) {
	c := *r
	c.Body, c.Headers = bytes.Clone(r.Body), slices.Clone(r.Headers)
	d <- &c
	return pos, taken{}
}

type taken struct{}

func (taken) Taken() bool { return true }

func await(t *testing.T, got <-chan *bus.Record, body string) {
	t.Helper()
	select {
	case r := <-got:
		if string(r.Body) != body {
			t.Errorf("delivered %s, want %s", r.Body, body)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("%s was not delivered", body)
	}
}

func eventually(t *testing.T, ok func() bool, state func() any) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(state())
		}
	}
}

// closeNode gives a bus the time that it needs.
func closeNode(b *kafka.Bus) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_ = b.Close(ctx)
}
