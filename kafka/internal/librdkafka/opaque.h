// librdkafka's opaque types, and its enumerations, which are int in this ABI.
#ifndef STENTOR_LIBRDKAFKA_OPAQUE_H
#define STENTOR_LIBRDKAFKA_OPAQUE_H

typedef struct rd_kafka_s rd_kafka_t;
typedef struct rd_kafka_queue_s rd_kafka_queue_t;
typedef struct rd_kafka_op_s rd_kafka_event_t;
typedef struct rd_kafka_topic_s rd_kafka_topic_t;
typedef struct rd_kafka_headers_s rd_kafka_headers_t;
typedef int rd_kafka_event_type_t;
typedef int rd_kafka_resp_err_t;
typedef int rd_kafka_timestamp_type_t;

#endif
