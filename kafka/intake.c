#include "intake.h"

#include <stdlib.h>
#include <string.h>

intake *intake_new(rd_kafka_t *consumer) {
	intake *in = calloc(1, sizeof(*in));
	if (in == NULL)
		abort(); // as Go does when there is no memory
	in->consumer = consumer;
	in->queue = rd_kafka_queue_get_consumer(consumer);
	return in;
}

// add_headers notes the headers of m, of which there may be none.
static void add_headers(intake *in, intake_record *r, const rd_kafka_message_t *m) {
	rd_kafka_headers_t *all;
	r->first_header = in->nheaders;
	r->headers = 0;
	if (rd_kafka_message_headers(m, &all) != 0)
		return;
	size_t n = rd_kafka_header_cnt(all);
	if (in->nheaders + n > in->room) {
		size_t room = 2 * (in->nheaders + n);
		intake_header *more = realloc(in->headers, room * sizeof(*more));
		if (more == NULL)
			abort();
		in->headers = more;
		in->room = room;
	}
	intake_header *h = in->headers + in->nheaders;
	for (size_t i = 0; i < n && rd_kafka_header_get_all(all, i, &h->name, &h->value, &h->len) == 0; i++, h++) {
		h->name_len = strlen(h->name);
		r->headers++;
	}
	in->nheaders += r->headers;
}

static size_t add(intake *in, rd_kafka_event_t *event) {
	const rd_kafka_message_t *m = rd_kafka_event_message_next(event);
	intake_record *r = &in->records[in->n++];
	int type;
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
	add_headers(in, r, m);
	return m->len;
}

// intake_take waits for an event, and takes what else is ready: records, until there are enough of them or of their
// bytes, or something else comes.
void intake_take(intake *in, int timeout_ms, size_t bytes) {
	for (size_t have = 0; in->n < INTAKE_RECORDS && have < bytes; timeout_ms = 0) {
		rd_kafka_event_t *event = rd_kafka_queue_poll(in->queue, timeout_ms);
		if (event == NULL)
			return;
		if (rd_kafka_event_type(event) != RD_KAFKA_EVENT_FETCH) {
			in->other = event;
			return;
		}
		have += add(in, event);
	}
}

// intake_release gives back what intake_take has brought.
void intake_release(intake *in) {
	for (int i = 0; i < in->n; i++)
		rd_kafka_event_destroy(in->records[i].event);
	if (in->other != NULL)
		rd_kafka_event_destroy(in->other);
	in->other = NULL;
	in->n = 0;
	in->nheaders = 0;
}

void intake_free(intake *in) {
	intake_release(in);
	rd_kafka_queue_destroy(in->queue);
	free(in->headers);
	free(in);
}
