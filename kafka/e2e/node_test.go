//go:build kafka

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
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
listen: {client: "127.0.0.1:0", api: "127.0.0.1:0"}
log: {format: json}
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
	t     *testing.T
	file  string
	run   string // part of the names of all topics
	http  *http.Client
	nodes []*node
}

// newCluster starts n nodes and waits until they are ready. settings are key.path=value.
func newCluster(t *testing.T, bootstrap string, n int, settings ...string) *cluster {
	t.Helper()
	c := &cluster{t: t, run: fmt.Sprintf("%s-%d", strings.ToLower(t.Name()), time.Now().UnixNano()), file: filepath.Join(t.TempDir(), "stentor.yaml")}
	c.http = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	t.Cleanup(c.http.CloseIdleConnections)
	if err := os.WriteFile(c.file, fmt.Appendf(nil, shop, c.run, `"`+strings.ReplaceAll(bootstrap, ",", `","`)+`"`), 0o600); err != nil {
		t.Fatal(err)
	}
	for range n {
		c.add(settings...)
	}
	for _, node := range c.nodes {
		node.waitReady()
	}
	return c
}

// add starts one more node, with settings of its own.
func (c *cluster) add(settings ...string) *node {
	c.t.Helper()
	i := len(c.nodes)
	n := &node{cluster: c, settings: append([]string{fmt.Sprintf("node.id=%s-%d", c.run, i)}, settings...)}
	c.nodes = append(c.nodes, n)
	c.t.Cleanup(func() {
		n.end(syscall.SIGKILL)
		if c.t.Failed() {
			c.t.Logf("node %d:\n%s", i, n.journal.Tail(40))
		}
	})
	n.start()
	return n
}

// post sends a request to a node's API; the caller closes the answer's body.
func (c *cluster) post(n *node, path, media string, body io.Reader) (*http.Response, error) {
	_, api := n.addresses()
	r, err := http.NewRequest(http.MethodPost, api+"/v1/projects/"+project+"/"+path, body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer shop-key")
	r.Header.Set("Content-Type", media)
	return c.http.Do(r)
}

// push pushes a payload of so many bytes to a topic, once, and returns the answer, whose body is the text.
func (c *cluster) push(n *node, topic string, size int) (answer *http.Response, text string) {
	c.t.Helper()
	body := fmt.Sprintf(`{"topic":"%s","payload":"%s"}`, topic, strings.Repeat("x", size))
	answer, err := c.post(n, "push", "application/json", strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	defer answer.Body.Close()
	all, err := io.ReadAll(answer.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return answer, string(all)
}

func (c *cluster) pushTopic() string { return "push-" + c.run + "-" + project }
func (c *cluster) inTopic() string   { return "in-" + c.run + "-" + project }

// token is one of a user.
func (c *cluster) token(user string) string {
	c.t.Helper()
	out, err := exec.Command(binary, "token", "--config", c.file, "--project", project, "--sub", user).Output()
	if err != nil {
		c.t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// node is a stentor process, and after its end the next one with the same id.
type node struct {
	cluster  *cluster
	settings []string
	journal  journal

	mu      sync.Mutex
	client  string // URL of the endpoint
	api     string // without a slash at the end
	process *os.Process
	ended   chan struct{} // closed when the process is gone
	last    *os.ProcessState
}

// state says how the last process ended.
func (n *node) state() *os.ProcessState {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.last
}

// addresses are those of the process that is there, or of the last one.
func (n *node) addresses() (client, api string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.client, n.api
}

// start runs the node and returns when it listens.
func (n *node) start() {
	t := n.cluster.t
	t.Helper()
	args := []string{"serve", "--config", n.cluster.file}
	for _, kv := range n.settings {
		args = append(args, "--set", kv)
	}
	cmd := exec.Command(binary, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	started, ended := make(chan error), make(chan struct{})
	from := n.journal.Count()
	go func() {
		runtime.LockOSThread() // Pdeathsig comes when the thread that started the process ends
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		n.journal.Read(out)
		_ = cmd.Wait() // state has more
		n.mu.Lock()
		n.last = cmd.ProcessState
		n.mu.Unlock()
		close(ended)
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	n.mu.Lock()
	n.process, n.ended = cmd.Process, ended
	n.mu.Unlock()
	var line map[string]string
	eventually(t, func() string { return "a node does not serve:\n" + n.journal.Tail(20) }, func() bool {
		line = n.journal.find(from, "serving")
		select {
		case <-ended:
			return true
		default:
			return line != nil
		}
	})
	if line == nil {
		t.Fatalf("a node ended at its start:\n%s", n.journal.Tail(20))
	}
	n.mu.Lock()
	n.client, n.api = line["clients"], strings.TrimSuffix(line["api"], "/")
	n.mu.Unlock()
}

// signal sends one to the process, if there is one.
func (n *node) signal(sig syscall.Signal) (process *os.Process, ended <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.process != nil {
		_ = n.process.Signal(sig)
	}
	return n.process, n.ended
}

// end sends a signal and waits until the process is gone.
func (n *node) end(sig syscall.Signal) {
	process, ended := n.signal(sig)
	if process == nil {
		return
	}
	select {
	case <-ended:
	case <-time.After(patience):
		n.cluster.t.Errorf("a node does not end:\n%s", n.journal.Tail(20))
		_ = process.Kill()
		<-ended
	}
}

// readiness is the answer of /readyz.
func (n *node) readiness() (ready bool, text string) {
	_, api := n.addresses()
	r, err := n.cluster.http.Get(api + "/readyz")
	if err != nil {
		return false, err.Error()
	}
	defer r.Body.Close()
	body, _ := io.ReadAll(r.Body)
	return r.StatusCode == http.StatusOK, string(body)
}

// metric is the value of one of the node's.
func (n *node) metric(name string) float64 {
	n.cluster.t.Helper()
	_, api := n.addresses()
	r, err := n.cluster.http.Get(api + "/metrics")
	if err != nil {
		n.cluster.t.Fatal(err)
	}
	defer r.Body.Close()
	for in := bufio.NewScanner(r.Body); in.Scan(); {
		if value, ok := strings.CutPrefix(in.Text(), name+" "); ok {
			v, err := strconv.ParseFloat(value, 64)
			if err != nil {
				n.cluster.t.Fatal(err)
			}
			return v
		}
	}
	n.cluster.t.Fatalf("there is no metric %s", name)
	return 0
}

func (n *node) waitReady() {
	n.cluster.t.Helper()
	var last string
	eventually(n.cluster.t, func() string { return "a node is not ready: " + last }, func() (ok bool) {
		ok, last = n.readiness()
		return ok
	})
}

// journal keeps what a node logs.
type journal struct{ testkit.Journal }

// find is the first line behind the first from with this message, nil when there is none.
func (j *journal) find(from int, message string) map[string]string {
	lines, _ := j.After(from)
	for _, text := range lines {
		var line map[string]any
		if json.Unmarshal([]byte(text), &line) != nil || line["msg"] != message {
			continue
		}
		found := map[string]string{}
		for k, v := range line {
			found[k] = fmt.Sprint(v)
		}
		return found
	}
	return nil
}
