package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"stentor/engine/bus"
	"stentor/engine/directory"
	"stentor/engine/shard"
)

// fakeNode keeps what it is given. It answers a push at once, unless publish says otherwise, and an id that it knows
// with the position of the first.
type fakeNode struct {
	mu      sync.Mutex
	records []*bus.Record
	ids     map[string]bus.Position
	publish func(r *bus.Record, done func(bus.Position, error)) bool // true when it took care of r
	query   shard.SessionQuery
	reason  string // of the last kick
	// sessions answers in place of two sessions.
	sessions     func(emit func([]shard.SessionInfo) error) (string, error)
	pages        func(q shard.SessionQuery, emit func([]shard.SessionInfo) error) (string, error)
	destinations shard.DestinationQuery
	subscribed   []shard.DestinationInfo // in place of three
	gone         bool                    // the session s1
	drains       []bool                  // what Drain was told
	sheds        []string                // what Shed was told
	err          error                   // of everything but Publish
	ready        error
	unserved     map[string]error
	panics       bool
}

func (n *fakeNode) Publish(r *bus.Record, done func(bus.Position, error)) {
	if n.publish != nil && n.publish(r, done) {
		return
	}
	n.mu.Lock()
	pos, again := n.ids[r.ID]
	r.Repeated = again
	if !again {
		n.records = append(n.records, r)
		pos = bus.Position{Epoch: 1, Offset: int64(len(n.records))}
		n.ids[r.ID] = pos
	}
	n.mu.Unlock()
	done(pos, nil)
}

func (n *fakeNode) Sessions(_ context.Context, q shard.SessionQuery, emit func([]shard.SessionInfo) error) (string, error) {
	n.query = q
	if n.sessions != nil {
		return n.sessions(emit)
	}
	if n.err != nil {
		return "", n.err
	}
	if n.pages != nil {
		return n.pages(q, emit)
	}
	return "c1", emit([]shard.SessionInfo{
		{ID: "s1", User: "ann", Address: "203.0.113.7", Since: time.Unix(1e9, 0).UTC(), Version: "1.2", Transport: "sockjs-websocket",
			Subscriptions: []shard.SubscriptionInfo{{ID: "sub-0", Destination: "/topic/shop/all", Ack: "auto", Behind: 3, Dropped: 1}}, Buffered: 7},
		{ID: "s2"},
	})
}

func (n *fakeNode) Kick(_ context.Context, _, session, reason string) (bool, error) {
	n.reason = reason
	return session == "s1" && !n.gone, n.err
}

func (n *fakeNode) KickUser(_ context.Context, _, user, reason string) (int, error) {
	n.reason = reason
	return map[string]int{"ann": 2, "a/b": 1}[user], n.err
}

func (n *fakeNode) Destinations(_ context.Context, q shard.DestinationQuery, emit func([]shard.DestinationInfo) error) (bool, error) {
	n.destinations = q
	if n.err != nil {
		return false, n.err
	}
	all := n.subscribed
	if all == nil {
		all = []shard.DestinationInfo{{Destination: "/topic/shop/*", Pattern: true, Subscriptions: 1},
			{Destination: "/topic/shop/all", Subscriptions: 9, Detached: 2}, {Destination: "/topic/shop/b", Subscriptions: 1}}
	}
	for _, one := range all {
		if !strings.HasPrefix(one.Destination, q.Prefix) || one.Destination <= q.After {
			continue
		}
		if q.Limit == 0 {
			return true, nil
		}
		q.Limit--
		if err := emit([]shard.DestinationInfo{one}); err != nil {
			return true, err
		}
	}
	return false, nil
}

func (n *fakeNode) Stats(string) Stats {
	return Stats{Sessions: 3, Subscriptions: 4, Pushes: 5, Deliveries: 6}
}

func (n *fakeNode) Delivery(_, id string) (Delivery, bool) {
	first := time.Unix(1e9, 0).UTC()
	return Delivery{ID: id, Position: "1-0-7", Nodes: []NodeDelivery{{Node: "n1", Matched: 5, Written: 3, Dropped: 1, Failed: 1, FirstWrite: &first, LastWrite: &first}}}, id == "order-17"
}

func (n *fakeNode) Shed(_ context.Context, count int, older time.Duration) (int, bool, error) {
	n.sheds = append(n.sheds, fmt.Sprint(count, " ", older))
	return 7, true, n.err
}

