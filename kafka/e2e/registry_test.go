//go:build kafka

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"stentor/engine/testkit"
	"stentor/kafka/kafkatest"
)

const clusterKey = "a-key-of-the-cluster-that-is-long-enough"

// endpoints asks a node or a registry for up to n addresses; none: it has no node to name.
func endpoints(t *testing.T, of *testkit.Node, n int) []string {
	t.Helper()
	r, err := of.Call(http.MethodGet, fmt.Sprintf("/v1/endpoints?n=%d", n), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct{ Endpoints []string }
	switch r.Status {
	case http.StatusOK:
		if err := json.Unmarshal(r.Body, &answer); err != nil {
			t.Fatal(err)
		}
	case http.StatusServiceUnavailable:
	default:
		t.Fatalf("%d %s", r.Status, r.Body)
	}
	return answer.Endpoints
}

// TestRegistry: a registry and every node name the nodes that live; one that was killed comes last, one that leaves is not
// named from then on; when the brokers are away all stays as it was. The registry's user may read the topic of the nodes and
// nothing else.
func TestRegistry(t *testing.T) {
	broker := kafkatest.Start(t, 1)
	c := newCluster(t, broker.Bootstrap(), 0)
	c.config += "admin_keys: [admin-key]\ncluster: {key: " + clusterKey + "}\n"
	urls := make([]string, 2)
	for i := range urls {
		urls[i] = fmt.Sprintf("wss://push-%d.example.com/ws", i)
		c.add("advertise.clients=" + urls[i])
	}
	for _, n := range c.nodes {
		n.WaitReady()
	}
	if out, err := broker.RunTool(kafkatest.ACLs, "--add", "--allow-principal", "User:backend", "--operation", "Read", "--topic", "nodes-"+c.run); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	registry := testkit.Start(t, testkit.Setup{
		Registry: true, Patience: patience, HTTP: c.http,
		Config: fmt.Sprintf("kafka: {brokers: [%q], nodes_topic: %q, properties: {security.protocol: SASL_PLAINTEXT, sasl.mechanism: PLAIN, sasl.username: backend, sasl.password: backend}}\ncluster: {key: %s}\n",
			broker.SASL(), "nodes-"+c.run, clusterKey),
	})
	registry.WaitReady()
	named := func(of *testkit.Node, want ...string) func() bool {
		return func() bool {
			got := endpoints(t, of, 10)
			slices.Sort(got)
			return slices.Equal(got, want)
		}
	}
	for i, of := range []*testkit.Node{registry, c.nodes[0], c.nodes[1]} {
		eventually(t, text(fmt.Sprintf("%d does not name both nodes", i)), named(of, urls...))
	}

	c.nodes[1].Kill()
	eventually(t, text("the node that was killed is no suspect"), func() bool {
		return strings.Contains(string(c.nodes[0].Must(t, http.MethodGet, "/v1/nodes", "admin-key", nil).Body), `"state":"suspect"`)
	})
	eventually(t, text("the registry does not notice"), func() bool { return registry.Metric(t, `stentor_directory_nodes{state="suspect"}`) == 1 })
	for range 100 {
		if got := endpoints(t, registry, 2); !slices.Equal(got, urls) {
			t.Fatalf("named %q", got)
		}
	}

	c.nodes[1].Start()
	c.nodes[1].WaitReady()
	first := map[string]bool{}
	eventually(t, text("the node that was started again is not named first"), func() bool {
		first[endpoints(t, registry, 2)[0]] = true
		return len(first) == 2
	})

	c.nodes[0].Leave()
	eventually(t, text("the node that leaves is still named"), named(registry, urls[1]))
	c.nodes[0].WaitEnd()
	if !named(registry, urls[1])() || !named(c.nodes[1], urls[1])() {
		t.Error("the node that left is named")
	}

	broker.KillBroker(0)
	eventually(t, text("the registry does not notice"), func() bool { return registry.Metric(t, "stentor_directory_stale_seconds") > 8 })
	if !named(registry, urls[1])() || registry.Metric(t, `stentor_directory_nodes{state="up"}`) != 1 {
		t.Error("without the broker the node that lives is not named")
	}
	if ready, why := registry.Ready(); !ready {
		t.Errorf("the registry is not ready without the broker: %s", why)
	}
	if err := broker.RestartBroker(0); err != nil {
		t.Fatal(err)
	}
	eventually(t, text("the topic is not read again"), func() bool { return registry.Metric(t, "stentor_directory_stale_seconds") == 0 })
	if !named(registry, urls[1])() {
		t.Error("after the outage the node that lives is not named")
	}
}
