package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const twoNodes = `{"nodes":[{"id":"push-1","state":"up","ready":true,"sealed":true,"handed":true,"self":true,"urls":["wss://a/ws"],"version":"1.4.0","capacity":1000,"connections":250,"opening":12,"deliveries":5200,"cpu":0.42,"memory":104857600,"late_ms":3,"heard_ms":640},` +
	`{"id":"push-2","state":"suspect","ready":true,"sealed":false,"urls":[],"capacity":0,"heard_ms":9000}],"stale_ms":%STALE%,"self":"push-1"}` + "\n"

func nodesServer(t *testing.T, stale string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/nodes" || r.Header.Get("Authorization") != "Bearer k" {
			t.Errorf("%s with %v", r.URL, r.Header)
		}
		_, _ = w.Write([]byte(strings.ReplaceAll(twoNodes, "%STALE%", stale)))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestNodesTable(t *testing.T) {
	got := cli(t, "nodes", "--api", nodesServer(t, "0"), "--key", "k")
	want := "NODE      STATE        ADVERTISED      CONNECTIONS  CAPACITY  FULL   OPENING  DELIVERED  CPU  MEMORY   LATE  VERSION\n" +
		"push-1 *  up           yes             250          1000      25.0%  12       5200       42%  100 MiB  3ms   1.4.0\n" +
		"push-2    suspect, 9s  no cluster.key  -            -         -      -        -          -    -        0s    older\n"
	if got != (result{exitOK, want, ""}) {
		t.Errorf("%+v\nwant\n%s", got, want)
	}
	if got := cli(t, "nodes", "--api", nodesServer(t, "7000"), "--key", "k"); got.err != "the list could not be read for 7s: this is how it was\n" {
		t.Errorf("%+v", got)
	}
	if got := cli(t, "nodes", "--api", nodesServer(t, "0"), "--key", "k", "--json"); got != (result{exitOK, strings.ReplaceAll(twoNodes, "%STALE%", "0"), ""}) {
		t.Errorf("%+v", got)
	}
	if got := cli(t, "nodes", "--key", "k", "--watch", "--interval", "1ms"); got.code != exitUsage {
		t.Errorf("%+v", got)
	}
}

// TestNodesWatch: a list that fails is followed by the next, until it is interrupted.
func TestNodesWatch(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked == 2 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if asked == 4 {
			cancel()
		}
		_, _ = w.Write([]byte(strings.ReplaceAll(twoNodes, "%STALE%", "0")))
	}))
	defer s.Close()
	done := make(chan result, 1)
	go func() {
		done <- execute(ctx, "", "nodes", "--api", s.URL, "--key", "k", "--watch", "--interval", "100ms")
	}()
	select {
	case got := <-done:
		if got.code != exitOK || strings.Count(got.out, "push-1 *") < 2 || !strings.Contains(got.err, "503") {
			t.Errorf("%+v", got)
		}
	case <-time.After(patience):
		t.Fatal("it does not end")
	}
}
