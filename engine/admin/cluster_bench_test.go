package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"stentor/engine/bus"
	"stentor/engine/directory"
	"stentor/engine/shard"
)

// The cluster that the console's pages are measured with: a million sessions on two hundred nodes.
const (
	benchNodes        = 200
	benchSessions     = 5_000 // of a node
	benchDestinations = 2_000 // of a node, half of them on every node
	benchProjects     = 100
)

// crowdedNode has sessions that it makes up as it is asked for them.
type crowdedNode struct {
	fakeNode
	number     int
	subscribed []shard.DestinationInfo
}

func newCrowdedNode(number int) *crowdedNode {
	n := &crowdedNode{fakeNode: fakeNode{ids: map[string]bus.Position{}}, number: number}
	for i := range benchDestinations {
		name := fmt.Sprintf("/topic/shop/everywhere/%06d", i)
		if i >= benchDestinations/2 {
			name = fmt.Sprintf("/topic/shop/here/%06d", number*benchDestinations+i)
		}
		n.subscribed = append(n.subscribed, shard.DestinationInfo{Destination: name, Subscriptions: i})
	}
	return n
}

func (n *crowdedNode) session(i int) shard.SessionInfo {
	s := shard.SessionInfo{
		ID: fmt.Sprintf("0.%d.1-%08x", i, n.number), User: n.user(i), Address: n.address(i).String() + ":50123", Since: time.Unix(1e9+int64(i), 0).UTC(), Version: "1.2",
		Subscriptions: []shard.SubscriptionInfo{
			{ID: "sub-0", Destination: "/topic/shop/news", Ack: "auto"}, {ID: "sub-1", Destination: n.orders(i), Ack: "auto"}, {ID: "sub-2", Destination: "/user/queue/replies", Ack: "auto"},
		},
	}
	return s
}

func (n *crowdedNode) user(i int) string { return fmt.Sprintf("user-%06d", n.number*benchSessions+i) }
func (n *crowdedNode) address(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(n.number), byte(i >> 8), byte(i)})
}
func (n *crowdedNode) orders(i int) string { return fmt.Sprintf("/topic/shop/orders/%d", i%50) }

// Sessions gives what it finds in parts, as a node does.
func (n *crowdedNode) Sessions(ctx context.Context, q shard.SessionQuery, emit func([]shard.SessionInfo) error) (string, error) {
	from := 0
	if _, err := fmt.Sscan(q.After, &from); q.After != "" && err != nil {
		return "", shard.ErrCursor
	}
	var part []shard.SessionInfo
	to := benchSessions
	if q.User != "" {
		which := -1
		_, _ = fmt.Sscanf(q.User, "user-%d", &which)
		from, to = max(from, which-n.number*benchSessions), min(to, which-n.number*benchSessions+1)
	}
	for i := from; i < to; i++ {
		if q.Limit == 0 {
			return fmt.Sprint(i), emitAll(&part, emit)
		}
		if q.Network.IsValid() && !q.Network.Contains(n.address(i)) || q.Destination != "" && q.Destination != "/topic/shop/news" && q.Destination != n.orders(i) {
			continue
		}
		q.Limit--
		if part = append(part, n.session(i)); len(part) == 64 {
			if err := emitAll(&part, emit); err != nil {
				return fmt.Sprint(i + 1), err
			}
		}
	}
	return "", emitAll(&part, emit)
}

func emitAll(part *[]shard.SessionInfo, emit func([]shard.SessionInfo) error) error {
	if len(*part) == 0 {
		return nil
	}
	err := emit(*part)
	*part = (*part)[:0]
	return err
}

func (n *crowdedNode) Destinations(_ context.Context, q shard.DestinationQuery, emit func([]shard.DestinationInfo) error) (bool, error) {
	from, found := slices.BinarySearchFunc(n.subscribed, q.After, func(d shard.DestinationInfo, name string) int { return strings.Compare(d.Destination, name) })
	if found {
		from++
	}
	rest := n.subscribed[from:]
	if q.Limit >= 0 && len(rest) > q.Limit {
		return true, emit(rest[:q.Limit])
	}
	return false, emit(rest)
}

// manyProjects are shop and others, all of them with the same key.
type manyProjects struct{ fakeProjects }

