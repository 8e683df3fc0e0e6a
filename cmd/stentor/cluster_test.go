package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	client "stentor/clients/go"
	"stentor/engine/testkit"
	"stentor/engine/testkit/ledger"
	"stentor/engine/tls13"
	"stentor/kafka"
)

// output collects what a command prints, for who waits for it.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// patience bounds the wait for any one thing, also for what several clusters of processes do at once on a busy machine.
const patience = time.Minute

// eventually waits until ok returns true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	testkit.Eventually(t, patience, func() string { return what }, ok)
}

// TestMain turns the test binary into the program when it is started as a process of a cluster.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "cluster" || os.Args[1] == "serve") {
		main()
	}
	os.Exit(ledger.Main(m, tls13.Observe))
}

// trial is a running cluster for trials.
type trial struct {
	nodes    []trialNode
	registry string // URL of /v1/endpoints
	broker   string
	out      *output
	logs     *output
	stop     func() // as Ctrl-C does, and waits for the end
}

type trialNode struct {
	pid    int
	client string // URL
	api    string // URL, with a / at the end
}

var (
	nodeLine     = regexp.MustCompile(`dev-\d+ +(\d+) +clients (\S+) +API and console (\S+)`)
	registryLine = regexp.MustCompile(`registry +\d+ +(\S+)`)
	brokerLine   = regexp.MustCompile(`broker +(\d+) +Kafka at ([^\s,]+)`)
)

// read takes what the cluster printed.
func (c *trial) read(t *testing.T) {
	t.Helper()
	text := c.out.String()
	for _, m := range nodeLine.FindAllStringSubmatch(text, -1) {
		pid, _ := strconv.Atoi(m[1]) // digits
		c.nodes = append(c.nodes, trialNode{pid, m[2], m[3]})
	}
	registry, broker := registryLine.FindStringSubmatch(text), brokerLine.FindStringSubmatch(text)
	if registry == nil || broker == nil {
		t.Fatalf("no registry or no broker in %q", text)
	}
	c.registry, c.broker = registry[1], broker[2]
}

// runCluster starts a cluster of n nodes, which ends with the test.
func runCluster(t *testing.T, n int, settings ...string) *trial {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c, ended := &trial{out: &output{}, logs: &output{}}, make(chan error, 1)
	go func() { ended <- cluster(ctx, clusterPlan{nodes: n, settings: settings}, c.out, c.logs) }()
	c.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		c.stop()
		if t.Failed() {
			t.Log(c.out.String(), c.logs.String())
		}
	})
	eventually(t, "the cluster does not start", func() bool { return strings.Contains(c.out.String(), "Ctrl-C") })
	if c.read(t); len(c.nodes) != n {
		t.Fatalf("nodes %v in %q", c.nodes, c.out.String())
	}
	return c
}

func get(t *testing.T, url string) string {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer demo-key")
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = got.Body.Close() }()
	text, _ := io.ReadAll(got.Body)
	return string(text)
}

func postPush(t *testing.T, api, body string) string {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, api+"v1/projects/demo/push", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer demo-key")
	r.Header.Set("Content-Type", "application/json")
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = got.Body.Close() }()
	text, _ := io.ReadAll(got.Body)
	if got.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", got.StatusCode, text)
	}
	return string(text)
}

