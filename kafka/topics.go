package kafka

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// found is a topic as the broker has it.
type found struct {
	epoch      uint64
	partitions []int32
	err        error // why it cannot be described
}

// describe asks the brokers for the topics that exist.
func (w *watcher) describe(ctx context.Context, list []wanted) (map[string]found, error) {
	var names []string
	for _, t := range list {
		if names = append(names, t.Name); t.In != "" {
			names = append(names, t.In)
		}
	}
	all := map[string]found{}
	if len(names) == 0 {
		return all, nil
	}
	if epoch := w.embedded(ctx); epoch != 0 {
		return w.describeEmbedded(names, epoch)
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	got, err := w.admin.DescribeTopics(ctx, ck.NewTopicCollectionOfTopicNames(names))
	if err != nil {
		return nil, err
	}
	for _, d := range got.TopicDescriptions {
		switch d.Error.Code() {
		case ck.ErrNoError:
			f := found{epoch: epochOf(d.TopicID, d.Name)}
			for _, p := range d.Partitions {
				f.partitions = append(f.partitions, int32(p.Partition))
			}
			slices.Sort(f.partitions)
			all[d.Name] = f
		case ck.ErrUnknownTopicOrPart, ck.ErrUnknownTopic:
		default:
			all[d.Name] = found{err: d.Error}
		}
	}
	return all, nil
}

// embedded returns the epoch of all topics if the broker is an Embedded one, otherwise 0.
func (w *watcher) embedded(ctx context.Context) (epoch uint64) {
	if w.cluster == "" { // without an answer there is none for describe either, and the next look asks again
		ctx, cancel := context.WithTimeout(ctx, clusterTime)
		defer cancel()
		if _, err := w.admin.GetMetadata(nil, false, int(clusterTime.Milliseconds())); err == nil { // which brings the id
			w.cluster, _ = w.admin.ClusterID(ctx)
		}
	}
	if strings.HasPrefix(w.cluster, embeddedPrefix) {
		return epochOf(ck.UUID{}, w.cluster)
	}
	return 0
}

// clusterTime bounds how long a look waits for the cluster's id.
const clusterTime = time.Second

// describeEmbedded is describe for an Embedded broker, which does not answer DescribeTopics.
func (w *watcher) describeEmbedded(names []string, epoch uint64) (map[string]found, error) {
	got, err := w.admin.GetMetadata(nil, true, int(askTime.Milliseconds()))
	if err != nil {
		return nil, err
	}
	all := map[string]found{}
	for _, name := range names {
		if m, ok := got.Topics[name]; ok && m.Error.Code() == ck.ErrNoError {
			f := found{epoch: epoch}
			for _, p := range m.Partitions {
				f.partitions = append(f.partitions, p.ID)
			}
			slices.Sort(f.partitions)
			all[name] = f
		}
	}
	return all, nil
}

// epochOf makes an epoch of a topic's id. With a broker that has no topic ids the epoch depends on the name: then a
// recreated topic has the same epoch as the one before.
func epochOf(id ck.UUID, name string) uint64 {
	h := fnv.New64a()
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(id.GetMostSignificantBits()))
	binary.BigEndian.PutUint64(b[8:], uint64(id.GetLeastSignificantBits()))
	if b == [16]byte{} {
		_, _ = h.Write([]byte(name))
	}
	_, _ = h.Write(b[:])
	return h.Sum64()
}

// find returns a topic as it was found, or what is wrong with it. It creates a missing one, for the next look. acls are
// those that the node needs.
func (w *watcher) find(ctx context.Context, there map[string]found, project, name, acls string) (found, error) {
	f, ok := there[name]
	switch {
	case !ok:
		return f, w.missing(ctx, project, name)
	case f.err != nil:
		return f, fmt.Errorf("topic %s of project %s: %w", name, project, needs(f.err, acls, name))
	}
	return f, nil
}

// missing creates a topic that does not exist, or says that an operator has to.
func (w *watcher) missing(ctx context.Context, project, name string) error {
	if !w.opts.Create || w.embedded(ctx) != 0 {
		return fmt.Errorf("topic %s of project %s does not exist: create it, or set kafka.create_topics", name, project)
	}
	config := map[string]string{}
	if w.opts.PushBytes+headerRoom > 1<<20 {
		config["max.message.bytes"] = strconv.Itoa(w.opts.PushBytes + headerRoom)
	}
	if err := createTopic(ctx, w.admin, w.opts, name, w.opts.Partitions, config); err != nil {
		return err
	}
	w.lookNow()
	return fmt.Errorf("topic %s of project %s was just created", name, project)
}

// safeReplicas is the number of replicas from which on an acknowledgement has to mean two copies.
const safeReplicas = 3

func createTopic(ctx context.Context, admin *ck.AdminClient, o *Options, name string, partitions int, config map[string]string) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	replicas := o.Replicas
	if replicas == 0 {
		replicas = -1
	}
	if replicas >= safeReplicas {
		config["min.insync.replicas"] = "2"
	}
	got, err := admin.CreateTopics(ctx, []ck.TopicSpecification{{
		Topic: name, NumPartitions: partitions, ReplicationFactor: replicas, Config: config,
	}})
	if err != nil {
		return fmt.Errorf("topic %s cannot be created: %w", name, err)
	}
	for _, r := range got {
		switch r.Error.Code() {
		case ck.ErrNoError:
			o.Log.Info("topic made", "topic", name, "partitions", partitions, "settings", fmt.Sprint(config))
		case ck.ErrTopicAlreadyExists: // another node was faster, or the broker that listed the topics was behind
		default:
			return fmt.Errorf("topic %s cannot be created: %w", name, needs(r.Error, "Create", name))
		}
	}
	return nil
}
