package kafka

import "stentor/kafka/internal/librdkafka"

// LibraryVersion returns the version of the linked librdkafka, as in 2.15.0.
func LibraryVersion() string { return librdkafka.Version() }
