package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"stentor/bench/gen/pace"
)

// topics are what a run puts into Kafka. It removes them when it is over.
type topics interface {
	create(ctx context.Context, topic string) error
	// remove removes a topic that was created, the topic of the nodes, and a node's group.
	remove(ctx context.Context, topic, nodes, group string) error
	close()
}

// admin makes topics in a real Kafka.
type admin struct{ client *ck.AdminClient }

func newAdmin(brokers []string) (*admin, error) {
	client, err := ck.NewAdminClient(&ck.ConfigMap{"bootstrap.servers": strings.Join(brokers, ",")})
	if err != nil {
		return nil, err
	}
	return &admin{client}, nil
}

// create makes a topic of one partition and waits until it is there.
func (a *admin) create(ctx context.Context, topic string) error {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	made, err := a.client.CreateTopics(ctx, []ck.TopicSpecification{{Topic: topic, NumPartitions: 1}}, ck.SetAdminOperationTimeout(adminTimeout))
	if err != nil {
		return fmt.Errorf("making topic %s: %w", topic, err)
	}
	if e := made[0].Error; e.Code() != ck.ErrNoError {
		return fmt.Errorf("making topic %s: %w", topic, e)
	}
	return nil
}

func (a *admin) remove(ctx context.Context, topic, nodes, group string) error {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	gone, err := a.client.DeleteTopics(ctx, []string{topic, nodes})
	for _, r := range gone {
		if c := r.Error.Code(); c != ck.ErrNoError && c != ck.ErrUnknownTopicOrPart {
			err = errors.Join(err, fmt.Errorf("removing topic %s: %w", r.Topic, r.Error))
		}
	}
	return errors.Join(err, a.removeGroup(ctx, group))
}

// removeGroup tries again while the brokers agree on who keeps the group.
func (a *admin) removeGroup(ctx context.Context, group string) error {
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

func (a *admin) close() { a.client.Close() }

// removal is the time for remove after a run that was ended.
func removal() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 2*time.Second+adminTimeout)
}
