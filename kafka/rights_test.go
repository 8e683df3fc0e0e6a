//go:build kafka

package kafka_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"stentor/engine/bus"
	"stentor/kafka"
	"stentor/kafka/kafkatest"
)

// journal is what a node logs.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) has(all ...string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	for line := range strings.Lines(j.text.String()) {
		if says(line, all...) {
			return true
		}
	}
	return false
}

func says(text string, all ...string) bool {
	for _, part := range all {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}

// limited is a node whose rights end somewhere.
type limited struct {
	*kafka.Bus
	t   *testing.T
	log *journal
	got chan *bus.Record
}

func startLimited(t *testing.T, properties map[string]string, nodes string, topics ...bus.Topic) *limited {
	t.Helper()
	l := &limited{t: t, log: &journal{}, got: make(chan *bus.Record, 10)}
	var err error
	l.Bus, err = kafka.New(kafka.Options{
		Node: "a-" + nodes, Properties: properties, Create: true, Partitions: 1, NodesTopic: nodes,
		Window: time.Minute, PushTimeout: 3 * time.Second, PushBytes: 1 << 20,
		Sink: delivered(l.got), Own: func(string, string) bool { return true }, Log: slog.New(slog.NewTextHandler(l.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	l.SetProjects(topics)
	return l
}

// refuses waits until the node says, as /readyz does and in its log, why it is not ready.
func (l *limited) refuses(all ...string) {
	l.t.Helper()
	eventually(l.t, func() bool { err := l.Ready(); return err != nil && says(err.Error(), all...) && l.log.has(all...) },
		func() any { return errors.Join(l.Ready(), errors.New(l.log.text.String())) })
}

// becomesReady, without another start.
func (l *limited) becomesReady() {
	l.t.Helper()
	eventually(l.t, func() bool { return l.Ready() == nil }, func() any { return l.Ready() })
	select {
	case <-l.Ended():
		l.t.Error("it has ended:", l.Err())
	default:
	}
}

// TestRights takes one right at a time from a node: it says which one it lacks, goes on trying, and is ready as soon as
// it has it.
func TestRights(t *testing.T) {
	c := kafkatest.Start(t, 1)
	tool := func(t *testing.T, class string, args ...string) {
		t.Helper()
		if _, err := c.RunTool(class, args...); err != nil {
			t.Fatal(err)
		}
	}
	// grant gives rights on a topic to a user: operations with commas.
	grant := func(t *testing.T, user, topic, operations string) {
		t.Helper()
		args := []string{"--add", "--allow-principal", "User:" + user, "--topic", topic}
		for _, o := range strings.Split(operations, ",") {
			args = append(args, "--operation", o)
		}
		tool(t, kafkatest.ACLs, args...)
	}
	tool(t, kafkatest.ACLs, "--add", "--allow-principal", "User:node", "--allow-principal", "User:late",
		"--operation", "Read", "--group", "stentor-", "--resource-pattern-type", "prefixed")
	grant(t, "node", "good-nodes", "Read,Write,Create")
	grant(t, "node", "good-push", "Read,Write,Create")
	shop := bus.Topic{Project: "shop", Name: "good-push"}

	t.Run("credentials", func(t *testing.T) {
		grant(t, "late", "good-nodes", "Read,Write,Create")
		grant(t, "late", "good-push", "Read,Write,Create")
		properties := as(c, "late")
		properties["sasl.mechanism"] = "SCRAM-SHA-512"
		l := startLimited(t, properties, "good-nodes", shop)
		l.refuses("credentials", "uthentication")
		tool(t, kafkatest.Configs, "--alter", "--add-config", "SCRAM-SHA-512=[password=late]", "--entity-type", "users", "--entity-name", "late")
		l.becomesReady()
	})
	for _, one := range []struct{ missing, has string }{
		{"Read", "Write,Create"}, {"Write", "Read,Create"}, {"Create", "Read,Write"},
	} {
		t.Run("nodes "+one.missing, func(t *testing.T) {
			nodes := "nodes-" + one.missing
			grant(t, "node", nodes, one.has)
			l := startLimited(t, as(c, "node"), nodes, shop)
			l.refuses(nodes, "ACL "+one.missing)
			grant(t, "node", nodes, one.missing)
			l.becomesReady()
		})
	}
	for _, one := range []struct{ missing, has string }{{"Read", "Write,Create"}, {"Create", "Read,Write"}} {
		t.Run("push "+one.missing, func(t *testing.T) {
			topic := "push-" + one.missing
			grant(t, "node", topic, one.has)
			l := startLimited(t, as(c, "node"), "good-nodes", bus.Topic{Project: "shop", Name: topic})
			l.refuses(topic, "ACL "+one.missing)
			grant(t, "node", topic, one.missing)
			l.becomesReady()
		})
	}
	t.Run("in Create", func(t *testing.T) {
		l := startLimited(t, as(c, "node"), "good-nodes", shop)
		l.becomesReady()
		grant(t, "node", "in-shop", "Write")
		l.SetProjects([]bus.Topic{{Project: "shop", Name: "good-push", In: "in-shop"}})
		forward := func() error {
			done := make(chan error, 1)
			l.Forward(&bus.Inbound{Project: "shop", Destination: "/app/x", Session: "s", Body: []byte("1"), Time: time.Now()}, func(err error) { done <- err })
			return <-done
		}
		var err error
		eventually(t, func() bool {
			err = forward()
			return errors.Is(err, bus.ErrUnavailable) && says(err.Error(), "in-shop", "ACL Create")
		},
			func() any { return err })
		if !l.log.has("handed to the back ends", "project=shop", "in-shop", "ACL Create") {
			t.Error("the log does not say it:\n", l.log.text.String())
		}
		if n := metric(t, l, "stentor_kafka_forward_failed_total"); n < 1 {
			t.Errorf("%v counted", n)
		}
		if err := l.Ready(); err != nil {
			t.Errorf("a node that serves became not ready: %v", err)
		}
		grant(t, "node", "in-shop", "Create")
		eventually(t, func() bool { err = forward(); return err == nil }, func() any { return err })
	})
}

// metric sums a metric over its labels.
func metric(t *testing.T, c prometheus.Collector, name string) (sum float64) {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}
