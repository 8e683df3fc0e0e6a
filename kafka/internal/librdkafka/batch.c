#include "batch.h"

#include <stdlib.h>
#include <string.h>

batch *batch_new(rd_kafka_t *consumer) {
	batch *b = calloc(1, sizeof(*b));
	if (b == NULL)
		abort(); // as Go does when there is no memory
	b->consumer = consumer;
	b->queue = rd_kafka_queue_get_consumer(consumer);
	return b;
}

// add_headers collects the headers of m, which may have none.
static void add_headers(batch *b, batch_record *r, const rd_kafka_message_t *m) {
	rd_kafka_headers_t *all;
	r->first_header = b->nheaders;
	r->headers = 0;
	if (rd_kafka_message_headers(m, &all) != 0)
		return;
	size_t n = rd_kafka_header_cnt(all);
	if (b->nheaders + n > b->room) {
		size_t room = 2 * (b->nheaders + n);
		batch_header *more = realloc(b->headers, room * sizeof(*more));
		if (more == NULL)
			abort();
		b->headers = more;
		b->room = room;
	}
	batch_header *h = b->headers + b->nheaders;
	for (size_t i = 0; i < n && rd_kafka_header_get_all(all, i, &h->name, &h->value, &h->len) == 0; i++, h++) {
		h->name_len = strlen(h->name);
		r->headers++;
	}
	b->nheaders += r->headers;
}

static size_t add(batch *b, rd_kafka_event_t *event) {
	const rd_kafka_message_t *m = rd_kafka_event_message_next(event);
	batch_record *r = &b->records[b->n++];
	rd_kafka_timestamp_type_t type;
	r->event = event;
	r->topic = rd_kafka_topic_name(m->rkt);
	r->topic_len = strlen(r->topic);
	r->partition = m->partition;
	r->offset = m->offset;
	r->err = m->err;
	r->value = m->payload;
	r->len = m->len;
	r->key = m->key;
	r->key_len = m->key_len;
	r->time = rd_kafka_message_timestamp(m, &type);
	add_headers(b, r, m);
	return m->len;
}

// batch_take waits for an event, and takes further records that are ready, until it has enough of them or of their
// bytes, or an event of another kind comes.
void batch_take(batch *b, int timeout_ms, size_t bytes) {
	for (size_t have = 0; b->n < BATCH_RECORDS && have < bytes; timeout_ms = 0) {
		rd_kafka_event_t *event = rd_kafka_queue_poll(b->queue, timeout_ms);
		if (event == NULL)
			return;
		if (rd_kafka_event_type(event) != EVENT_FETCH) {
			b->other = event;
			return;
		}
		have += add(b, event);
	}
}

// batch_release frees the events that batch_take has taken.
void batch_release(batch *b) {
	for (int i = 0; i < b->n; i++)
		rd_kafka_event_destroy(b->records[i].event);
	if (b->other != NULL)
		rd_kafka_event_destroy(b->other);
	b->other = NULL;
	b->n = 0;
	b->nheaders = 0;
}

void batch_free(batch *b) {
	batch_release(b);
	rd_kafka_queue_destroy(b->queue);
	free(b->headers);
	free(b);
}
