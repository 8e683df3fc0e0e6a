// Package topics makes the topics of a measurement in Kafka, and removes them with the groups of its nodes.
package topics

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"stentor/bench/gen/pace"
)

// Topics are what a run puts into Kafka. It removes them when it is over.
type Topics interface {
	// Create makes a topic of one partition and waits until it is there.
	Create(ctx context.Context, topic string) error
	// Remove removes topics and groups; missing ones are not an error. It has its own timeout: the run's context may have ended.
	Remove(topics, groups []string) error
	Close()
}

// timeout bounds each request to Kafka.
const timeout = 20 * time.Second

// Admin makes topics in a real Kafka.
type Admin struct{ client *ck.AdminClient }

// New connects to Kafka when it is first used.
func New(brokers []string) (*Admin, error) {
	client, err := ck.NewAdminClient(&ck.ConfigMap{"bootstrap.servers": strings.Join(brokers, ","), "log_level": 0}) // errors come with the requests
	if err != nil {
		return nil, err
	}
	return &Admin{client}, nil
}

// Create implements Topics.
func (a *Admin) Create(ctx context.Context, topic string) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	made, err := a.client.CreateTopics(ctx, []ck.TopicSpecification{{Topic: topic, NumPartitions: 1}}, ck.SetAdminOperationTimeout(timeout))
	if err != nil {
		return fmt.Errorf("making topic %s: %w", topic, err)
	}
	if e := made[0].Error; e.Code() != ck.ErrNoError {
		return fmt.Errorf("making topic %s: %w", topic, e)
	}
	return nil
}

// Remove implements Topics.
func (a *Admin) Remove(topics, groups []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second+timeout)
	defer cancel()
	gone, err := a.client.DeleteTopics(ctx, topics)
	for _, r := range gone {
		if c := r.Error.Code(); c != ck.ErrNoError && c != ck.ErrUnknownTopicOrPart {
			err = errors.Join(err, fmt.Errorf("removing topic %s: %w", r.Topic, r.Error))
		}
	}
	for _, group := range groups {
		err = errors.Join(err, a.removeGroup(ctx, group))
	}
	return err
}

// removeGroup retries while the brokers agree on the group's coordinator.
func (a *Admin) removeGroup(ctx context.Context, group string) error {
	for {
		left, err := a.client.DeleteConsumerGroups(ctx, []string{group})
		if err != nil {
			return fmt.Errorf("removing group %s: %w", group, err)
		}
		switch e := left.ConsumerGroupResults[0].Error; e.Code() {
		case ck.ErrNoError, ck.ErrGroupIDNotFound:
			return nil
		case ck.ErrNotCoordinator, ck.ErrCoordinatorNotAvailable, ck.ErrCoordinatorLoadInProgress:
			if pace.Wait(ctx, 200*time.Millisecond) == nil {
				continue
			}
			fallthrough
		default:
			return fmt.Errorf("removing group %s: %w", group, e)
		}
	}
}

// Close implements Topics.
func (a *Admin) Close() { a.client.Close() }
