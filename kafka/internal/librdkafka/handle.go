package librdkafka

import (
	"fmt"
	"reflect"
	"unsafe"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// handleOf returns the rd_kafka_t of a consumer: its private field handle.rk.
func handleOf(consumer *ck.Consumer) (unsafe.Pointer, error) {
	return findHandle(reflect.ValueOf(consumer))
}

func findHandle(consumer reflect.Value) (unsafe.Pointer, error) {
	if consumer.Kind() != reflect.Pointer || consumer.IsNil() || consumer.Elem().Kind() != reflect.Struct {
		return nil, fmt.Errorf("%v is not a consumer", consumer.Type())
	}
	handle := consumer.Elem().FieldByName("handle")
	if handle.Kind() != reflect.Struct {
		return nil, errHandle(consumer, "has no struct `handle`")
	}
	rk := handle.FieldByName("rk")
	if rk.Kind() != reflect.Pointer || rk.Type().Elem().Name() != "_Ctype_struct_rd_kafka_s" {
		return nil, errHandle(consumer, "has no pointer `handle.rk` to librdkafka's rd_kafka_s")
	}
	if rk.IsNil() {
		return nil, errHandle(consumer, "is closed: its `handle.rk` is nil")
	}
	return rk.UnsafePointer(), nil
}

func errHandle(consumer reflect.Value, what string) error {
	return fmt.Errorf("confluent-kafka-go: %v %s: librdkafka's handle is not where this version of Stentor expects it", consumer.Type(), what)
}
