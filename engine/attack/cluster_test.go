//go:build attacks

package attack

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"stentor/engine/directory"
	"stentor/kafka"
)

// The node is one of two hundred. The others are in the attacker's process: they beat, and answer what the node asks them
// with pages as long as those of busy nodes. So what they use counts as the attacker's.
const (
	otherNodes = 199
	clusterKey = "a-key-of-the-cluster-for-the-attacks"
	nodesTopic = "stentor.nodes"
	pageNames  = 1000 // of another node's page
)

// startBroker starts a broker inside this process, and returns the settings of a node of its cluster.
func startBroker(t testing.TB) (address string, set []string) {
	t.Helper()
	b, err := kafka.StartEmbedded(map[string]int{nodesTopic: 1, "stentor.push.victim": 1, "stentor.push.hostile": 1, "stentor.in.victim": 1, "stentor.in.hostile": 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b.Address(), []string{"bus=kafka", "kafka.brokers=" + b.Address(), "cluster.key=" + clusterKey}
}

var clusterMemory = []memory{
	{"Kafka's client", 64 * mib}, {"the attacker's share of limits.api_bytes", 32 * mib}, {"64 connections to the API", 64 * 32 * kib}, {"connections to 199 nodes", 2 * otherNodes * 64 * kib},
}

var clusterAttacks = []attack{
	overAll("all-stats", "sixteen times the counts of 200 nodes at once, again and again", 16, "stats"),
	overAll("all-destinations", "sixteen times the most subscribed destinations of 200 nodes at once, again and again", 16, "destinations?order=subscriptions&limit=1000"),
	overAll("all-searches", "64 searches for nobody side by side on 200 nodes, again and again", 64, "sessions?limit=1000&user=nobody"),
}

// overAll asks for something of all nodes, side by side, without a pause.
func overAll(name, does string, goroutines int, what string) attack {
	return attack{
		name: name, does: does, cluster: true, may: clusterMemory,
		prepare: func(h *hostile) (func(context.Context), error) {
			if err := h.pretend(); err != nil {
				return nil, err
			}
			h.http.Transport.(*http.Transport).MaxIdleConnsPerHost = goroutines
			return func(ctx context.Context) {
				h.pace(ctx, goroutines, 1e6, func(int, int) error { return h.answered("GET", "/v1/projects/hostile/"+what, "") })
			}, nil
		},
		check: func(n *node, r report) error {
			if err := counted("status 200")(n, r); err != nil {
				return err
			}
			for _, path := range []string{"sessions", "destinations", "stats"} {
				if err := n.ask("victim", path); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// pretend has the node know of the others, and answers in their place from now on.
func (h *hostile) pretend() error {
	p, err := ck.NewProducer(&ck.ConfigMap{"bootstrap.servers": h.Broker})
	if err != nil {
		return err
	}
	var apis []string
	for range otherNodes {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		go func() { _ = http.Serve(l, http.HandlerFunc(answerAsNode)) }()
		apis = append(apis, "http://"+l.Addr().String())
	}
	go func() {
		topic, began := nodesTopic, time.Now()
		for {
			for i, api := range apis {
				id := fmt.Sprintf("other-%03d", i)
				b := directory.Beat{Instance: id, State: directory.Up, First: 1, Sent: 1 + time.Since(began).Milliseconds(), Ready: true, At: time.Now().UnixMilli(), Status: directory.Status{API: api, Capacity: 1000, Version: "1"}}
				h.met(p.Produce(&ck.Message{TopicPartition: ck.TopicPartition{Topic: &topic}, Key: []byte(id), Value: directory.Encode(b, id, []byte(clusterKey))}, nil))
			}
			time.Sleep(time.Second)
		}
	}()
	go func() {
		for range p.Events() { // reports of beats that were delivered
		}
	}()
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		status, body, err := h.requestAs("admin-key", "GET", "/v1/nodes", "")
		if n := bytes.Count(body, []byte(`"state":"up"`)); err == nil && n == otherNodes+1 {
			return nil
		} else if time.Now().After(deadline) {
			return fmt.Errorf("the node knows %d nodes: %d %.300s, %v", n, status, body, err)
		}
	}
}

// ready waits until the node has read what is on its broker.
func (n *node) ready() error {
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		answer, err := caller.Get(n.API + "/readyz")
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("the node is not ready: %s", answer.Status)
		}
		if time.Now().After(deadline) {
			return err
		}
	}
}

// What another node answers.
var (
	otherStats        = []byte(`{"sessions":5000,"subscriptions":15000,"pushes":1,"deliveries":1}`)
	noSessions        = []byte(`{"sessions":[]}`)
	otherDestinations = func() []byte {
		var all []string
		for i := range pageNames {
			all = append(all, fmt.Sprintf(`{"destination":"/topic/hostile/some/longer/name/%06d","subscriptions":%[1]d,"detached":0}`, i))
		}
		return []byte(`{"destinations":[` + strings.Join(all, ",") + "]}")
	}()
)

func answerAsNode(w http.ResponseWriter, r *http.Request) {
	body := otherStats
	switch {
	case strings.HasSuffix(r.URL.Path, "/sessions"):
		body = noSessions
	case strings.HasSuffix(r.URL.Path, "/destinations"):
		body = otherDestinations
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body)
}
