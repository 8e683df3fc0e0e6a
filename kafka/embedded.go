package kafka

import (
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// Embedded is librdkafka's own broker inside this process: a cluster for trials. It speaks Kafka on a port
// of 127.0.0.1, but keeps 5 MB a partition, in memory, and has no time index (nodes begin at the end), no topic ids (so
// all topics have one epoch, made from the id of the cluster, which differs in each process), no compaction; it cannot
// create topics on request over the network.
type Embedded struct{ cluster *ck.MockCluster }

// embeddedPrefix begins the cluster id of an Embedded broker, and of no real one: that is a UUID in base64, of 22 characters.
const embeddedPrefix = "mockCluster"

// StartEmbedded starts a broker with topics of so many partitions.
func StartEmbedded(topics map[string]int) (*Embedded, error) {
	cluster, err := ck.NewMockCluster(1)
	if err != nil {
		return nil, err
	}
	for name, partitions := range topics {
		if err := cluster.CreateTopic(name, partitions, 1); err != nil {
			cluster.Close()
			return nil, err
		}
	}
	return &Embedded{cluster}, nil
}

// Address returns the value for bootstrap.servers.
func (e *Embedded) Address() string { return e.cluster.BootstrapServers() }

// Close ends the broker. Close its clients first.
func (e *Embedded) Close() { e.cluster.Close() }
