// Many records from a consumer of librdkafka with one call from Go. See intake.go.
#ifndef STENTOR_INTAKE_H
#define STENTOR_INTAKE_H

#include <stddef.h>
#include <stdint.h>

// What is needed of librdkafka's public interface, as its rdkafka.h declares it: the header lies in another Go module,
// where no include path of this package can point to.
typedef struct rd_kafka_s rd_kafka_t;
typedef struct rd_kafka_queue_s rd_kafka_queue_t;
typedef struct rd_kafka_op_s rd_kafka_event_t;
typedef struct rd_kafka_topic_s rd_kafka_topic_t;
typedef struct rd_kafka_headers_s rd_kafka_headers_t;

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

#define RD_KAFKA_EVENT_FETCH 0x2
#define RD_KAFKA_EVENT_ERROR 0x8
#define RD_KAFKA_RESP_ERR__PARTITION_EOF (-191)

rd_kafka_queue_t *rd_kafka_queue_get_consumer(rd_kafka_t *);
void rd_kafka_queue_destroy(rd_kafka_queue_t *);
rd_kafka_event_t *rd_kafka_queue_poll(rd_kafka_queue_t *, int timeout_ms);
int rd_kafka_event_type(const rd_kafka_event_t *);
void rd_kafka_event_destroy(rd_kafka_event_t *);
const rd_kafka_message_t *rd_kafka_event_message_next(rd_kafka_event_t *);
int rd_kafka_event_error(rd_kafka_event_t *);
const char *rd_kafka_event_error_string(rd_kafka_event_t *);
int rd_kafka_event_error_is_fatal(rd_kafka_event_t *);
int rd_kafka_fatal_error(rd_kafka_t *, char *text, size_t size);
rd_kafka_topic_partition_t *rd_kafka_event_topic_partition(rd_kafka_event_t *);
void rd_kafka_topic_partition_destroy(rd_kafka_topic_partition_t *);
const char *rd_kafka_topic_name(const rd_kafka_topic_t *);
int64_t rd_kafka_message_timestamp(const rd_kafka_message_t *, int *type);
int rd_kafka_message_headers(const rd_kafka_message_t *, rd_kafka_headers_t **);
size_t rd_kafka_header_cnt(const rd_kafka_headers_t *);
int rd_kafka_header_get_all(const rd_kafka_headers_t *, size_t index, const char **name, const void **value, size_t *size);

enum { INTAKE_RECORDS = 256 };

typedef struct {
	const char *name;
	size_t name_len;
	const void *value;
	size_t len;
} intake_header;

typedef struct {
	rd_kafka_event_t *event; // which the bytes belong to
	const char *topic;
	size_t topic_len;
	const void *value, *key;
	size_t len, key_len;
	int64_t offset;
	int64_t time; // ms, -1 for none
	int32_t partition;
	int err;
	uint32_t first_header, headers; // in intake.headers
} intake_record;

// intake is one batch. The bytes of its records are librdkafka's, until intake_release.
typedef struct {
	rd_kafka_t *consumer;
	rd_kafka_queue_t *queue;
	rd_kafka_event_t *other; // that came behind the records, and is none
	int n;
	intake_record records[INTAKE_RECORDS];
	intake_header *headers;
	size_t nheaders, room;
} intake;

intake *intake_new(rd_kafka_t *);
void intake_take(intake *, int timeout_ms, size_t bytes);
void intake_release(intake *);
void intake_free(intake *);

#endif
