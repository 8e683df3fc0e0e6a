package push

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"stentor/engine/bus"
	"stentor/kafka"
)

// Kafka produces straight to the topics of the projects, as a back end may that does not use the HTTP API.
type Kafka struct {
	topic    string
	producer *ck.Producer
	reports  sync.WaitGroup
	trouble  atomic.Pointer[string]
}

// KafkaOptions say where.
type KafkaOptions struct {
	Brokers    []string
	Topic      string            // {project} stands for the project
	Properties map[string]string // of librdkafka
}

const flushFor = 5 * time.Second

// NewKafka makes a producer. It connects when the first message is sent.
func NewKafka(o KafkaOptions) (*Kafka, error) {
	config := ck.ConfigMap{
		"bootstrap.servers":       strings.Join(o.Brokers, ","),
		"partitioner":             "murmur2_random", // librdkafka's own puts keys elsewhere than Java's
		"enable.idempotence":      true,
		"linger.ms":               0,
		"message.timeout.ms":      int(requestTimeout.Milliseconds()),
		"go.events.channel.size":  queued,
		"go.produce.channel.size": queued,
		"go.logs.channel.enable":  true,
	}
	for name, value := range o.Properties {
		config[name] = value
	}
	p, err := ck.NewProducer(&config)
	if err != nil {
		return nil, fmt.Errorf("Kafka: %w", err)
	}
	k := &Kafka{topic: o.Topic, producer: p}
	k.reports.Go(func() {
		for e := range p.Events() {
			switch e := e.(type) {
			case *ck.Message:
				e.Opaque.(func(error))(e.TopicPartition.Error)
			case ck.Error: // librdkafka goes on trying
				if e.Code() == ck.ErrAllBrokersDown && k.trouble.Load() != nil {
					continue // why they are was said before
				}
				text := "push: Kafka: " + e.Error()
				k.trouble.Store(&text)
			}
		}
	})
	go func() {
		for range p.Logs() { // errors come with the messages that they concern
		}
	}()
	return k, nil
}

// Trouble is the last error about the brokers, empty when there was none.
func (k *Kafka) Trouble() string {
	if text := k.trouble.Load(); text != nil {
		return *text
	}
	return ""
}

// Close abandons what is not in Kafka yet.
func (k *Kafka) Close() {
	_ = k.producer.Purge(ck.PurgeQueue | ck.PurgeInFlight) // answers what is under way
	k.producer.Flush(int(flushFor.Milliseconds()))
	k.producer.Close()
	k.reports.Wait()
}

// Send produces the messages and waits until all in-sync replicas have them. An idempotent producer keeps their order.
func (k *Kafka) Send(ctx context.Context, all []Message) (taken int, err error) {
	results := make([]error, len(all))
	var wait sync.WaitGroup
	for i := range all {
		wait.Add(1)
		done := func(err error) { results[i] = err; wait.Done() }
		if err := k.produce(&all[i], done); err != nil {
			done(err)
		}
	}
	// A caller that gives up must not wait until librdkafka does. Purging answers the pending messages of all lanes: lanes
	// end together.
	stop := context.AfterFunc(ctx, func() { _ = k.producer.Purge(ck.PurgeQueue | ck.PurgeInFlight) }) // without effect at worst
	wait.Wait()
	stop()
	for i, err := range results {
		if err == nil {
			continue
		}
		if e, ok := err.(ck.Error); ok && e.Code() == ck.ErrQueueFull {
			return i, &Refused{Cause: "push: " + err.Error()}
		}
		return i, fmt.Errorf("push: Kafka: %w", err)
	}
	return len(all), nil
}

func (k *Kafka) produce(m *Message, done func(error)) error {
	r := kafka.Encode(&bus.Record{
		Project: m.Project, Destination: m.Destination, User: m.User, ContentType: "application/json", ID: m.ID(), Body: m.body(nil), Time: time.Now(),
	})
	topic := strings.ReplaceAll(k.topic, "{project}", m.Project)
	out := &ck.Message{
		TopicPartition: ck.TopicPartition{Topic: &topic, Partition: ck.PartitionAny},
		Key:            r.Key, Value: r.Value, Timestamp: r.Time, Opaque: done,
	}
	for _, h := range r.Headers {
		out.Headers = append(out.Headers, ck.Header{Key: h.Name, Value: h.Value})
	}
	return k.producer.Produce(out, nil)
}
