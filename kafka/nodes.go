package kafka

import (
	"context"
	"fmt"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// The topic of the nodes' beats, as a node and a registry read it.

// recent is how many records before the end of the topic reading begins: all live nodes have sent a beat within that.
const recent = 5000

// nodesBounds returns where reading of the nodes' topic begins, and the end up to which it has to catch up.
func nodesBounds(ctx context.Context, admin *ck.AdminClient, topic, acls string) (start, end int64, err error) {
	begins, err := offsets(ctx, admin, topic, []int32{0}, ck.EarliestOffsetSpec)
	if err != nil {
		return 0, 0, fmt.Errorf("topic %s: %w", topic, needs(err, acls, topic))
	}
	ends, err := offsets(ctx, admin, topic, []int32{0}, ck.LatestOffsetSpec)
	if err != nil {
		return 0, 0, err
	}
	// Compaction leaves holes near the end too: an offset there may never come, but the last record is never removed.
	return max(begins[0], ends[0]-recent), ends[0], nil
}

// nodesConsumer reads the nodes' topic from an offset on.
func nodesConsumer(o *Options, logs chan ck.LogEvent, start int64) (*ck.Consumer, error) {
	c, err := ck.NewConsumer(o.config(logs, ck.ConfigMap{"queued.max.messages.kbytes": 1024}, ck.ConfigMap{
		"group.id": Group(o.Node), "enable.auto.commit": false, "auto.offset.reset": "earliest",
	}))
	if err != nil {
		return nil, err
	}
	if err := c.Assign([]ck.TopicPartition{{Topic: &o.NodesTopic, Offset: ck.Offset(start)}}); err != nil {
		closeConsumer(c)
		return nil, err
	}
	return c, nil
}

// unreadable returns an error of its consumer from which librdkafka does not recover by itself, else nil.
func unreadable(e ck.Error, topic string) error {
	if err := needs(e, "Read", topic); e.IsFatal() || err != error(e) {
		return err
	}
	return nil
}
