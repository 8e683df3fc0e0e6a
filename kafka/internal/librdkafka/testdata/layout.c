// Compiled by layout_test.go, not linked: what this package declares is what the real rdkafka.h declares.
#include "rdkafka.h"

#include "../functions.h" // a prototype that differs from the real one is an error

#define rd_kafka_message_s our_message_s
#define rd_kafka_message_t our_message_t
#define rd_kafka_topic_partition_s our_topic_partition_s
#define rd_kafka_topic_partition_t our_topic_partition_t
#include "../types.h"
#undef rd_kafka_message_s
#undef rd_kafka_message_t
#undef rd_kafka_topic_partition_s
#undef rd_kafka_topic_partition_t

#define SAME(ours, theirs, field) \
	_Static_assert(offsetof(ours, field) == offsetof(theirs, field), #theirs "." #field " has moved"); \
	_Static_assert(sizeof(((ours *)0)->field) == sizeof(((theirs *)0)->field), #theirs "." #field " has another size")
#define MESSAGE(field) SAME(our_message_t, rd_kafka_message_t, field)
#define PARTITION(field) SAME(our_topic_partition_t, rd_kafka_topic_partition_t, field)

_Static_assert(sizeof(our_message_t) == sizeof(rd_kafka_message_t), "rd_kafka_message_t has another size");
MESSAGE(err);
MESSAGE(rkt);
MESSAGE(partition);
MESSAGE(payload);
MESSAGE(len);
MESSAGE(key);
MESSAGE(key_len);
MESSAGE(offset);

_Static_assert(sizeof(our_topic_partition_t) == sizeof(rd_kafka_topic_partition_t), "rd_kafka_topic_partition_t has another size");
PARTITION(topic);
PARTITION(partition);
PARTITION(offset);
PARTITION(err);

_Static_assert((int)EVENT_FETCH == (int)RD_KAFKA_EVENT_FETCH, "RD_KAFKA_EVENT_FETCH");
_Static_assert((int)EVENT_ERROR == (int)RD_KAFKA_EVENT_ERROR, "RD_KAFKA_EVENT_ERROR");
_Static_assert((int)ERR_PARTITION_EOF == (int)RD_KAFKA_RESP_ERR__PARTITION_EOF, "RD_KAFKA_RESP_ERR__PARTITION_EOF");
_Static_assert(sizeof(rd_kafka_event_type_t) == sizeof(int), "rd_kafka_event_type_t is no int");
_Static_assert(sizeof(rd_kafka_resp_err_t) == sizeof(int), "rd_kafka_resp_err_t is no int");
_Static_assert(sizeof(rd_kafka_timestamp_type_t) == sizeof(int), "rd_kafka_timestamp_type_t is no int");
