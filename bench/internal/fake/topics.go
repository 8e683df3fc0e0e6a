package fake

import (
	"context"
	"testing"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// Topics is librdkafka's own broker as a place for the topics of a suite. It notes what was created and removed.
type Topics struct {
	*kafka.MockCluster
	Created []string
	Removed []string // topics and groups
}

// NewTopics starts a broker, which ends with the test.
func NewTopics(t testing.TB) *Topics {
	t.Helper()
	c, err := kafka.NewMockCluster(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &Topics{MockCluster: c}
}

// Create makes a topic of one partition.
func (m *Topics) Create(_ context.Context, topic string) error {
	m.Created = append(m.Created, topic)
	return m.CreateTopic(topic, 1, 1)
}

// Remove only notes what is removed: the broker ends anyway.
func (m *Topics) Remove(topics, groups []string) error {
	m.Removed = append(append(m.Removed, topics...), groups...)
	return nil
}

// Close does nothing: the broker ends with its test.
func (m *Topics) Close() {}
