package librdkafka

import (
	"fmt"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// oldest is the librdkafka that types.h and functions.h were taken from, as rd_kafka_version has it: 0xMMmmrrpp, major,
// minor, revision and pre-release, which is 0xff for a release. Its ABI is stable within a major version.
const oldest = 0x020f00ff

// Version returns the version of the linked librdkafka, as in 2.15.0.
func Version() string {
	_, name := ck.LibraryVersion()
	return name
}

// CheckVersion returns an error if the linked librdkafka is older than the one that this package was written for, or of
// another major version. Any goroutine may call it.
func CheckVersion() error { return checkVersion(ck.LibraryVersion()) }

func checkVersion(number int, name string) error {
	if number >= oldest && number>>24 == oldest>>24 {
		return nil
	}
	return fmt.Errorf("librdkafka %s is linked, but 2.15.0 or a later 2.x is needed: build without the tag `dynamic`, or install that version", name)
}
