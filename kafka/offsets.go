package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// none stands for no offset: no record is as young as requested.
const none = -1

// leadersTime bounds how long offsets waits for the leaders of a topic's partitions before it asks them.
//
// librdkafka 2.15 has a race. ListOffsets for a partition without a known leader registers for the next metadata, and then
// still uses its request. If metadata comes in between, another thread has freed the request, and the process ends with
// SIGSEGV: once in some 20,000 calls for new topics, 16 at once. With known leaders ListOffsets registers for nothing.
// librdkafka refreshes those of a topic from when it was asked for its metadata.
const leadersTime = time.Second

// offsets asks for one offset of each partition of a topic, which may be none. It returns all of them, or an error.
func offsets(ctx context.Context, admin *ck.AdminClient, topic string, numbers []int32, spec ck.OffsetSpec) (map[int32]int64, error) {
	if len(numbers) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	_, _ = admin.GetMetadata(&topic, false, int(leadersTime.Milliseconds()))
	keys := make([]partitionKey, len(numbers))
	for i, n := range numbers {
		keys[i] = partitionKey{topic, n}
	}
	got, err := listOffsets(ctx, admin, keys, spec)
	switch {
	case err == nil && len(got) != len(keys):
		err = errors.New("the broker did not return all offsets")
	case err != nil && unanswered(err):
		err = fmt.Errorf("the broker that leads its partitions does not answer: %w", err)
	}
	if err != nil {
		return nil, err
	}
	all := make(map[int32]int64, len(got))
	for key, offset := range got {
		all[key.number] = offset
	}
	return all, nil
}

// listOffsets asks for one offset of each partition. It returns those that the leaders reported, and the error of one of the
// others. Partitions whose leader did not answer in time are missing: librdkafka gives neither an error nor an offset for them.
func listOffsets(ctx context.Context, admin *ck.AdminClient, keys []partitionKey, spec ck.OffsetSpec, options ...ck.ListOffsetsAdminOption) (all map[partitionKey]int64, err error) {
	specs := make(map[ck.TopicPartition]ck.OffsetSpec, len(keys))
	for _, key := range keys {
		specs[ck.TopicPartition{Topic: &key.topic, Partition: key.number}] = spec
	}
	got, err := admin.ListOffsets(ctx, specs, options...)
	all = make(map[partitionKey]int64, len(keys))
	for tp, info := range got.ResultInfos {
		switch {
		case info.Error.Code() != ck.ErrNoError:
			err = info.Error
		case info.Offset >= none:
			all[partitionKey{*tp.Topic, tp.Partition}] = int64(info.Offset)
		}
	}
	return all, err
}
