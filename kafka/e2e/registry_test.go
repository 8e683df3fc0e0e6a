//go:build kafka

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	client "stentor/clients/go"
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

// TestNodesAsOne: a node answers for all of them. One that was killed is named, once it does not answer.
func TestNodesAsOne(t *testing.T) {
	c := newCluster(t, kafkatest.Bootstrap(t), 0)
	c.config += "admin_keys: [admin-key]\ncluster: {key: " + clusterKey + "}\n"
	for range 3 {
		api := testkit.FreePort(t)
		c.add("listen.api="+api, "advertise.api=http://"+api)
	}
	for _, n := range c.nodes {
		n.WaitReady()
	}
	ask := func(method, path string, into any) int {
		r := c.nodes[1].Must(t, method, "/v1/projects/shop/"+path, "shop-key", nil)
		if into != nil && r.Status == http.StatusOK {
			if err := json.Unmarshal(r.Body, into); err != nil {
				t.Fatal(err)
			}
		}
		return r.Status
	}
	var stats struct {
		Sessions int
		Missing  []struct{ Node, Why string }
	}
	eventually(t, text("the nodes do not answer each other"), func() bool {
		stats.Missing = nil
		return ask("GET", "stats", &stats) == http.StatusOK && len(stats.Missing) == 0
	})
	sender := dialSender(t, c, "sender")
	var page struct {
		Sessions []struct{ ID, Node, User string }
		Missing  []struct{ Node, Why string }
	}
	eventually(t, text("the session of another node is not there"), func() bool { ask("GET", "sessions", &page); return len(page.Sessions) == 1 })
	if s := page.Sessions[0]; s.Node != c.run+"-0" || s.User != "sender" {
		t.Errorf("%+v", page)
	}
	if status := ask("DELETE", "sessions/"+page.Sessions[0].ID, nil); status != http.StatusOK {
		t.Errorf("the kick was answered with %d", status)
	}
	var closed *client.CloseError
	if _, err := sender.read(); !errors.As(err, &closed) {
		t.Errorf("the client of another node was told %v", err)
	}
	sender = dialSender(t, c, "sender")
	drain := func(method string) {
		t.Helper()
		if r := c.nodes[1].Must(t, method, "/v1/nodes/"+c.run+"-0/drain", "admin-key", nil); r.Status != http.StatusOK {
			t.Fatalf("%d %s", r.Status, r.Body)
		}
	}
	drain(http.MethodPost)
	if _, err := sender.read(); !errors.As(err, &closed) || closed.Code != 1012 || !strings.HasPrefix(closed.Reason, "retry=") {
		t.Errorf("a client of the node that is drained was told %v", err)
	}
	if ready, why := c.nodes[0].Ready(); ready || !strings.Contains(why, "drained") {
		t.Errorf("the node that is drained is ready: %s", why)
	}
	drain(http.MethodDelete)
	c.nodes[0].WaitReady()
	dialSender(t, c, "sender")

	c.nodes[2].Kill()
	missing := func() bool {
		stats.Missing = nil
		ask("GET", "stats", &stats)
		return len(stats.Missing) == 1 && stats.Missing[0].Node == c.run+"-2" && stats.Missing[0].Why != ""
	}
	eventually(t, func() string { return fmt.Sprintf("the node that was killed is not named: %+v", stats) }, missing)
}
