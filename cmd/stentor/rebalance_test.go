package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// shedServer answers for two nodes of one capacity. Who is shed from push-1 goes to push-2, or comes back.
func shedServer(t *testing.T, old int, back bool) (url string, asked func() []string) {
	t.Helper()
	var mu sync.Mutex
	var all []string
	moved := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.Method == http.MethodPost {
			all = append(all, r.URL.String())
			var count int
			_, _ = fmt.Sscanf(r.URL.Query().Get("count"), "%d", &count)
			count = min(count, old)
			old -= count
			if !back {
				moved += count
			}
			_, _ = fmt.Fprintf(w, `{"node":"push-1","closed":%d,"more":%t}`, count, old > 0)
			return
		}
		const node = `{"id":%q,"state":"up","ready":true,"sealed":true,"urls":["ws://x"],"capacity":1000,"connections":%d}`
		_, _ = fmt.Fprintf(w, `{"nodes":[`+node+`,`+node+`],"stale_ms":0}`, "push-1", 400-moved, "push-2", moved)
	}))
	t.Cleanup(s.Close)
	return s.URL, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return all
	}
}

func rebalance(url string, change func(*rebalanceFlags)) (string, error) {
	f := rebalanceFlags{apiFlags: apiFlags{base: url, key: "k", timeout: patience}, threshold: "10%", rate: "100/s", minAge: 10 * time.Minute, every: time.Millisecond}
	change(&f)
	var out bytes.Buffer
	err := f.run(context.Background(), &out)
	return out.String(), err
}

// Of few clients a node can have a hundred per cent too many, and nothing is to be done.
func TestRebalanceOfFewClients(t *testing.T) {
	f := rebalanceFlags{threshold: "10%"}
	l := levelling{threshold: 0.1}
	for text, all := range map[string][]load{
		"every node is within 10% of its share":                     {{Connections: 20, Share: 19}, {Connections: 18, Share: 19}},
		"every node is as near to its share as whole clients allow": {{Connections: 1, Share: 0.5}, {Connections: 0, Share: 0.5}},
	} {
		if got := f.settled(all, &l); got != text {
			t.Errorf("%v: %s", all, got)
		}
	}
}

func TestRebalance(t *testing.T) {
	same := func(*rebalanceFlags) {}
	url, asked := shedServer(t, 400, false)
	out, err := rebalance(url, same)
	if err != nil || !strings.HasPrefix(out, "push-1: 400 (+100.0%), -100  push-2: 0 (-100.0%)\n") || !strings.HasSuffix(out, "%)\nevery node is within 10% of its share\n") {
		t.Errorf("%s%v", out, err)
	}
	if got := asked(); len(got) == 0 || got[0] != "/v1/nodes/push-1/shed?count=100&min_age_ms=600000" {
		t.Errorf("%q", got)
	}
	url, _ = shedServer(t, 400, true)
	if out, err := rebalance(url, same); err == nil || !strings.Contains(err.Error(), "clients come back to push-1") {
		t.Errorf("%s%v", out, err)
	}
	url, _ = shedServer(t, 7, false)
	if out, err := rebalance(url, func(f *rebalanceFlags) { f.asJSON = true }); err == nil || !strings.Contains(err.Error(), "older than 10m0s") || !strings.Contains(out, `"ended":"no session is left`) {
		t.Errorf("%s%v", out, err)
	}
	url, asked = shedServer(t, 400, false)
	if out, err := rebalance(url, func(f *rebalanceFlags) { f.dryRun = true }); err != nil || out != "push-1: 400 (+100.0%), -200  push-2: 0 (-100.0%)\nnothing was done\n" || len(asked()) > 0 {
		t.Errorf("%s%v", out, err)
	}
	for _, wrong := range []string{"--threshold=10", "--threshold=0%", "--threshold=NaN%", "--rate=5", "--rate=0/s", "--min-age=-1s", "x"} {
		if got := cli(t, "rebalance", "--key", "k", wrong); got.code != exitUsage {
			t.Errorf("%s: %+v", wrong, got)
		}
	}
}
