package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"stentor/engine/admin"
	"stentor/engine/bus"
	"stentor/engine/shard"
	"stentor/engine/testkit"
)

// fakeNode stands behind the real API.
type fakeNode struct {
	admin.Node
	records []*bus.Record
	query   shard.SessionQuery
	kicked  []string
	err     error
}

func (n *fakeNode) Publish(r *bus.Record, done func(bus.Position, error)) {
	n.records = append(n.records, r)
	done(bus.Position{Epoch: 1, Offset: int64(len(n.records))}, n.err)
}

func (n *fakeNode) Sessions(_ context.Context, q shard.SessionQuery, emit func([]shard.SessionInfo) error) (string, error) {
	n.query = q
	since := time.Date(2030, 1, 2, 3, 4, 5, 0, time.Local)
	if q.After == "" {
		return "next-page", emit([]shard.SessionInfo{{ID: "s1", User: "ann\x1b[2J", Address: "192.0.2.1", Since: since, Version: "1.2", Transport: "sockjs-websocket", Buffered: 7,
			Subscriptions: []shard.SubscriptionInfo{{ID: "1", Destination: "/topic/demo/a", Behind: 2}, {ID: "2", Destination: "/user/queue/b", Behind: 3}}}})
	}
	return "", emit([]shard.SessionInfo{{ID: "s2", Address: "192.0.2.2", Since: since, Version: "1.0"}})
}

func (n *fakeNode) Kick(_ context.Context, project, session, reason string) (bool, error) {
	n.kicked = append(n.kicked, project+" session "+session+reason)
	return session != "gone", nil
}

func (n *fakeNode) KickUser(_ context.Context, project, user, reason string) (int, error) {
	n.kicked = append(n.kicked, project+" user "+user+reason)
	return 3, nil
}

// fakeProjects has one project, demo, with the key "good".
type fakeProjects struct{ admin.Projects }

func (fakeProjects) Exists(project string) bool      { return project == "demo" }
func (fakeProjects) APIKey(project, key string) bool { return project == "demo" && key == "good" }
func (fakeProjects) AdminKey(string) bool            { return false }
func (fakeProjects) Owner(key string) (string, bool) { return "demo", key == "good" }
func (fakeProjects) Own(project, dest string) bool {
	return strings.HasPrefix(dest, "/topic/"+project+"/")
}

// newAPI serves the real API in front of a fake node.
func newAPI(t *testing.T) (*fakeNode, string) {
	t.Helper()
	n := new(fakeNode)
	s := httptest.NewServer(admin.New(admin.Options{Node: n, Projects: fakeProjects{}, Gatherer: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler)}))
	t.Cleanup(s.Close)
	return n, s.URL
}

