// Many records from a consumer of librdkafka with one call from Go. See batch.go.
#ifndef STENTOR_LIBRDKAFKA_BATCH_H
#define STENTOR_LIBRDKAFKA_BATCH_H

#include "opaque.h"
#include "types.h"
#include "functions.h"

enum { BATCH_RECORDS = 256 };

typedef struct {
	const char *name;
	size_t name_len;
	const void *value;
	size_t len;
} batch_header;

typedef struct {
	rd_kafka_event_t *event; // owns the bytes
	const char *topic;
	size_t topic_len;
	const void *value, *key;
	size_t len, key_len;
	int64_t offset;
	int64_t time; // ms, -1 for none
	int32_t partition;
	int err;
	uint32_t first_header, headers; // in batch.headers
} batch_record;

// batch is what one call took. librdkafka owns the bytes of its records, which are valid until batch_release.
typedef struct {
	rd_kafka_t *consumer;
	rd_kafka_queue_t *queue;
	rd_kafka_event_t *other; // the event after the records, of another kind
	int n;
	batch_record records[BATCH_RECORDS];
	batch_header *headers;
	size_t nheaders, room;
} batch;

batch *batch_new(rd_kafka_t *);
void batch_take(batch *, int timeout_ms, size_t bytes);
void batch_release(batch *);
void batch_free(batch *);

#endif
