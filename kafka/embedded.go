package kafka

import (
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// Embedded is librdkafka's own broker inside this process: a cluster for trials. It speaks Kafka on a port
// of 127.0.0.1, but keeps 5 MB a partition, in memory, and has no time index (nodes begin at the end), no topic ids,
// no compaction; it cannot create topics on request over the network.
type Embedded struct {
	Epoch   uint64 // Options.MockEpoch of its nodes
	cluster *ck.MockCluster
}

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
	return &Embedded{Epoch: uint64(time.Now().UnixMilli()), cluster: cluster}, nil
}

// Address returns the value for bootstrap.servers.
func (e *Embedded) Address() string { return e.cluster.BootstrapServers() }

// Close ends the broker. Close its clients first.
func (e *Embedded) Close() { e.cluster.Close() }
