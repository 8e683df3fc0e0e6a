package kafka

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"stentor/engine/bus"
	"stentor/kafka/kafkatest"
)

// A node that is cut off from the leader of its partitions, but still receives the other nodes' beats, is not ready for
// clients. A node that is cut off from all brokers cannot know whether that concerns all nodes, and stays ready. In the end
// both have everything.
func TestRealCutOff(t *testing.T) {
	needsKafka(t)
	c := kafkatest.Start(t, 2)
	far, err := c.Far()
	if err != nil {
		t.Fatal(err)
	}
	const pushes, beats = 0, 1 // the broker that leads each
	ledBy(t, c, map[string]int32{"push": pushes, "nodes": beats})
	var sinks []*sink
	var nodes []*Bus
	start := func(bootstrap string) *Bus {
		s := &sink{}
		o := testOptions(bootstrap, s)
		o.Node, o.NodesTopic, o.Lateness = strconv.Itoa(len(nodes)), "nodes", 4*time.Second
		b := openTopic(t, o, "push")
		sinks, nodes = append(sinks, s), append(nodes, b)
		return b
	}
	ready(t, start(c.Bootstrap()))
	ready(t, start(far))
	n := 0
	push := func() {
		t.Helper()
		pushAll(t, nodes[0], testProject, n, n+100)
		n += 100
		until(t, "the pushes at the first node", func() bool { return sinks[0].count() == n })
	}
	push()
	until(t, "the pushes at the second node", func() bool { return sinks[1].count() == n })

	c.Cut(pushes)
	push()
	until(t, "the second node is late", func() bool { return nodes[1].Behind() != nil })
	if err := nodes[0].Behind(); err != nil {
		t.Errorf("the first: %v", err)
	}
	third := start(far)
	until(t, "the third node waits", func() bool {
		return third.away.Load() != nil || (*third.watcher.lives.Load())[testProject].obstacle() != nil
	})
	if err := third.Ready(); err == nil {
		t.Error("a node that cannot ask what there is to read is ready")
	} else {
		t.Log(err)
	}
	c.Mend(pushes)
	ready(t, third)
	until(t, "the second node is back", func() bool { return nodes[1].Behind() == nil && sinks[1].count() == n })

	c.Cut(pushes)
	c.Cut(beats)
	push()
	until(t, "the second node is late", func() bool { return nodes[1].reader.lateness() > 8*time.Second })
	for i, b := range nodes {
		if err := b.Behind(); err != nil {
			t.Errorf("node %d while the second one is cut off: %v", i, err)
		}
	}
	c.Mend(pushes)
	c.Mend(beats)
	until(t, "all have all", func() bool { return sinks[1].count() == n && sinks[2].count() == n })
	for _, s := range sinks {
		inOrder(t, s.ids(), 0)
	}
}

// ledBy makes topics of one partition and one replica, each on a broker.
func ledBy(t *testing.T, c *kafkatest.Cluster, topics map[string]int32) {
	t.Helper()
	admin, err := ck.NewAdminClient(&ck.ConfigMap{"bootstrap.servers": c.Bootstrap()})
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	var all []ck.TopicSpecification
	for topic, broker := range topics {
		all = append(all, ck.TopicSpecification{
			Topic: topic, NumPartitions: 1, ReplicaAssignment: [][]int32{{broker}}, Config: map[string]string{"min.insync.replicas": "1"},
		})
	}
	made, err := admin.CreateTopics(context.Background(), all)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range made {
		if one.Error.Code() != ck.ErrNoError {
			t.Fatal(one.Error)
		}
	}
}

// A node that starts while it cannot reach one broker serves the projects of the others, however many projects that one leads.
func TestRealOneBrokerAway(t *testing.T) {
	needsKafka(t)
	const many = 12
	c := kafkatest.Start(t, 2)
	far, err := c.Far()
	if err != nil {
		t.Fatal(err)
	}
	topics := map[string]int32{"nodes": 1, "good": 1}
	projects := []bus.Topic{}
	for i := range many {
		name := fmt.Sprint("bad-", i)
		topics[name] = 0
		projects = append(projects, bus.Topic{Project: name, Name: name})
	}
	ledBy(t, c, topics)
	projects = append(projects, bus.Topic{Project: "good", Name: "good"})
	s := &sink{}
	o := testOptions(far, s)
	o.NodesTopic, o.patience = "nodes", 2*time.Second
	c.Cut(0)
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeBus(b) })
	b.SetProjects(projects)
	until(t, "the project of the other broker", func() bool { return b.Ready() == nil && b.Serves("good") == nil })
	for _, p := range projects[:many] {
		if b.Serves(p.Project) == nil {
			t.Errorf("%s is served", p.Project)
		}
	}
	if _, err := pushTo(b, "good", "/topic/good/a", "1"); err != nil {
		t.Error(err)
	}
	c.Mend(0)
	until(t, "all projects", func() bool {
		return !slices.ContainsFunc(projects, func(p bus.Topic) bool { return b.Serves(p.Project) != nil })
	})
}
