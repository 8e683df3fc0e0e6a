//go:build kafka

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"stentor/engine/testkit"
)

const project = "shop"

// shop is the configuration of all nodes: the first %s is the test's own part of its topics' names, the second the brokers.
const shop = `
bus: kafka
node: {id: one-of-several}
kafka: {brokers: [%[2]s], topic_prefix: "push-%[1]s-", in_prefix: "in-%[1]s-", nodes_topic: "nodes-%[1]s"}
drain: {timeout: 10s, interval: 1ms}
push: {timeout: 3s}
projects:
  shop:
    keys: [{kid: a, alg: HS256, secret: "shop-shop-shop-shop-shop-shop-shop-shop"}]
    api_keys: [shop-key]
    patterns: true
    subscribe: ["/topic/shop/**", "/user/**"]
    send: {"/app/**": forward}
`

// cluster is some nodes on one Kafka.
type cluster struct {
	t      *testing.T
	config string
	run    string // part of the names of all topics
	http   *http.Client
	nodes  []*testkit.Node
	proxy  string        // the address of one that clients go through; empty: they choose nodes in turn
	asked  *testkit.Node // whom clients ask where to connect; nil: nobody
}

// url is where a client connects that tries for the nth time.
func (c *cluster) url(n int) string {
	if c.proxy != "" {
		return "ws://" + c.proxy + "/ws"
	}
	if c.asked != nil {
		return c.named()
	}
	return c.nodes[n%len(c.nodes)].Clients()
}

// named is the node that a client is told, "" when it is told none.
func (c *cluster) named() string {
	r, err := c.asked.Call(http.MethodGet, "/v1/endpoints", "", nil)
	var answer struct{ Endpoints []string }
	if err != nil || json.Unmarshal(r.Body, &answer) != nil || len(answer.Endpoints) == 0 {
		return ""
	}
	return answer.Endpoints[0]
}

// newCluster starts n nodes and waits until they are ready. settings are key.path=value.
func newCluster(t *testing.T, bootstrap string, n int, settings ...string) *cluster {
	t.Helper()
	c := &cluster{t: t, run: fmt.Sprintf("%s-%d", strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-")), time.Now().UnixNano())}
	c.config = fmt.Sprintf(shop, c.run, `"`+strings.ReplaceAll(bootstrap, ",", `","`)+`"`)
	c.http = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	t.Cleanup(c.http.CloseIdleConnections)
	for range n {
		c.add(settings...)
	}
	for _, node := range c.nodes {
		node.WaitReady()
	}
	return c
}

// add starts one more node, with settings of its own.
func (c *cluster) add(settings ...string) *testkit.Node {
	c.t.Helper()
	set := append([]string{fmt.Sprintf("node.id=%s-%d", c.run, len(c.nodes))}, settings...)
	n := testkit.Start(c.t, testkit.Setup{Config: c.config, Set: set, Killed: true, Patience: patience, HTTP: c.http})
	c.nodes = append(c.nodes, n)
	return n
}

// push pushes a payload of so many bytes to a topic, once, and returns the answer.
func (c *cluster) push(n *testkit.Node, topic string, size int) testkit.Reply {
	c.t.Helper()
	return n.Push(c.t, project, fmt.Appendf(nil, `{"topic":"%s","payload":"%s"}`, topic, strings.Repeat("x", size)))
}

func (c *cluster) pushTopic() string { return "push-" + c.run + "-" + project }
func (c *cluster) inTopic() string   { return "in-" + c.run + "-" + project }

// token is one of a user.
func (c *cluster) token(user string) string {
	c.t.Helper()
	return c.nodes[0].Token(c.t, project, user)
}