func (n *fakeNode) Drain(on bool) { n.drains = append(n.drains, on) }

func (n *fakeNode) Ready() error {
	if n.panics {
		panic("for the test")
	}
	return n.ready
}

func (n *fakeNode) Unserved() map[string]error { return n.unserved }

func (n *fakeNode) taken() []*bus.Record {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.records)
}

// fakeProjects knows shop (shop-key) and chat (chat-key), both prefixed.
type fakeProjects struct{}

func (fakeProjects) Exists(p string) bool      { return p == "shop" || p == "chat" }
func (fakeProjects) AdminKey(k string) bool    { return k == "admin-key" }
func (f fakeProjects) APIKey(p, k string) bool { return f.Exists(p) && k == p+"-key" }
func (f fakeProjects) Owner(k string) (string, bool) {
	name, isKey := strings.CutSuffix(k, "-key")
	return strings.TrimPrefix(name, "admin"), isKey && (f.AdminKey(k) || f.Exists(name))
}
func (fakeProjects) Names() []string { return []string{"chat", "shop"} }
func (f fakeProjects) Describe(p string) (Project, bool) {
	return Project{Project: p, Destinations: "prefixed", Anonymous: true, Examples: ProjectExamples{Subscribe: []string{"/topic/" + p + "/all"}}}, f.Exists(p)
}
func (fakeProjects) Own(p, d string) bool { return strings.HasPrefix(d, "/topic/"+p+"/") }

var testTime = time.Unix(1_700_000_000, 0)

// newTest returns an API over a fake node. change, when there, changes its options.
func newTest(t *testing.T, change func(*Options)) (http.Handler, *fakeNode, *prometheus.Registry) {
	t.Helper()
	node := &fakeNode{ids: map[string]bus.Position{}}
	registry := prometheus.NewRegistry()
	o := Options{Node: node, Projects: fakeProjects{}, Gatherer: registry, Registerer: registry, PushBytes: 1000, BatchBytes: 4000,
		Directory: testDirectory(), Discovery: directory.NewLimiter(100, 100),
		Console: Console{WS: "ws://:8080/ws", Project: "shop", APIKey: "shop-key"},
		Log:     discard, Now: func() time.Time { return testTime }, PublishTimeout: time.Minute}
	if change != nil {
		change(&o)
	}
	return New(o), node, registry
}

// request makes a request with shop's key and a JSON body. More headers are "Name: value"; an empty value takes the
// header away.
func request(method, path, body string, headers ...string) *http.Request {
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, path, reader)
	r.Header.Set("Authorization", "Bearer shop-key")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Del(name)
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	return r
}

func do(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// wantProblem checks an answer that is a problem, and that its detail has part.
func wantProblem(t *testing.T, w *httptest.ResponseRecorder, status int, code, part string) problem {
	t.Helper()
	var p problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("%d with %q, which is no problem: %v", w.Code, w.Body, err)
	}
	if w.Code != status || p.Status != status || p.Code != code || !strings.Contains(p.Detail, part) {
		t.Errorf("%d %+v, want %d %s with %q", w.Code, p, status, code, part)
	}
	if got := w.Header().Get("Content-Type"); got != problemMedia {
		t.Errorf("Content-Type %q", got)
	}
	if got := w.Header().Get("Retry-After") != ""; got != (status == 429 || status == 503) {
		t.Errorf("%d: Retry-After is %t", status, got)
	}
	if got := w.Header().Get("WWW-Authenticate") != ""; got != (status == 401) {
		t.Errorf("%d: WWW-Authenticate is %t", status, got)
	}
	return p
}

// wantJSON checks a 200 and reads its body into v.
func wantJSON(t *testing.T, w *httptest.ResponseRecorder, v any) {
	t.Helper()
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), v); err != nil {
		t.Fatalf("%q: %v", w.Body, err)
	}
}

// testDirectory knows one node.
func testDirectory() *directory.View {
	v := directory.New(directory.Options{Self: "n1"})
	v.Own(directory.Beat{Instance: "i", State: directory.Up, Ready: true, Status: directory.Status{
		URLs: []string{"wss://n1.example.com/ws"}, API: "http://10.0.0.1:8081", Capacity: 100, Connections: 7, CPU: 0.25, Version: "1.0", Memory: 1 << 20,
	}}, testTime)
	return v
}

var discard = slog.New(slog.DiscardHandler)
