//go:build kafka

package e2e

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"stentor/engine/testkit"
	"stentor/kafka/kafkatest"
)

// A third node is added under load, and `stentor rebalance` run: it ends by itself once the nodes are level, and each subscription
// of those who were moved goes on where it was, with nothing lost or repeated.
func TestRebalance(t *testing.T) {
	const pushes, crowd = 20_000, 60
	c := newCluster(t, kafkatest.Bootstrap(t), 0)
	c.config += "admin_keys: [admin-key]\ncluster: {key: " + clusterKey + "}\n"
	add := func(to *cluster, id string) *testkit.Node {
		clients, api := testkit.FreePort(t), testkit.FreePort(t)
		n := to.add("node.id="+c.run+id, "listen.client="+clients, "listen.api="+api, "advertise.clients=ws://"+clients+"/ws", "advertise.api=http://"+api)
		n.WaitReady()
		return n
	}
	add(c, "-a")
	add(c, "-b")
	c.asked = c.nodes[0]
	eventually(t, text("a node does not name both"), func() bool { return len(endpoints(t, c.asked, 10)) == 2 })
	w := newWorld(t, c, setup{singles: 1500, batched: 5000, partitions: 1, crowd: crowd})
	all := c.nodes
	on := func() (counts []int) {
		for _, n := range all {
			counts = append(counts, int(n.Metric(t, "stentor_sessions")))
		}
		return counts
	}
	w.load(t, pushes, func() {
		w.await(t, pushes/4)
		all = append(all[:2:2], add(&cluster{t: t, config: c.config, run: c.run, http: c.http}, "-c"))
		eventually(t, text("the new node is not named"), func() bool { return len(endpoints(t, c.asked, 10)) == 3 })
		before := w.resumed()
		out, err := testkit.Command("rebalance", "--api", c.asked.URL(), "--key", "admin-key", "--min-age", "0s", "--threshold", "20%").CombinedOutput()
		if err != nil || !strings.Contains(string(out), "every node is within 20% of its share") {
			t.Errorf("%v\n%s", err, out)
		}
		eventually(t, func() string { return fmt.Sprintf("the nodes have %d sessions\n%s", on(), out) }, func() bool {
			sum := 0
			for _, n := range on() {
				if sum += n; math.Abs(float64(n)-crowd/3) > crowd/3/2 { // some may have been on their way when it ended
					return false
				}
			}
			return sum == crowd
		})
		if w.resumed()-before < crowd/3/2*3 { // three subscriptions each
			t.Errorf("%d subscriptions resumed\n%s", w.resumed()-before, out)
		}
	})
}
