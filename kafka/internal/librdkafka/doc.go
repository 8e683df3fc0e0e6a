// Package librdkafka reads many records of a consumer with one call into C.
//
// confluent-kafka-go's Poll returns one record, with some twenty allocations and two copies: at the start of a node that
// was most of a record's cost. A Batch asks librdkafka, which that library is linked with, for the events that Poll would
// return, in the same order, and lends their bytes.
//
// # What is not public, and how it is fenced
//
// Everything in this project that depends on more than the public interface of confluent-kafka-go is in this package:
//
//   - The handle of librdkafka is in a private field of kafka.Consumer. handle.go finds it by reflection and checks the
//     names and types on the way: another layout is an error, and never a wrong pointer.
//   - librdkafka's own header is in another module, to which no include path can point. types.h and functions.h declare
//     what is used. _Static_assert checks sizes and offsets on the platform, and layout_test.go compiles both files
//     together with the real rdkafka.h.
//   - CheckVersion checks the linked library at the start, since a build with the tag `dynamic` links the host's.
//
// # Nothing public does the same
//
// rd_kafka_consume_batch_queue takes many messages with one call, but it does not help. It needs the same handle:
// confluent-kafka-go does not export it (Handle.gethandle is private, and its C types belong to its own package) and has no
// function that takes a batch, and librdkafka gives a handle only to the code that created it (interceptors get one, but
// they are loaded only as a plugin). It also returns messages only: an error of the whole client, which the event queue
// has, would be lost. So it would replace some twenty lines of batch.c, and none of the private parts.
package librdkafka
