//go:build kafka

package e2e

import (
	"net/http"
	"syscall"
	"testing"
	"time"

	"stentor/kafka/kafkatest"
)

// A network cuts one node off from Kafka under load. Its clients stay, what it was asked to push goes through the other
// node, and comes a second time when the network is mended: everyone gets everything once.
func TestNodeCutOff(t *testing.T) {
	const before, between, after = 4_000, 8_000, 20_000
	broker := kafkatest.Start(t, 1)
	far, err := broker.Far()
	if err != nil {
		t.Fatal(err)
	}
	c := newCluster(t, broker.Bootstrap(), 1)
	cut := c.add("kafka.brokers=" + far)
	cut.WaitReady()
	w := newWorld(t, c, setup{singles: 1000, batched: 3000, partitions: 1})
	w.load(t, after, func() {
		w.await(t, before)
		one := []byte(`{"topic":"held","payload":1,"id":"one"}`)
		eventually(t, text("the far node takes no push"), func() bool { return c.push(cut, "held", 1).Status == http.StatusOK }) // it is connected
		// First one direction: else the answers of five requests could be cut off, and the node would send no other.
		broker.CutUp(0)
		if r := cut.Push(t, project, one); r.Status != http.StatusServiceUnavailable {
			t.Errorf("a push that Kafka did not get: %d %s", r.Status, r.Body)
		}
		// That one, or those before it: without an answer no more than five requests are sent.
		eventually(t, text("the wire holds no push"), func() bool { return broker.Holds(0, "/topic/"+project+"/") || broker.Holds(0, "/queue/") })
		broker.Cut(0)
		if r := w.nodes[0].Push(t, project, one); r.Status != http.StatusOK {
			t.Errorf("the same push by the other node: %d %s", r.Status, r.Body)
		}
		w.await(t, w.backend.answered()+between)
		for i, n := range w.nodes {
			if ready, why := n.Ready(); !ready {
				t.Errorf("node %d is not ready: %s", i, why)
			}
		}
		broker.Mend(0)
		eventually(t, text("what the wire held did not come a second time"), func() bool {
			return w.nodes[0].Metric(t, `stentor_pushes_skipped_total{project="shop",reason="repeated"}`) > 0
		})
	})
	if n := w.crowd.sum(func(f *follower) int64 { return f.connects.Load() }); n != int64(len(w.crowd.all)) {
		t.Errorf("%d clients made %d connections", len(w.crowd.all), n)
	}
}

// A node stands still under load for longer than Kafka needs to hear of it, as when its virtual machine is moved, and goes
// on: what it was asked to push meanwhile went through the other node, its clients are still there, and everyone gets
// everything once.
func TestNodeFrozen(t *testing.T) {
	const before, between, after = 4_000, 8_000, 20_000
	w := newWorld(t, newCluster(t, kafkatest.Bootstrap(t), 2), setup{singles: 1000, batched: 3000, partitions: 1})
	w.cluster.http.Timeout = 2 * time.Second // of the back end
	w.load(t, after, func() {
		w.await(t, before)
		frozen := w.nodes[1]
		frozen.Signal(syscall.SIGSTOP)
		eventually(t, text("no push was sent again"), func() bool { return w.backend.retries.Load() > 0 })
		w.await(t, w.backend.answered()+between)
		frozen.Signal(syscall.SIGCONT)
		frozen.WaitReady()
	})
	if n := w.crowd.sum(func(f *follower) int64 { return f.connects.Load() }); n != int64(len(w.crowd.all)) {
		t.Errorf("%d clients made %d connections", len(w.crowd.all), n)
	}
}
