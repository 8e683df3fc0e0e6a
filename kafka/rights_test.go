//go:build kafka

package kafka_test

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
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

// limited is a node with limited rights.
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
	t.Cleanup(func() { closeNode(l.Bus) })
	l.SetProjects(topics)
	return l
}

// refuses waits until the node says, as /readyz does and in its log, why it is not ready.
func (l *limited) refuses(all ...string) {
	l.t.Helper()
	eventually(l.t, func() bool { err := l.Ready(); return err != nil && says(err.Error(), all...) && l.log.has(all...) },
		func() any { return errors.Join(l.Ready(), errors.New(l.log.text.String())) })
}

// push pushes something to a project.
func (l *limited) push(project string) error {
	done := make(chan error, 1)
	l.Publish(&bus.Record{Project: project, Destination: "/topic/" + project + "/all", Body: []byte(project), Time: time.Now()}, func(_ bus.Position, err error) { done <- err })
	return <-done
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

// TestRights takes one right at a time from a node: the node says which one it lacks, keeps trying, and is ready as soon as
// it has the right.
func TestRights(t *testing.T) {
	c := kafkatest.Start(t, 1)
	admin, err := ck.NewAdminClient(&ck.ConfigMap{"bootstrap.servers": c.Bootstrap()})
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	allow := func(t *testing.T, user string, kind ck.ResourceType, name string, pattern ck.ResourcePatternType, operations ...ck.ACLOperation) {
		t.Helper()
		var acls ck.ACLBindings
		for _, o := range operations {
			acls = append(acls, ck.ACLBinding{
				Type: kind, Name: name, ResourcePatternType: pattern, Principal: "User:" + user, Host: "*",
				Operation: o, PermissionType: ck.ACLPermissionTypeAllow,
			})
		}
		results, err := admin.CreateACLs(t.Context(), acls)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			if r.Error.Code() != ck.ErrNoError {
				t.Fatal(r.Error)
			}
		}
	}
	grant := func(t *testing.T, user, topic string, operations ...string) {
		t.Helper()
		for _, name := range operations {
			operation, err := ck.ACLOperationFromString(name)
			if err != nil {
				t.Fatal(err)
			}
			allow(t, user, ck.ResourceTopic, topic, ck.ResourcePatternTypeLiteral, operation)
		}
	}
	for _, user := range []string{"node", "late"} {
		allow(t, user, ck.ResourceGroup, "stentor-", ck.ResourcePatternTypePrefixed, ck.ACLOperationRead)
		grant(t, user, "good-nodes", "Read", "Write", "Create")
		grant(t, user, "good-push", "Read", "Write", "Create")
	}
	shop := bus.Topic{Project: "shop", Name: "good-push"}

	t.Run("credentials", func(t *testing.T) {
		properties := as(c, "late")
		properties["sasl.mechanism"] = "SCRAM-SHA-512"
		l := startLimited(t, properties, "good-nodes", shop)
		l.refuses("credentials", "uthentication")
		results, err := admin.AlterUserScramCredentials(t.Context(), []ck.UserScramCredentialUpsertion{{
			User: "late", Password: []byte("late"),
			ScramCredentialInfo: ck.ScramCredentialInfo{Mechanism: ck.ScramMechanismSHA512, Iterations: 4096},
		}}, nil)
		if err != nil || results.Errors["late"].Code() != ck.ErrNoError {
			t.Fatal(results.Errors, err)
		}
		l.becomesReady()
	})
	for _, missing := range []string{"Read", "Write", "Create"} {
		t.Run("nodes "+missing, func(t *testing.T) {
			nodes := "nodes-" + missing
			grant(t, "node", nodes, without(missing)...)
			l := startLimited(t, as(c, "node"), nodes, shop)
			l.refuses(nodes, "ACL "+missing)
			grant(t, "node", nodes, missing)
			l.becomesReady()
		})
	}
	t.Run("push Write", func(t *testing.T) { // a node that only delivers can do without
		grant(t, "node", "push-Write", without("Write")...)
		l := startLimited(t, as(c, "node"), "good-nodes", bus.Topic{Project: "shop", Name: "push-Write"})
		l.becomesReady()
		if err := l.push("shop"); !errors.Is(err, bus.ErrUnavailable) || !says(err.Error(), "push-Write", "ACL Write") {
			t.Error(err)
		}
	})
	for _, missing := range []string{"Read", "Create"} {
		t.Run("push "+missing, func(t *testing.T) {
			topic := "push-" + missing
			grant(t, "node", topic, without(missing)...)
			l := startLimited(t, as(c, "node"), "good-nodes", bus.Topic{Project: "shop", Name: topic})
			l.refuses(topic, "ACL "+missing)
			grant(t, "node", topic, missing)
			l.becomesReady()
		})
	}
	t.Run("some of several", func(t *testing.T) { // the others are served
		grant(t, "node", "several-unread", without("Read")...)
		grant(t, "node", "several.collides", "Read", "Write", "Create")
		made, err := admin.CreateTopics(t.Context(), []ck.TopicSpecification{{Topic: "several_collides", NumPartitions: 1, ReplicationFactor: 1}})
		if err != nil || made[0].Error.Code() != ck.ErrNoError {
			t.Fatal(made, err)
		}
		grant(t, "node", "several-good", "Read", "Write", "Create")
		l := startLimited(t, as(c, "node"), "good-nodes", bus.Topic{Project: "shop", Name: "several-good"}, bus.Topic{Project: "unread", Name: "several-unread"},
			bus.Topic{Project: "collides", Name: "several.collides"}, bus.Topic{Project: "hidden", Name: "several-hidden"})
		l.becomesReady()
		for project, why := range map[string]string{"unread": "ACL Read on topic several-unread", "collides": "collides with", "hidden": "topic several-hidden of project hidden"} {
			if err := l.Serves(project); err == nil || !says(err.Error(), why) {
				t.Errorf("%s: %v", project, err)
			}
			if err := l.push(project); !errors.Is(err, bus.ErrUnserved) || !says(err.Error(), why) {
				t.Errorf("a push to %s: %v", project, err)
			}
			if !l.log.has("does not serve this project", "project="+project, why) {
				t.Errorf("the log does not say it of %s:\n%s", project, l.log.text.String())
			}
		}
		if err := errors.Join(l.Serves("shop"), l.push("shop")); err != nil {
			t.Error(err)
		}
		if n := metric(t, l, "stentor_kafka_served"); n != 1 {
			t.Errorf("%v are served, for the metrics", n)
		}
		grant(t, "node", "several-unread", "Read")
		eventually(t, func() bool { return l.Serves("unread") == nil }, func() any { return l.Serves("unread") })
		if err := l.push("unread"); err != nil {
			t.Error(err)
		}
	})
	t.Run("group Read", func(t *testing.T) { // it only shows its lag there
		grant(t, "backend", "good-nodes", "Read", "Write", "Create")
		grant(t, "backend", "good-push", "Read", "Write", "Create")
		l := startLimited(t, as(c, "backend"), "good-nodes", shop)
		l.becomesReady()
		if err := l.push("shop"); err != nil {
			t.Fatal(err)
		}
		await(t, l.got, "shop")
		eventually(t, func() bool { return l.log.has("Group authorization failed") }, func() any { return l.log.text.String() })
	})
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
		eventually(t, func() bool {
			return l.log.has("forwarded to the back ends", "project=shop") && l.log.has("in-shop", "ACL Create")
		}, func() any { return l.log.text.String() })
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

// without returns the rights that a node needs on a topic, except one.
func without(right string) []string {
	return slices.DeleteFunc([]string{"Read", "Write", "Create"}, func(one string) bool { return one == right })
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