func (manyProjects) Names() (all []string) {
	for i := range benchProjects - 1 {
		all = append(all, fmt.Sprintf("project-%02d", i))
	}
	return append(all, "shop")
}

func (manyProjects) Describe(p string) (Project, bool) {
	return Project{Project: p, Destinations: "prefixed", Examples: ProjectExamples{Subscribe: []string{"/topic/" + p + "/all", "/topic/" + p + "/{user}"}}}, true
}

// newCrowdedCluster returns the API of the first of many nodes.
func newCrowdedCluster(tb testing.TB) (*api, http.Handler) {
	tb.Helper()
	view := directory.New(directory.Options{Key: testClusterKey, Self: name(0)})
	var first *api
	var handler http.Handler
	now := time.Now()
	for i := range benchNodes {
		a := newAPI(Options{
			Node: newCrowdedNode(i), Projects: manyProjects{}, Directory: view, MemoryBytes: 64 << 20,
			Cluster: &Cluster{Key: testClusterKey, Self: name(i), Instance: name(i)}, Log: discard, Now: time.Now,
		})
		h := a.mux(a.routes())
		if i == 0 {
			first, handler = a, h
		}
		s := httptest.NewServer(h)
		tb.Cleanup(s.Close)
		b := directory.Beat{Instance: name(i), State: directory.Up, First: 1, Sent: now.UnixNano(), Ready: true, At: now.UnixMilli(), Status: directory.Status{
			API: s.URL, URLs: []string{"wss://" + name(i) + ".example.com/ws"}, Capacity: 1_000_000, Connections: benchSessions, Version: "1.0"}}
		if _, _, why := view.Hear(name(i), directory.Encode(b, name(i), testClusterKey), true, now); why != directory.Followed {
			tb.Fatal(why)
		}
	}
	return first, handler
}

// pagesOfAll are what the console asks for, by what it shows.
var pagesOfAll = []struct{ name, path string }{
	{"sessions/first", "/v1/projects/shop/sessions?limit=50"},
	{"sessions/deep", "/v1/projects/shop/sessions?limit=50&after=n150:2500"},
	{"sessions/thousand", "/v1/projects/shop/sessions?limit=1000"},
	{"sessions/user", "/v1/projects/shop/sessions?limit=50&user=user-900000"},
	{"sessions/nobody", "/v1/projects/shop/sessions?limit=50&user=nobody"},
	{"sessions/address", "/v1/projects/shop/sessions?limit=50&address=10.150.1.7"},
	{"sessions/network", "/v1/projects/shop/sessions?limit=50&address=10.0.0.0/8"},
	{"sessions/destination", "/v1/projects/shop/sessions?limit=50&destination=/topic/shop/orders/7"},
	{"destinations/top", "/v1/projects/shop/destinations?order=subscriptions&limit=20"},
	{"destinations/first", "/v1/projects/shop/destinations?limit=100"},
	{"destinations/thousand", "/v1/projects/shop/destinations?limit=1000"},
	{"stats", "/v1/projects/shop/stats"},
	{"projects", "/v1/projects?limit=100"},
	{"nodes", "/v1/nodes"},
}

// BenchmarkPagesOfAll is each page of the console over all nodes, with what the other nodes do for it. cpu-ms is what all of
// them use of the processors, which other work on the machine does not change.
func BenchmarkPagesOfAll(b *testing.B) {
	a, h := newCrowdedCluster(b)
	for _, page := range pagesOfAll {
		b.Run(page.name, func(b *testing.B) {
			b.ReportAllocs()
			used := time.Duration(0)
			for b.Loop() {
				begun := processTime(b)
				w := do(h, request("GET", page.path, "", "Authorization: Bearer admin-key"))
				var answer struct{ Missing []json.RawMessage }
				if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusOK || answer.Missing != nil {
					b.Fatalf("%d %.300s", w.Code, w.Body)
				}
				b.StopTimer()
				used += processTime(b) - begun
				for resting := true; resting; time.Sleep(time.Millisecond) {
					a.fans.mu.Lock()
					resting = len(a.fans.of) > 0
					a.fans.mu.Unlock()
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(used.Microseconds())/1000/float64(b.N), "cpu-ms/op")
		})
	}
}

func processTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
