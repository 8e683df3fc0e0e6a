package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	client "stentor/clients/go"
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

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

var nodeLine = regexp.MustCompile(`dev-\d+ +clients (\S+) +page (\S+)`)

func httpOK(url string) bool {
	r, err := http.Get(url)
	if err != nil {
		return false
	}
	_ = r.Body.Close()
	return r.StatusCode == http.StatusOK
}

// runCluster starts n nodes and returns their client and API addresses.
func runCluster(t *testing.T, n int, settings ...string) [][]string {
	t.Helper()
	nodes, _ := runClusterWithBroker(t, n, settings...)
	return nodes
}

var brokerLine = regexp.MustCompile(`Kafka +(\S+)`)

func runClusterWithBroker(t *testing.T, n int, settings ...string) (nodes [][]string, broker string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, logs, ended := &output{}, &output{}, make(chan error, 1)
	go func() {
		ended <- cluster(ctx, n, append([]string{"listen.client=127.0.0.1:0", "listen.api=127.0.0.1:0"}, settings...), out, logs)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(logs.String())
		}
	})
	eventually(t, "the nodes did not start", func() bool { return strings.Contains(out.String(), "Ctrl-C") })
	nodes = nodeLine.FindAllStringSubmatch(out.String(), -1)
	if len(nodes) != n {
		t.Fatalf("nodes %v in %q", nodes, out.String())
	}
	for _, node := range nodes {
		eventually(t, "a node is not ready", func() bool { return httpOK(node[2] + "readyz") })
	}
	return nodes, brokerLine.FindStringSubmatch(out.String())[1]
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
	nodes := runCluster(t, 3)
	dial := func(i int, after string) *client.Conn {
		c, err := client.Dial(t.Context(), client.Options{URL: nodes[i][1], Project: "demo"})
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
		postPush(t, nodes[i%3][2], body)
		if i%10 == 0 {
			postPush(t, nodes[(i+1)%3][2], body)
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
			return strings.Contains(get(t, node[2]+"v1/projects/demo/pushes/id-5"), `"matched":1,"written":1,"dropped":0,"failed":0,"first_write"`)
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
	all, err := clusterConfigs(3, "127.0.0.1:9", []string{"log.level=debug"})
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range all {
		got := fmt.Sprint(c.Node.ID, c.Listen.Client, c.Listen.API, c.Bus, c.Kafka.Brokers, c.Log.Level)
		if want := fmt.Sprintf("dev-%d[127.0.0.1:%d]127.0.0.1:%dkafka[127.0.0.1:9]debug", i+1, 8080+2*i, 8081+2*i); strings.ReplaceAll(got, " ", "") != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// The second of two nodes with one id ends, and says why.
func TestTwinEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	logs := &output{}
	err := cluster(ctx, 2, []string{"node.id=twin", "listen.client=127.0.0.1:0", "listen.api=127.0.0.1:0"}, io.Discard, logs)
	if !errors.Is(err, kafka.ErrTwin) || !strings.Contains(err.Error(), "twin") {
		t.Errorf("%v\n%s", err, logs.String())
	}
}

// A client's SEND gets its receipt once Kafka has it.
func TestForward(t *testing.T) {
	nodes := runCluster(t, 1)
	conn, _, _, err := ws.Dial(t.Context(), nodes[0][1])
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
	broker, err := kafka.StartEmbedded(map[string]int{"stentor.nodes": 1, "stentor.push.demo": 3, "stentor.in.demo": 1})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	for dir, want := range map[string]bool{t.TempDir(): true, "": false} {
		run := func(during func(s *server)) {
			t.Helper()
			all, err := clusterConfigs(1, broker.Address(), []string{"listen.client=127.0.0.1:0", "listen.api=127.0.0.1:0", "node.state_dir=" + dir})
			if err != nil {
				t.Fatal(err)
			}
			logs := &output{}
			s, err := start(all[0], startOptions{dev: true, mockEpoch: broker.Epoch}, logs)
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
