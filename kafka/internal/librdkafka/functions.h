// The functions of librdkafka's public interface that this package uses, as rdkafka.h declares them.
// layout_test.go compiles these declarations together with the header in confluent-kafka-go.
#ifndef STENTOR_LIBRDKAFKA_FUNCTIONS_H
#define STENTOR_LIBRDKAFKA_FUNCTIONS_H

rd_kafka_queue_t *rd_kafka_queue_get_consumer(rd_kafka_t *);
void rd_kafka_queue_destroy(rd_kafka_queue_t *);
rd_kafka_event_t *rd_kafka_queue_poll(rd_kafka_queue_t *, int timeout_ms);
rd_kafka_event_type_t rd_kafka_event_type(const rd_kafka_event_t *);
void rd_kafka_event_destroy(rd_kafka_event_t *);
const rd_kafka_message_t *rd_kafka_event_message_next(rd_kafka_event_t *);
rd_kafka_resp_err_t rd_kafka_event_error(rd_kafka_event_t *);
const char *rd_kafka_event_error_string(rd_kafka_event_t *);
int rd_kafka_event_error_is_fatal(rd_kafka_event_t *);
rd_kafka_resp_err_t rd_kafka_fatal_error(rd_kafka_t *, char *text, size_t size);
rd_kafka_topic_partition_t *rd_kafka_event_topic_partition(rd_kafka_event_t *);
void rd_kafka_topic_partition_destroy(rd_kafka_topic_partition_t *);
const char *rd_kafka_topic_name(const rd_kafka_topic_t *);
int64_t rd_kafka_message_timestamp(const rd_kafka_message_t *, rd_kafka_timestamp_type_t *type);
rd_kafka_resp_err_t rd_kafka_message_headers(const rd_kafka_message_t *, rd_kafka_headers_t **);
size_t rd_kafka_header_cnt(const rd_kafka_headers_t *);
rd_kafka_resp_err_t rd_kafka_header_get_all(const rd_kafka_headers_t *, size_t index, const char **name, const void **value, size_t *size);

#endif