func TestPush(t *testing.T) {
	for _, one := range []struct {
		name string
		args []string
		in   string
		want []bus.Record // without ID and Time
	}{
		{"text", []string{"--topic", "all", "hello <b>"}, "", []bus.Record{{Destination: "/topic/demo/all", ContentType: "text/plain;charset=UTF-8", Body: []byte("hello <b>")}}},
		{"JSON as it is", []string{"--topic", "/topic/demo/a", `{"b":  1.0, "a": "\u00e4"}`}, "", []bus.Record{{Destination: "/topic/demo/a", ContentType: "application/json", Body: []byte(`{"b":  1.0, "a": "\u00e4"}`)}}},
		{"almost JSON", []string{"--topic", "a", `{"b"}`}, "", []bus.Record{{Destination: "/topic/demo/a", ContentType: "text/plain;charset=UTF-8", Body: []byte(`{"b"}`)}}},
		{"binary from input", []string{"--topic", "a"}, "\xff\x00", []bus.Record{{Destination: "/topic/demo/a", ContentType: "application/octet-stream", Body: []byte("\xff\x00")}}},
		{"nothing", []string{"--topic", "a", ""}, "", []bus.Record{{Destination: "/topic/demo/a", ContentType: "text/plain;charset=UTF-8", Body: []byte{}}}},
		{"content type", []string{"--topic", "a", "--content-type", "text/csv", "[1]"}, "", []bus.Record{{Destination: "/topic/demo/a", ContentType: "text/csv", Body: []byte("[1]")}}},
		{"user", []string{"--user", "ann/b", "--destination", "/queue/o", "x"}, "", []bus.Record{{Destination: "/queue/o", User: "ann/b", ContentType: "text/plain;charset=UTF-8", Body: []byte("x")}}},
		{"session", []string{"--session", "s1", "--destination", "/queue/o", "x"}, "", []bus.Record{{Destination: "/queue/o", Session: "s1", ContentType: "text/plain;charset=UTF-8", Body: []byte("x")}}},
		{"several", []string{"--topic", "a", "--topic", "b", "x"}, "", []bus.Record{
			{Destination: "/topic/demo/a", ContentType: "text/plain;charset=UTF-8", Body: []byte("x")}, {Destination: "/topic/demo/b", ContentType: "text/plain;charset=UTF-8", Body: []byte("x")}}},
		{"more", []string{"--topic", "a", "--ttl", "1m", "-H", "x=1=2", "-H", "y=", "x"}, "", []bus.Record{
			{Destination: "/topic/demo/a", ContentType: "text/plain;charset=UTF-8", Body: []byte("x"), TTL: time.Minute, Headers: []bus.Header{{Name: "x", Value: "1=2"}, {Name: "y"}}}}},
	} {
		t.Run(one.name, func(t *testing.T) {
			n, url := newAPI(t)
			got := execute(context.Background(), one.in, append([]string{"push", "--api", url, "-p", "demo", "--key", "good", "--id", "id-1"}, one.args...)...)
			if got.code != exitOK || got.err != "" || !strings.HasSuffix(got.out, fmt.Sprintf("pushed: id id-1, position 1-0-%d\n", len(one.want))) {
				t.Fatalf("%+v", got)
			}
			for i, r := range n.records {
				if !strings.HasPrefix(r.ID, "id-1") {
					t.Errorf("id %q", r.ID)
				}
				want := one.want[i]
				want.Project, want.ID, want.Time = "demo", r.ID, r.Time
				if string(want.Body) == string(r.Body) {
					want.Body = r.Body // empty or nil is the same
				}
				if !reflect.DeepEqual(*r, want) {
					t.Errorf("%+v\nwant %+v", *r, want)
				}
			}
		})
	}
}

func TestPushAnswers(t *testing.T) {
	n, url := newAPI(t)
	t.Setenv("STENTOR_API_KEY", "good")
	push := func(more ...string) result {
		return execute(context.Background(), "", append([]string{"push", "--api", url, "-p", "demo", "--topic", "a", "x"}, more...)...)
	}
	got := push("--json")
	var a pushAnswer
	if err := json.Unmarshal([]byte(got.out), &a); err != nil || got.code != exitOK || a.ID == "" || a.Position != "1-0-1" || strings.Count(got.out, "\n") != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	if got := push("--topic", "b"); got.code != exitOK || !strings.HasPrefix(got.out, "/topic/demo/a  position 1-0-2\n/topic/demo/b  position 1-0-3\n") {
		t.Errorf("%+v", got)
	}
	if got := push("--key", "bad"); got.code != exitFailure || !strings.HasPrefix(got.err, "stentor push: Unauthorized (401): this key is not valid here") {
		t.Errorf("%+v", got)
	}
	if got := push("-p", "other"); got.code != exitFailure || !strings.HasPrefix(got.err, "stentor push: Forbidden (403): ") {
		t.Errorf("%+v", got)
	}
	n.err = bus.ErrRateLimited
	if got := push("--json"); got.code != exitFailure || !strings.Contains(got.out, `"status":429`) || !strings.HasPrefix(got.err, "stentor push: Too Many Requests (429): ") {
		t.Errorf("%+v", got)
	}
}

