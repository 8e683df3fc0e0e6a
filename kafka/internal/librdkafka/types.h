// The types and constants of librdkafka's public interface that this package uses, as rdkafka.h declares them.
// layout_test.go compares them with the header in confluent-kafka-go.
#ifndef STENTOR_LIBRDKAFKA_TYPES_H
#define STENTOR_LIBRDKAFKA_TYPES_H

#include <stddef.h>
#include <stdint.h>

typedef struct rd_kafka_message_s {
	int err;
	rd_kafka_topic_t *rkt;
	int32_t partition;
	void *payload;
	size_t len;
	void *key;
	size_t key_len;
	int64_t offset;
	void *_private;
} rd_kafka_message_t;

typedef struct rd_kafka_topic_partition_s {
	char *topic;
	int32_t partition;
	int64_t offset;
	void *metadata;
	size_t metadata_size;
	void *opaque;
	int err;
	void *_private;
} rd_kafka_topic_partition_t;

enum {
	EVENT_FETCH = 0x2,
	EVENT_ERROR = 0x8,
	ERR_PARTITION_EOF = -191,
};

// The layout that batch.c was written for. A platform with another layout fails to compile here, rather than at run time.
_Static_assert(sizeof(void *) == 8, "only 64-bit platforms are supported");
_Static_assert(sizeof(rd_kafka_message_t) == 72, "rd_kafka_message_t");
_Static_assert(offsetof(rd_kafka_message_t, rkt) == 8, "rd_kafka_message_t.rkt");
_Static_assert(offsetof(rd_kafka_message_t, partition) == 16, "rd_kafka_message_t.partition");
_Static_assert(offsetof(rd_kafka_message_t, payload) == 24, "rd_kafka_message_t.payload");
_Static_assert(offsetof(rd_kafka_message_t, key) == 40, "rd_kafka_message_t.key");
_Static_assert(offsetof(rd_kafka_message_t, offset) == 56, "rd_kafka_message_t.offset");
_Static_assert(sizeof(rd_kafka_topic_partition_t) == 64, "rd_kafka_topic_partition_t");
_Static_assert(offsetof(rd_kafka_topic_partition_t, partition) == 8, "rd_kafka_topic_partition_t.partition");
_Static_assert(offsetof(rd_kafka_topic_partition_t, offset) == 16, "rd_kafka_topic_partition_t.offset");

#endif
