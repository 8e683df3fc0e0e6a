package kafka

// #include "intake.h"
import "C"

import (
	"errors"
	"reflect"
	"time"
	"unsafe"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// intake takes what a consumer has read, many records with one call: confluent-kafka-go's Poll brings one, in some twenty
// pieces of memory, and at the start of a node that is most of what a record costs. Nothing is copied here. It asks
// librdkafka's own functions, which that library is linked with, for the events that Poll would bring, in the same order.
// It belongs to the reader's goroutine.
type intake struct {
	c      *C.intake
	record fetched // that at has given
}

// fetched is a record with where it lay. All that it refers to is librdkafka's, until release.
type fetched struct {
	Record
	topic     string
	partition int32
	offset    int64
	failed    bool
}

// batchBytes bounds the records that are taken at once, by their values, as C.INTAKE_RECORDS does by number.
const batchBytes = 256 << 10

var errNoHandle = errors.New("this confluent-kafka-go keeps librdkafka's handle elsewhere than the one that the node was written for")

// newIntake makes the intake of a consumer, which is not to be polled in any other way. Close it before the consumer.
func newIntake(consumer *ck.Consumer) (*intake, error) {
	handle := reflect.ValueOf(consumer).Elem().FieldByName("handle")
	if handle.Kind() != reflect.Struct {
		return nil, errNoHandle
	}
	rk := handle.FieldByName("rk")
	if rk.Kind() != reflect.Pointer || rk.IsNil() {
		return nil, errNoHandle
	}
	return &intake{c: C.intake_new((*C.rd_kafka_t)(rk.UnsafePointer()))}, nil
}

// take waits up to wait for an event, then takes what else is ready, and says how many records came.
func (in *intake) take(wait time.Duration) int {
	C.intake_take(in.c, C.int(wait.Milliseconds()), batchBytes)
	return int(in.c.n)
}

// at is record i of those that came, until the next call.
func (in *intake) at(i int) *fetched {
	c, r := &in.c.records[i], &in.record
	r.topic = unsafe.String((*byte)(unsafe.Pointer(c.topic)), int(c.topic_len))
	r.partition, r.offset, r.failed = int32(c.partition), int64(c.offset), c.err != 0
	r.Key, r.Value = lent(c.key, c.key_len), lent(c.value, c.len)
	if c.time < 0 {
		r.Time = time.Now()
	} else {
		r.Time = time.UnixMilli(int64(c.time))
	}
	r.Headers = r.Headers[:0]
	if c.headers > 0 {
		for _, h := range unsafe.Slice(in.c.headers, in.c.nheaders)[c.first_header:][:c.headers] {
			r.Headers = append(r.Headers, Header{unsafe.String((*byte)(unsafe.Pointer(h.name)), int(h.name_len)), lent(h.value, h.len)})
		}
	}
	return r
}

func lent(p unsafe.Pointer, n C.size_t) []byte { return unsafe.Slice((*byte)(p), int(n)) }

// other is the event that came behind the records, a ck.PartitionEOF or a ck.Error; nil when there is none that matters.
func (in *intake) other() any {
	event := in.c.other
	if event == nil || C.rd_kafka_event_type(event) != C.RD_KAFKA_EVENT_ERROR {
		return nil
	}
	code := C.rd_kafka_event_error(event)
	if code == C.RD_KAFKA_RESP_ERR__PARTITION_EOF {
		return endOf(event)
	}
	if C.rd_kafka_event_error_is_fatal(event) != 0 {
		var text [512]C.char
		code = C.rd_kafka_fatal_error(in.c.consumer, &text[0], C.size_t(len(text)))
		return ck.NewError(ck.ErrorCode(code), C.GoString(&text[0]), true)
	}
	return ck.NewError(ck.ErrorCode(code), C.GoString(C.rd_kafka_event_error_string(event)), false)
}

func endOf(event *C.rd_kafka_event_t) any {
	at := C.rd_kafka_event_topic_partition(event)
	if at == nil {
		return nil
	}
	defer C.rd_kafka_topic_partition_destroy(at)
	topic := C.GoString(at.topic)
	return ck.PartitionEOF{Topic: &topic, Partition: int32(at.partition), Offset: ck.Offset(at.offset)}
}

// release gives back what take has brought.
func (in *intake) release() { C.intake_release(in.c) }

func (in *intake) close() { C.intake_free(in.c) }