// TestNoAPI has what answers when it is not the API, or nothing.
func TestNoAPI(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("user") {
		case "html":
			w.WriteHeader(http.StatusBadGateway)
			io.WriteString(w, "<html>\x1b[2J\nmore\n")
		case "empty":
			w.WriteHeader(599)
		case "text":
			io.WriteString(w, "hello")
		case "slow":
			<-r.Context().Done()
		}
	}))
	defer proxy.Close()
	closed := "http://" + testkit.FreePort(t) // nobody listens there
	secure := strings.Replace(proxy.URL, "http:", "https:", 1)
	for _, one := range []struct{ api, user, want string }{
		{proxy.URL, "html", "Bad Gateway (502): <html>\uFFFD[2J"},
		{proxy.URL, "empty", " (599)"},
		{proxy.URL, "text", "the API's answer is not JSON: invalid character 'h' looking for beginning of value"},
		{proxy.URL, "slow", proxy.URL + " did not answer within 50ms"},
		{closed, "", "cannot reach the API at " + closed + " (connect: connection refused); is the node running? --api names another address"},
		{secure, "", secure + " does not answer in TLS: the API has https:// with listen.api_tls or behind a proxy"},
	} {
		timeout := "1m"
		if one.user == "slow" {
			timeout = "50ms"
		}
		got := cli(t, "sessions", "--api", one.api, "-p", "demo", "--key", "k", "--json", "--timeout", timeout, "--user", one.user)
		if got != (result{exitFailure, "", "stentor sessions: " + one.want + "\n"}) {
			t.Errorf("%+v, want %s", got, one.want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if got := execute(ctx, "", "sessions", "--api", proxy.URL, "-p", "demo", "--key", "k"); got.code != exitFailure || !strings.HasSuffix(got.err, "interrupted\n") {
		t.Errorf("%+v", got)
	}
}

func TestSessions(t *testing.T) {
	n, url := newAPI(t)
	list := func(more ...string) result {
		return cli(t, append([]string{"sessions", "--api", url, "-p", "demo", "--key", "good"}, more...)...)
	}
	table := "SESSION  USER     ADDRESS    SINCE                STOMP  TRANSPORT         SUBSCRIPTIONS  BEHIND  BUFFERED  NODE\n" +
		"s1       ann\uFFFD[2J  192.0.2.1  2030-01-02 03:04:05  1.2    sockjs-websocket  2              5       7         -\n"
	if got := list("--user", "ann", "--destination", "/topic/demo/a", "--id", "s1", "--limit", "5"); got != (result{exitOK, table, "more follow: --after next-page\n"}) {
		t.Errorf("%+v\nwant\n%s", got, table)
	}
	if want := (shard.SessionQuery{Project: "demo", User: "ann", Destination: "/topic/demo/a", ID: "s1", Limit: 5}); n.query != want {
		t.Errorf("%+v", n.query)
	}
	if got := list("--after", "next-page"); got.code != exitOK || strings.Contains(got.out, "s1") || !strings.Contains(got.out, "\ns2       -") || got.err != "" {
		t.Errorf("%+v", got)
	}
	got := list("--all", "--json")
	lines := strings.Split(strings.TrimSpace(got.out), "\n")
	if got.code != exitOK || got.err != "" || len(lines) != 2 {
		t.Fatalf("%+v", got)
	}
	for i, line := range lines {
		var s admin.Session
		if err := json.Unmarshal([]byte(line), &s); err != nil || s.ID != fmt.Sprintf("s%d", i+1) {
			t.Errorf("%s, %v", line, err)
		}
	}
	if got := list("--limit", "0"); got.code != exitFailure || !strings.Contains(got.err, "limit is") {
		t.Errorf("%+v", got)
	}
}

func TestKick(t *testing.T) {
	n, url := newAPI(t)
	kick := func(more ...string) result {
		return cli(t, append([]string{"kick", "--api", url, "-p", "demo", "--key", "good"}, more...)...)
	}
	if got := kick("s1", "s/2", "--user", "ann/b"); got != (result{exitOK, "sessions closed: 5\n", ""}) {
		t.Errorf("%+v", got)
	}
	if want := []string{"demo session s1", "demo session s/2", "demo user ann/b"}; !reflect.DeepEqual(n.kicked, want) {
		t.Errorf("%q", n.kicked)
	}
	n.kicked = nil
	if kick("s1", "--reason", " so"); !reflect.DeepEqual(n.kicked, []string{"demo session s1 so"}) {
		t.Errorf("%q", n.kicked)
	}
	if got := kick("s1", "--json"); got != (result{exitOK, `{"kicked":1}` + "\n", ""}) {
		t.Errorf("%+v", got)
	}
	if got := kick("gone"); got.code != exitFailure || !strings.HasPrefix(got.err, "stentor kick: Not Found (404): ") {
		t.Errorf("%+v", got)
	}
}
