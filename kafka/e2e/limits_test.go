//go:build kafka

package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	client "stentor/clients/go"
	"stentor/kafka/kafkatest"
)

// What history has let go of is a gap, and only that: a destination whose last push the client has resumes however old
// that is, one that never had any too, and a node that started later knows no better than where it began.
func TestResumeLimits(t *testing.T) {
	c := newCluster(t, kafkatest.Bootstrap(t), 1, "history.bytes=1MiB")
	token := c.token("ann")
	subscribe := func(destination, after string) *client.Receipt {
		t.Helper()
		url := c.nodes[0].Clients()
		conn, err := client.Dial(t.Context(), client.Options{URL: url, Project: project, Token: token})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.Subscribe("1", destination, after); err != nil {
			t.Fatal(err)
		}
		_, receipt, err := conn.Next()
		if err != nil || receipt == nil {
			t.Fatalf("no receipt: %v", err)
		}
		return receipt
	}
	push := func(topic string, size int) string {
		t.Helper()
		got := c.push(c.nodes[0], topic, size)
		position := got.Field("position")
		if position == "" || got.Status != http.StatusOK {
			t.Fatalf("%d %s", got.Status, got.Body)
		}
		return position
	}
	beginning := subscribe("/topic/shop/busy", "").Position
	quiet := push("quiet", 10)
	busy := push("busy", 10)
	var last string
	for range 40 {
		last = push("busy", 100_000)
	}
	epoch, _, _ := strings.Cut(last, "-")
	far := fmt.Sprintf("%s-0-%d", epoch, 1_000_000)
	for _, one := range []struct {
		name, destination, after string
		resumed                  bool
	}{
		{"the last", "/topic/shop/busy", last, true}, // first: it waits until the node has read it
		{"evicted", "/topic/shop/busy", busy, false},
		{"evicted, by a pattern", "/topic/shop/*", busy, false},
		{"the last, by a pattern", "/topic/shop/*", last, true},
		{"quiet", "/topic/shop/quiet", quiet, true},
		{"quiet, from before its push", "/topic/shop/quiet", beginning, false},
		{"never pushed to", "/topic/shop/never", beginning, true},
		{"a user's, never pushed to", "/user/queue/never", beginning, true},
		{"of another epoch", "/topic/shop/busy", "1" + last, false},
		{"farther than there is", "/topic/shop/busy", far, false},
		{"no position", "/topic/shop/busy", "nonsense", false},
	} {
		if r := subscribe(one.destination, one.after); r.Resumed != one.resumed || r.Gap == one.resumed {
			t.Errorf("%s: resumed %t, gap %t", one.name, r.Resumed, r.Gap)
		}
	}
}
