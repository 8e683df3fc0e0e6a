package librdkafka

// #include "batch.h"
import "C"

import (
	"time"
	"unsafe"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// Header is one header of a record.
type Header struct {
	Name  string
	Value []byte
}

// Record is a record with its partition and offset. All that it refers to is librdkafka's memory, valid until Release.
type Record struct {
	Topic      string
	Partition  int32
	Offset     int64
	Failed     bool // it is no record, but an error of its partition
	Key, Value []byte
	Headers    []Header
	Time       time.Time // now, if it has none
}

// Batch takes the records that a consumer has fetched, many with one call. It belongs to one goroutine at a time.
type Batch struct {
	c      *C.batch
	record Record // the result of At
}

// maxBytes bounds the bytes of the values that are taken at once, as C.BATCH_RECORDS bounds the number of records.
const maxBytes = 256 << 10

// New creates the Batch of a consumer. Nothing else may poll that consumer. Close the Batch before the consumer.
func New(consumer *ck.Consumer) (*Batch, error) {
	if err := CheckVersion(); err != nil {
		return nil, err
	}
	rk, err := handleOf(consumer)
	if err != nil {
		return nil, err
	}
	return &Batch{c: C.batch_new((*C.rd_kafka_t)(rk))}, nil
}

// Take waits up to wait for an event, then takes further records that are ready, and returns the number of records. Call
// Release first, for what an earlier call took.
func (b *Batch) Take(wait time.Duration) int {
	C.batch_take(b.c, C.int(wait.Milliseconds()), maxBytes)
	return int(b.c.n)
}

// At returns record i of those that Take took. It is valid until the next call of At or Release.
func (b *Batch) At(i int) *Record {
	c, r := &b.c.records[i], &b.record
	r.Topic = unsafe.String((*byte)(unsafe.Pointer(c.topic)), int(c.topic_len))
	r.Partition, r.Offset, r.Failed = int32(c.partition), int64(c.offset), c.err != 0
	r.Key, r.Value = lent(c.key, c.key_len), lent(c.value, c.len)
	if c.time < 0 {
		r.Time = time.Now()
	} else {
		r.Time = time.UnixMilli(int64(c.time))
	}
	r.Headers = r.Headers[:0]
	if c.headers > 0 {
		for _, h := range unsafe.Slice(b.c.headers, b.c.nheaders)[c.first_header:][:c.headers] {
			r.Headers = append(r.Headers, Header{unsafe.String((*byte)(unsafe.Pointer(h.name)), int(h.name_len)), lent(h.value, h.len)})
		}
	}
	return r
}

func lent(p unsafe.Pointer, n C.size_t) []byte { return unsafe.Slice((*byte)(p), int(n)) }

// Error is an error of a consumer, with the topic that it concerns, if that is a single one.
type Error struct {
	ck.Error
	Topic string
}

// Other returns the event that followed the records, a ck.PartitionEOF or an Error; nil if none that matters did.
func (b *Batch) Other() any {
	event := b.c.other
	if event == nil || C.rd_kafka_event_type(event) != C.EVENT_ERROR {
		return nil
	}
	code := C.rd_kafka_event_error(event)
	if code == C.ERR_PARTITION_EOF {
		if at := placeOf(event); at != nil {
			return ck.PartitionEOF(*at)
		}
		return nil
	}
	if C.rd_kafka_event_error_is_fatal(event) != 0 {
		var text [512]C.char
		code = C.rd_kafka_fatal_error(b.c.consumer, &text[0], C.size_t(len(text)))
		return Error{Error: ck.NewError(ck.ErrorCode(code), C.GoString(&text[0]), true)}
	}
	e := Error{Error: ck.NewError(ck.ErrorCode(code), C.GoString(C.rd_kafka_event_error_string(event)), false)}
	if at := placeOf(event); at != nil {
		e.Topic = *at.Topic
	}
	return e
}

// placeOf returns the partition that an event is about, nil when it is about none.
func placeOf(event *C.rd_kafka_event_t) *ck.TopicPartition {
	at := C.rd_kafka_event_topic_partition(event)
	if at == nil {
		return nil
	}
	defer C.rd_kafka_topic_partition_destroy(at)
	topic := C.GoString(at.topic)
	return &ck.TopicPartition{Topic: &topic, Partition: int32(at.partition), Offset: ck.Offset(at.offset)}
}

// Release frees what Take has taken.
func (b *Batch) Release() { C.batch_release(b.c) }

// Close releases everything.
func (b *Batch) Close() { C.batch_free(b.c) }
