//go:build ignore

// Pushes with confluent-kafka-go: go run push.go
package main

import (
	"log"
	"os"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

func main() {
	producer, err := kafka.NewProducer(&kafka.ConfigMap{
		"bootstrap.servers":  os.Getenv("KAFKA_BOOTSTRAP"),
		"enable.idempotence": true,             // and with it acks=all: no repeats, no reordering
		"partitioner":        "murmur2_random", // Java's; the default puts keys in other partitions
	})
	if err != nil {
		log.Fatal(err)
	}
	defer producer.Close()

	// To every subscriber of /topic/shop/all. The key is the destination.
	push(producer, "/topic/shop/all", `{"text":"Open until ten tonight"}`, map[string]string{
		"destination": "/topic/shop/all", "content-type": "application/json", "ttl-ms": "60000", "push-id": "hours-1",
	})
	// To the user alice, who subscribed to /user/queue/orders.
	push(producer, "user/alice", `{"order":7,"state":"sent"}`, map[string]string{
		"destination": "/queue/orders", "user": "alice", "content-type": "application/json", "push-id": "order-7-sent",
	})
}

func push(producer *kafka.Producer, key, body string, headers map[string]string) {
	topic := "stentor.push.shop"
	message := &kafka.Message{
		TopicPartition: kafka.TopicPartition{Topic: &topic, Partition: kafka.PartitionAny},
		Key:            []byte(key),
		Value:          []byte(body),
	}
	for name, value := range headers {
		message.Headers = append(message.Headers, kafka.Header{Key: name, Value: []byte(value)})
	}
	done := make(chan kafka.Event, 1)
	if err := producer.Produce(message, done); err != nil {
		log.Fatal(err)
	}
	if err := (<-done).(*kafka.Message).TopicPartition.Error; err != nil {
		log.Fatal(err)
	}
}
