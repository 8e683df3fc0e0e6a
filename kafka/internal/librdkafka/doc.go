// Package librdkafka reads many records of a consumer with one call into C.
//
// confluent-kafka-go's Poll brings one record, in some twenty pieces of memory, and copies it twice: at the start of a
// node that was most of what a record cost. A Batch asks librdkafka, which that library is linked with, for the events
// that Poll would bring, in the same order, and lends their bytes.
//
// # What is not public, and how it is fenced
//
// Everything in this project that depends on more than the public interface of confluent-kafka-go is in this package:
//
//   - The handle of librdkafka lies in a private field of kafka.Consumer. handle.go finds it by reflection and checks the
//     names and types on the way: another layout is an error, and never a wrong pointer.
//   - librdkafka's own header lies in another module, where no include path can point to. types.h and functions.h declare
//     what is used. _Static_assert holds sizes and offsets against the platform, and layout_test.go compiles both files
//     together with the real rdkafka.h.
//   - Which library was linked is checked at the start (CheckVersion), since a build with the tag `dynamic` takes the host's.
//
// # Nothing public does the same
//
// rd_kafka_consume_batch_queue takes many messages with one call, but it does not help. It wants the same handle:
// confluent-kafka-go exports none (Handle.gethandle is private, and its C types belong to its own package), no function
// of it takes a batch, and librdkafka gives no handle to who has not made it (interceptors get one, and are loaded as a
// plugin only). It also brings messages alone: an error that concerns the whole client would be lost, where the event queue
// shows it. So it would replace some twenty lines of batch.c, and nothing of what is private.
package librdkafka
