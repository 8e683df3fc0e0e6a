package kafka

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"stentor/engine/bus"
	"stentor/engine/directory"
)

// Options of a Bus. All fields are required unless stated otherwise.
type Options struct {
	Node string // this node's id
	// Instance tells this run of the node from others; empty for a random one.
	Instance string
	// Properties go to librdkafka as they are: bootstrap.servers, SASL, TLS and whatever else.
	Properties map[string]string
	Create     bool // create missing topics
	Partitions int  // of a topic that is created
	// Replicas of a topic that is created; 0 leaves it to the broker.
	Replicas    int
	NodesTopic  string        // topic of the nodes' beats
	Window      time.Duration // how far before the end the reader begins
	PushTimeout time.Duration // for Kafka to acknowledge a push
	Lateness    time.Duration // of reading, beyond which a node is behind if another one is not (see Bus.Behind); 0: never
	PushBytes   int           // of the largest push
	Sink        bus.Sink
	// Covered is called for each partition of a topic that is new here; nil: the node kept no history over its restart.
	Covered bus.Covered
	// Own says whether a destination is a project's.
	Own func(project, destination string) bool
	// ClusterKey seals the beats of the nodes: beats without its seal are not trusted. Without a key no beat is.
	ClusterKey []byte
	// Directory receives all beats; nil for one of the bus's own.
	Directory *directory.View
	// Status, called once a beat, is what the beat says of the node. Draining, called often, reports whether the node leaves.
	// Both may be nil.
	Status   func() directory.Status
	Draining func() bool
	Log      *slog.Logger

	patience time.Duration // of start; 0: the default
}

// headerRoom is how much longer than its body a record may be.
const headerRoom = 64 << 10

// fixed are properties that the bus depends on, with where else to set them.
var fixed = map[string]string{
	"group.id":                 "it is stentor- and node.id",
	"auto.offset.reset":        "a jump has to be noticed",
	"enable.auto.offset.store": "offsets are stored when the shards have taken a record",
	"enable.auto.commit":       "offsets are stored when the shards have taken a record",
	"enable.partition.eof":     "it shows when the node has caught up",
	"enable.idempotence":       "a retry must not repeat a push",
	"acks":                     "an answered push is on all in-sync replicas",
	"request.required.acks":    "an answered push is on all in-sync replicas",
	"partitioner":              "it chooses the same partitions as Java's clients",
	"message.timeout.ms":       "set push.timeout",
	"delivery.timeout.ms":      "set push.timeout",
	"transactional.id":         "the bus has no transactions",
}

// CheckProperties returns what is wrong with properties, as far as can be known without a broker: one error for each.
func CheckProperties(properties map[string]string) (errs []error) {
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if err := checkProperty(name, properties[name]); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// checkProperty asks librdkafka itself, which reports unknown properties when a client is created. Whether values fit each
// other is not checked.
func checkProperty(name, value string) error {
	if why, ok := fixed[name]; ok {
		return fmt.Errorf("%s cannot be set: %s", name, why)
	}
	if strings.HasPrefix(name, "go.") {
		return fmt.Errorf("%s is not a property of librdkafka", name)
	}
	if name == "bootstrap.servers" { // librdkafka would connect to them
		return nil
	}
	client, err := ck.NewAdminClient(&ck.ConfigMap{"log_level": 0, name: value})
	if err == nil {
		client.Close()
		return nil
	}
	// It also reports what is missing beside the property, which other properties may supply.
	if text := err.Error(); strings.Contains(strings.ToLower(text), "configuration property") {
		return fmt.Errorf("librdkafka: %s", text)
	}
	return nil
}

// config is the configuration of one client: what all clients have, then the user's properties, then more.
func (o *Options) config(logs chan ck.LogEvent, usual, more ck.ConfigMap) *ck.ConfigMap {
	m := ck.ConfigMap{
		"client.id":                          "stentor-" + o.Node,
		"reconnect.backoff.max.ms":           2000,
		"topic.metadata.refresh.interval.ms": 30_000,
		// A broker whose host has lost power sends nothing, and connections to it stay open. Until one times out, the client
		// does not ask for the new leader, which Kafka's controllers take 9 s to elect. librdkafka's defaults are 60 and 30 s.
		"socket.timeout.ms":                  5000,
		"socket.connection.setup.timeout.ms": 5000,
		"log.connection.close":               false,
		"allow.auto.create.topics":           false,
	}
	maps.Copy(m, usual)
	for name, value := range o.Properties {
		m[name] = value
	}
	maps.Copy(m, more)
	m["go.logs.channel.enable"] = true
	m["go.logs.channel"] = logs
	return &m
}

func (o *Options) consumerConfig(logs chan ck.LogEvent) *ck.ConfigMap {
	return o.config(logs, ck.ConfigMap{
		// A node holds its history in memory: the queue between broker and reader only has to bridge a moment.
		"queued.max.messages.kbytes": 16 << 10,
		"fetch.queue.backoff.ms":     10,
		"fetch.wait.max.ms":          100,
		"auto.commit.interval.ms":    1000,
		"message.max.bytes":          max(1<<20, 2*(o.PushBytes+headerRoom)),
	}, ck.ConfigMap{
		"group.id":                 Group(o.Node),
		"enable.auto.commit":       true,
		"enable.auto.offset.store": false,
		"auto.offset.reset":        "error",
		"enable.partition.eof":     true,
	})
}

func (o *Options) producerConfig(logs chan ck.LogEvent) *ck.ConfigMap {
	return o.config(logs, ck.ConfigMap{
		"linger.ms": 1,
		// Kafka compares max.message.bytes with a whole batch, and refuses the whole batch. A record that is larger than
		// this is sent alone, so that only a record that is itself too large is refused. Java's default is 16 KiB.
		"batch.size":                 128 << 10,
		"queue.buffering.max.kbytes": 64 << 10,
		queuedMessages:               defaultQueued,
		"message.max.bytes":          max(1<<20, o.PushBytes+headerRoom),
	}, ck.ConfigMap{
		"enable.idempotence":      true,
		"acks":                    "all",
		"partitioner":             "murmur2_random",
		"message.timeout.ms":      int(o.PushTimeout.Milliseconds()),
		"go.events.channel.size":  256,
		"go.produce.channel.size": 1,
	})
}

const (
	queuedMessages = "queue.buffering.max.messages"
	defaultQueued  = 100_000
)

// queued bounds the records that wait in the producer.
func (o *Options) queued() int {
	if n, err := strconv.Atoi(o.Properties[queuedMessages]); err == nil {
		return n
	}
	return defaultQueued
}

// Group is the consumer group of a node, in which Kafka's tools show its lag.
func Group(node string) string { return "stentor-" + node }
