//go:build kafka

package e2e

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"stentor/kafka/kafkatest"
)

// Clients come and go between nodes, each at its own random moments, while pushes pour in over three partitions: topics,
// users' queues and a pattern over all topics. Nodes are killed meanwhile, and those that start again are tried by clients
// before they are ready.
func TestResumeRaces(t *testing.T) {
	const partitions, pushes, resumes, kills = 3, 40_000, 1000, 3
	w := newWorld(t, newCluster(t, kafkatest.Bootstrap(t), 3, fmt.Sprint("kafka.partitions=", partitions)), setup{
		singles: 1500, batched: 3000, partitions: partitions,
		stay: func() time.Duration { return 20*time.Millisecond + rand.N(400*time.Millisecond) },
	})
	w.load(t, pushes, func() {
		for i := range kills {
			w.await(t, int64(i+1)*pushes/(kills+1))
			w.nodes[i].Kill()
			w.nodes[i].Start()
		}
		eventually(t, func() string { return fmt.Sprintf("%d subscriptions resumed", w.resumed()) },
			func() bool { return w.resumed() >= resumes })
	})
	used := map[int32]bool{}
	for _, f := range w.crowd.all {
		for _, s := range f.subs {
			for partition, at := range s.mark {
				used[partition] = used[partition] || at.Offset > 0
			}
		}
	}
	if len(used) != partitions {
		t.Errorf("the pushes were in partitions %v", used)
	}
}