// Every subscriber of every node gets every push once, whichever node took it; a retry through another node is no
// second push; who loses its node resumes on another.
func TestCluster(t *testing.T) {
	t.Parallel()
	nodes := runCluster(t, 3).nodes
	dial := func(i int, after string) *client.Conn {
		c, err := client.Dial(t.Context(), client.Options{URL: nodes[i].client, Project: "demo"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		if err := c.Subscribe("1", "/topic/demo/all", after); err != nil {
			t.Fatal(err)
		}
		if _, receipt, err := c.Next(); err != nil || receipt == nil {
			t.Fatal("no receipt", err)
		}
		return c
	}
	conns := []*client.Conn{dial(0, ""), dial(1, ""), dial(2, "")}
	const n = 60
	for i := range n {
		body := fmt.Sprintf(`{"topic":"all","payload":"%d","id":"id-%d"}`, i, i)
		postPush(t, nodes[i%3].api, body)
		if i%10 == 0 {
			postPush(t, nodes[(i+1)%3].api, body)
		}
	}
	var last string
	for k, c := range conns {
		for i := range n {
			m, _, err := c.Next()
			if err != nil || string(m.Body) != fmt.Sprint(i) {
				t.Fatalf("client %d, push %d: %+v %v", k, i, m, err)
			}
			if i == n/2 {
				last = m.ID
			}
		}
	}
	for _, node := range nodes {
		eventually(t, "the report of a push", func() bool {
			return strings.Contains(get(t, node.api+"v1/projects/demo/pushes/id-5"), `"matched":1,"written":1,"dropped":0,"failed":0,"first_write"`)
		})
	}
	again := dial(2, last)
	for i := n/2 + 1; i < n; i++ {
		m, _, err := again.Next()
		if err != nil || string(m.Body) != fmt.Sprint(i) {
			t.Fatalf("resumed, push %d: %+v %v", i, m, err)
		}
	}
}

// Nodes are on consecutive ports, two for each, and settings count for all of them.
func TestClusterConfigs(t *testing.T) {
	p := clusterPlan{port: 9000, settings: []string{"log.level=debug"}, key: strings.Repeat("k", 32), broker: "127.0.0.1:9"}
	for i := range 3 {
		c, err := p.config(i)
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprint(c.Node.ID, c.Listen.Client, c.Listen.API, c.Bus, c.Kafka.Brokers, c.Log.Level)
		if want := fmt.Sprintf("dev-%d[127.0.0.1:%d]127.0.0.1:%dkafka[127.0.0.1:9]debug", i+1, 9000+2*i, 9001+2*i); strings.ReplaceAll(got, " ", "") != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// The second of two nodes with one id ends, and says why; and so does a cluster whose nodes cannot start.
func TestTwinEnds(t *testing.T) {
	t.Parallel()
	logs := &output{}
	err := cluster(t.Context(), clusterPlan{nodes: 2, settings: []string{"node.id=twin"}}, io.Discard, logs)
	if err == nil || !strings.Contains(err.Error(), kafka.ErrTwin.Error()+": twin") {
		t.Errorf("%v\n%s", err, logs.String())
	}
}

// A client's SEND gets its receipt once Kafka has it.
func TestForward(t *testing.T) {
	t.Parallel()
	nodes := runCluster(t, 1).nodes
	conn, _, _, err := ws.Dial(t.Context(), nodes[0].client)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	for _, frame := range []string{
		"CONNECT\naccept-version:1.2\nprojectId:demo\n\n\x00",
		"SEND\ndestination:/app/order\ncolor:red\nreceipt:r1\n\nhello\x00",
	} {
		if err := wsutil.WriteClientText(conn, []byte(frame)); err != nil {
			t.Fatal(err)
		}
		got, err := wsutil.ReadServerText(conn)
		if err != nil {
			t.Fatal(err)
		}
		if want := map[bool]string{true: "CONNECTED\n", false: "RECEIPT\nreceipt-id:r1\n"}[strings.HasPrefix(frame, "CONN")]; !strings.HasPrefix(string(got), want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// A node that is restarted tells a subscription that was quiet that nothing is missing, if it has a directory to remember it
// in. What comes meanwhile is given.
func TestQuietSubscriptionsAfterARestart(t *testing.T) {
	t.Parallel()
	broker, err := kafka.StartEmbedded(map[string]int{"stentor.nodes": 1, "stentor.push.demo": 3, "stentor.in.demo": 1})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	for dir, want := range map[string]bool{t.TempDir(): true, "": false} {
		run := func(during func(s *server)) {
			t.Helper()
			p := clusterPlan{settings: []string{"node.state_dir=" + dir}, key: strings.Repeat("k", 32), broker: broker.Address()}
			cfg, err := p.config(0)
			if err != nil {
				t.Fatal(err)
			}
			logs := &output{}
			s, err := start(cfg, true, logs)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- s.serve(ctx, nil, nil) }()
			defer func() {
				cancel()
				if err := <-ended; err != nil {
					t.Errorf("%v\n%s", err, logs)
				}
			}()
			eventually(t, "the node is not ready", func() bool { return s.bus.Ready() == nil })
			during(s)
		}
		subscribe := func(s *server, destination, after string) (*client.Conn, *client.Receipt) {
			c, err := client.Dial(t.Context(), client.Options{URL: s.clients()[0], Project: "demo"})
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Subscribe("1", destination, after); err != nil {
				t.Fatal(err)
			}
			_, receipt, err := c.Next()
			if err != nil || receipt == nil {
				t.Fatal("no receipt", err)
			}
			return c, receipt
		}
		var last string
		run(func(s *server) {
			c, _ := subscribe(s, "/topic/demo/quiet", "")
			defer c.Close()
			postPush(t, "http://"+s.apiAddr.Addr().String()+"/", `{"topic":"quiet","payload":"1"}`)
			m, _, err := c.Next()
			if err != nil {
				t.Fatal(err)
			}
			last = m.ID
			for i := range 30 {
				postPush(t, "http://"+s.apiAddr.Addr().String()+"/", fmt.Sprintf(`{"topic":"other/%d","payload":"x"}`, i))
			}
		})
		for runs := 0; runs == 0 || want && runs < 2; runs++ {
			run(func(s *server) {
				c, receipt := subscribe(s, "/topic/demo/quiet", last)
				defer c.Close()
				if receipt.Resumed != want {
					t.Errorf("directory %q: resumed:%t, want %t", dir, receipt.Resumed, want)
				}
				postPush(t, "http://"+s.apiAddr.Addr().String()+"/", `{"topic":"quiet","payload":"2"}`)
				if m, _, err := c.Next(); err != nil || string(m.Body) != "2" {
					t.Fatal(m, err)
				} else if want {
					last = m.ID
				}
			})
		}
	}
}
