//go:build kafka

package e2e

import (
	"errors"
	"testing"

	client "stentor/clients/go"
	"stentor/kafka/kafkatest"
)

// The broker is killed under load and comes back: pushes that were not answered are sent again, clients stay where they
// are, and everyone gets everything once. What a client sends to the back ends meanwhile is not confirmed.
func TestBrokerKilled(t *testing.T) {
	const before, after = 5_000, 15_000
	broker := kafkatest.Start(t, 1)
	w := newWorld(t, newCluster(t, broker.Bootstrap(), 2), setup{singles: 1000, batched: 3000, partitions: 1})
	w.load(t, after, func() {
		w.await(t, before)
		sender := dialSender(t, w.cluster, "sender")
		sender.send(t, "/app/before", nil, "", "r1")
		if r := sender.next(); r != "RECEIPT r1" {
			t.Errorf("a SEND was answered with %s", r)
		}
		broker.KillBroker(0)
		eventually(t, text("no push was refused"), func() bool { return w.backend.retries.Load() > 0 })
		sender.send(t, "/app/meanwhile", nil, "", "r2")
		var closed *client.CloseError
		if _, err := sender.read(); !errors.As(err, &closed) || closed.Code != 1013 {
			t.Errorf("a SEND without a broker was answered with %v", err)
		}
		for i, n := range w.nodes {
			if ready, why := n.Ready(); !ready {
				t.Errorf("node %d is not ready without the broker: %s", i, why)
			}
		}
		if err := broker.RestartBroker(0); err != nil {
			t.Fatal(err)
		}
	})
	if n := w.crowd.sum(func(f *follower) int64 { return f.connects.Load() }); n != int64(len(w.crowd.all)) {
		t.Errorf("%d clients made %d connections", len(w.crowd.all), n)
	}
}
