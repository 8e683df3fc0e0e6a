package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"stentor/engine/directory"
	"stentor/engine/shard"
)

var testClusterKey = []byte("0123456789abcdef0123456789abcdef")

// testCluster is some nodes that know each other. The API of each is on a server.
type testCluster struct {
	nodes   []*fakeNode
	apis    []http.Handler
	servers []*httptest.Server
	view    *directory.View // that all have
}

func name(i int) string { return fmt.Sprintf("n%d", i) }

// newTestCluster has n nodes; apis[i] is what node i answers, after change.
func newTestCluster(t *testing.T, n int, change func(i int, o *Options)) *testCluster {
	t.Helper()
	c := &testCluster{view: directory.New(directory.Options{Key: testClusterKey})}
	for i := range n {
		h, node, _ := newTest(t, func(o *Options) {
			o.Directory, o.Now, o.Cluster = c.view, time.Now, &Cluster{Key: testClusterKey, Self: name(i), Instance: name(i), answerTime: time.Minute}
			if change != nil {
				change(i, o)
			}
		})
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		c.nodes, c.apis, c.servers = append(c.nodes, node), append(c.apis, h), append(c.servers, s)
		c.beat(t, name(i), s.URL)
	}
	return c
}

// beat has all nodes know of one more.
func (c *testCluster) beat(t *testing.T, id, api string) {
	t.Helper()
	now := time.Now()
	b := directory.Beat{Instance: id, State: directory.Up, First: 1, Sent: now.UnixNano(), Ready: true, At: now.UnixMilli(), Status: directory.Status{API: api}}
	if _, _, why := c.view.Hear(id, directory.Encode(b, id, testClusterKey), true, now); why != directory.Followed {
		t.Fatal(why)
	}
}

// get asks node 0.
func (c *testCluster) get(t *testing.T, path string, into any) {
	t.Helper()
	wantJSON(t, do(c.apis[0], request("GET", "/v1/projects/shop/"+path, "")), into)
}

// holding has a node list these sessions, page by page.
func (n *fakeNode) holding(ids ...string) {
	n.pages = func(q shard.SessionQuery, emit func([]shard.SessionInfo) error) (string, error) {
		from := 0
		if q.After != "" {
			if from = slices.Index(ids, q.After); from < 0 {
				return "", shard.ErrCursor
			}
		}
		for i := from; i < len(ids); i++ {
			if i-from == q.Limit {
				return ids[i], nil
			}
			if err := emit([]shard.SessionInfo{{ID: ids[i]}}); err != nil {
				return "", err
			}
		}
		return "", nil
	}
}

func nodesOf(missing []Missing) (all []string) {
	for _, m := range missing {
		all = append(all, m.Node)
	}
	return all
}

func TestSessionsOfAllNodes(t *testing.T) {
	c := newTestCluster(t, 3, nil)
	c.nodes[0].holding("a1", "a2", "a3")
	c.nodes[1].holding()
	c.nodes[2].holding("c1", "c2")
	for _, limit := range []int{1, 2, 3, 4, 5, 100} {
		var got []string
		after := ""
		for range 20 {
			var page SessionPage
			query := fmt.Sprintf("sessions?limit=%d", limit)
			if after != "" {
				query += "&after=" + after
			}
			c.get(t, query, &page)
			if len(page.Sessions) > limit || page.Missing != nil {
				t.Fatalf("limit %d: %+v", limit, page)
			}
			for _, s := range page.Sessions {
				got = append(got, s.Node+" "+s.ID)
			}
			if after = page.Next; after == "" {
				break
			}
		}
		if want := []string{"n0 a1", "n0 a2", "n0 a3", "n2 c1", "n2 c2"}; !slices.Equal(got, want) {
			t.Errorf("limit %d: %q", limit, got)
		}
	}
	var page SessionPage
	c.get(t, "sessions?node=local", &page)
	if len(page.Sessions) != 3 || page.Sessions[0].Node != "" {
		t.Errorf("%+v", page)
	}
	for query, part := range map[string]string{"node=n1": "send local", "node=local&node=local": "send local", "after=x": "all nodes", "after=n0:x": "not from a page", "limit=0": "limit", "usr=a": "did you mean user?", "destination=news": "begin with /"} {
		wantProblem(t, do(c.apis[0], request("GET", "/v1/projects/shop/sessions?"+query, "")), 400, codeField, part)
	}
}

func TestSumsOfAllNodes(t *testing.T) {
	c := newTestCluster(t, 3, nil)
	var stats statsOfAll
	if c.get(t, "stats", &stats); stats.Stats != (Stats{9, 12, 5, 18}) || stats.Missing != nil {
		t.Errorf("%+v", stats)
	}
	var d Delivery
	if c.get(t, "pushes/order-17", &d); len(d.Nodes) != 3 || d.Position != "1-0-7" {
		t.Errorf("%+v", d)
	}
	wantProblem(t, do(c.apis[0], request("GET", "/v1/projects/shop/pushes/none", "")), 404, codeNotFound, "no node that answered")
	var k kickedOfAll
	if wantJSON(t, do(c.apis[1], request("DELETE", "/v1/projects/shop/users/ann/sessions?reason=bye", "")), &k); k.Kicked != 6 || c.nodes[2].reason != "bye" {
		t.Errorf("%+v, %q", k, c.nodes[2].reason)
	}
	c.nodes[0].gone, c.nodes[1].gone = true, true
	if wantJSON(t, do(c.apis[0], request("DELETE", "/v1/projects/shop/sessions/s1", "")), &k); k.Kicked != 1 {
		t.Errorf("%+v", k)
	}
	wantProblem(t, do(c.apis[0], request("DELETE", "/v1/projects/shop/sessions/other", "")), 404, codeNotFound, "on any node")
	wantProblem(t, do(c.apis[0], request("DELETE", "/v1/projects/shop/sessions/s1?node=local", "")), 404, codeNotFound, "on this node")
}

func TestProjectsOfAllNodes(t *testing.T) {
	c := newTestCluster(t, 3, nil)
	list := func(key, query string) (page projectPage) {
		t.Helper()
		wantJSON(t, do(c.apis[0], request("GET", "/v1/projects"+query, "", "Authorization: Bearer "+key)), &page)
		return page
	}
	sum := Stats{9, 12, 5, 18}
	for _, query := range []string{"", "?limit=1000", "?limit=1&after=a"} {
		page := list("admin-key", query)
		if len(page.Projects) == 0 || page.Projects[0].Project != "chat" || page.Projects[0].Stats != sum || page.Missing != nil {
			t.Errorf("%s: %+v", query, page)
		}
	}
	if page := list("shop-key", ""); len(page.Projects) != 1 || page.Projects[0].Project != "shop" || page.Projects[0].Stats != sum {
		t.Errorf("%+v", page)
	}
	if page := list("admin-key", "?node=local"); page.Projects[0].Sessions != 3 {
		t.Errorf("%+v", page)
	}
	var one projectOfAll
	if wantJSON(t, do(c.apis[0], request("GET", "/v1/projects/shop", "")), &one); one.Stats != sum || one.Examples.Subscribe[0] != "/topic/shop/all" {
		t.Errorf("%+v", one)
	}
	c.servers[2].Close()
	if page := list("admin-key", ""); page.Projects[1].Sessions != 6 || !slices.Equal(nodesOf(page.Missing), []string{"n2"}) {
		t.Errorf("%+v", page)
	}
	wantProblem(t, do(c.apis[0], request("GET", "/v1/projects?node=n1", "")), 400, codeField, "send local")
	r := request("GET", "/v1/projects", "", "Authorization: ")
	sign(r, []byte("another key of thirty-two letters"), "n1", run{"n0", "n0"}, time.Now())
	wantProblem(t, do(c.apis[0], r), 401, codeAuth, "signature")
}

func TestDestinationsOfAllNodes(t *testing.T) {
	c := newTestCluster(t, 5, nil)
	for i, n := range c.nodes {
		n.subscribed = []shard.DestinationInfo{{Destination: "/a", Subscriptions: 1}, {Destination: fmt.Sprintf("/b%d", i), Subscriptions: 10 * i}, {Destination: "/c", Subscriptions: 2, Detached: 1}}
	}
	want := []string{"/a 5 0", "/b0 0 0", "/b1 10 0", "/b2 20 0", "/b3 30 0", "/b4 40 0", "/c 10 5"}
	for _, limit := range []int{1, 2, 3, 6, 7, 100} {
		var got []string
		after := ""
		for range 20 {
			var page destinationsOfAll
			c.get(t, fmt.Sprintf("destinations?limit=%d&after=%s", limit, after), &page)
			if len(page.Destinations) > limit {
				t.Fatalf("limit %d: %+v", limit, page)
			}
			for _, d := range page.Destinations {
				got = append(got, fmt.Sprintf("%s %d %d", d.Destination, d.Subscriptions, d.Detached))
			}
			if after = page.Next; after == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("limit %d: %q", limit, got)
		}
	}
	var page destinationsOfAll
	if c.get(t, "destinations?order=subscriptions&limit=2", &page); len(page.Destinations) != 2 || page.Destinations[0].Destination != "/b4" || page.Destinations[1].Destination != "/b3" || *page.Total != 7 {
		t.Errorf("%+v", page)
	}
}

// TestMissingNodes: nodes that do not answer, in whatever way, are named, and nobody waits for them for long.
func TestMissingNodes(t *testing.T) {
	c := newTestCluster(t, 2, func(_ int, o *Options) { o.Cluster.answerTime, o.Cluster.answerBytes = peerTime, 10<<10 })
	leads := httptest.NewServer(http.RedirectHandler(c.servers[1].URL+"/v1/projects/shop/stats", http.StatusTemporaryRedirect))
	defer leads.Close()
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer silent.Close()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) }))
	defer other.Close()
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = w.Write(make([]byte, 1<<20))
		}
	}))
	defer endless.Close()
	for id, api := range map[string]string{"leads": leads.URL, "silent": silent.URL, "other": other.URL, "nowhere": "", "closed": "http://127.0.0.1:1", "endless": endless.URL} {
		c.beat(t, id, api)
	}
	missing := []string{"closed", "endless", "leads", "nowhere", "other", "silent"}
	var stats statsOfAll
	if c.get(t, "stats", &stats); stats.Sessions != 6 || !slices.Equal(nodesOf(stats.Missing), missing) {
		t.Errorf("%+v", stats)
	}
	for i, part := range []string{"cannot be reached", "too long", "answered 307", "advertise.api", "not one of a node", "no answer within 2s"} {
		if m := stats.Missing[i]; !strings.Contains(m.Why, part) || strings.Contains(m.Why, "127.0.0.1") {
			t.Errorf("%+v, want %q and no address", m, part)
		}
	}
	c.nodes[0].holding("a")
	c.nodes[1].holding("b")
	var page SessionPage
	c.get(t, "sessions", &page)
	for page.Next != "" && len(page.Sessions) < 2 { // it came to the end of its time
		var more SessionPage
		c.get(t, "sessions?after="+page.Next, &more)
		more.Sessions, more.Missing = append(page.Sessions, more.Sessions...), append(page.Missing, more.Missing...)
		page = more
	}
	if len(page.Sessions) != 2 {
		t.Errorf("%+v", page)
	}
	wantProblem(t, do(c.apis[0], request("GET", "/v1/projects/shop/pushes/none", "")), 404, codeNotFound, "no answer came from closed, endless, leads, nowhere, other, silent")
}

// TestFansAreShared: of the requests of a project for all nodes two are under way, and the next waits for one of them.
// Those of others do not.
func TestFansAreShared(t *testing.T) {
	asked, answer := make(chan bool, 3), make(chan bool)
	c := newTestCluster(t, 1, nil)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "shop") {
			asked <- true
			<-answer
		}
		http.NotFound(w, r)
	}))
	defer other.Close()
	defer close(answer)
	c.beat(t, "other", other.URL)
	stats := func(project string) int {
		r := request("GET", "/v1/projects/"+project+"/stats", "")
		r.Header.Set("Authorization", "Bearer "+project+"-key")
		return do(c.apis[0], r).Code
	}
	codes := make(chan int, 3)
	for range 3 {
		go func() { codes <- stats("shop") }()
	}
	<-asked
	<-asked
	if code := stats("chat"); code != http.StatusOK {
		t.Errorf("another project is answered %d", code)
	}
	select {
	case <-asked:
		t.Fatal("three at once")
	default:
	}
	answer <- true
	<-asked
	answer <- true
	answer <- true
	for range 3 {
		if code := <-codes; code != http.StatusOK {
			t.Errorf("answered %d", code)
		}
	}
	if rest := (&fan{asked: 199}).rest(); rest < 50*time.Millisecond || rest > 200*time.Millisecond {
		t.Errorf("after a request for 200 nodes the place rests for %s", rest)
	}
}

// TestSuspects: nobody waits long for a node whose lease has run out, but who closes sessions does.
func TestSuspects(t *testing.T) {
	c := newTestCluster(t, 2, func(i int, o *Options) {
		if i == 1 { // which closes sessions
			o.Cluster.answerTime = peerTime
		}
	})
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer silent.Close()
	now := time.Now()
	c.beat(t, "silent", silent.URL)
	c.beat(t, "closed", "http://127.0.0.1:1")
	for i := range 8 {
		now = now.Add(time.Second)
		for n, s := range c.servers {
			b := directory.Beat{Instance: name(n), State: directory.Up, First: 1, Sent: now.UnixNano() + int64(i), Ready: true, At: now.UnixMilli(), Status: directory.Status{API: s.URL}}
			if _, _, why := c.view.Hear(name(n), directory.Encode(b, name(n), testClusterKey), true, now); why != directory.Followed {
				t.Fatal(why)
			}
		}
		c.view.Proven(now)
	}
	var stats statsOfAll
	if c.get(t, "stats", &stats); stats.Sessions != 6 || !slices.Equal(nodesOf(stats.Missing), []string{"closed", "silent"}) {
		t.Fatalf("%+v", stats)
	}
	for i, parts := range [][]string{{"suspect"}, {"within 300ms", "suspect"}} {
		for _, part := range parts {
			if !strings.Contains(stats.Missing[i].Why, part) {
				t.Errorf("%+v, want %q", stats.Missing[i], part)
			}
		}
	}
	var k kickedOfAll
	wantJSON(t, do(c.apis[1], request("DELETE", "/v1/projects/shop/users/ann/sessions", "")), &k)
	if k.Kicked != 4 || len(k.Missing) != 2 || !strings.Contains(k.Missing[1].Why, "within 2s") {
		t.Errorf("%+v", k)
	}
}

// TestLongPages: however long the sessions of many nodes are, a page is bounded, and the pages have all of them.
func TestLongPages(t *testing.T) {
	const nodes, sessions = 20, 4
	c := newTestCluster(t, nodes, nil)
	for i, n := range c.nodes {
		n.sessions = func(emit func([]shard.SessionInfo) error) (string, error) {
			for k := range sessions {
				if err := emit([]shard.SessionInfo{{ID: fmt.Sprint(i, ".", k), User: strings.Repeat("u", 200<<10)}}); err != nil {
					return "", err
				}
			}
			return "", nil
		}
	}
	seen := map[string]bool{}
	pages, after := 0, ""
	for ; pages < 4*nodes; pages++ {
		w := do(c.apis[0], request("GET", "/v1/projects/shop/sessions?limit=1000"+after, ""))
		if n := w.Body.Len(); n > mergeBytes+peerPageBytes {
			t.Fatalf("a page has %d bytes", n)
		}
		var page SessionPage
		if wantJSON(t, w, &page); page.Missing != nil {
			continue // a slow machine: once more
		}
		for _, s := range page.Sessions {
			if seen[s.Node+s.ID] || s.Node == "" {
				t.Fatalf("%s of %q is seen twice, or without its node", s.ID, s.Node)
			}
			seen[s.Node+s.ID] = true
		}
		if page.Next == "" {
			break
		}
		after = "&after=" + page.Next
	}
	if len(seen) != nodes*sessions || pages < 2 {
		t.Errorf("%d sessions on %d pages", len(seen), pages)
	}
}

// TestLongNames: what is kept while the destinations of many nodes are added up is bounded, and the pages have all of them.
func TestLongNames(t *testing.T) {
	const nodes, destinations = 30, 60
	c := newTestCluster(t, nodes, nil)
	for i, n := range c.nodes {
		for k := range destinations {
			n.subscribed = append(n.subscribed, shard.DestinationInfo{Destination: fmt.Sprintf("/%03d/%02d/%s", k, i, strings.Repeat("x", 8<<10)), Subscriptions: 1})
		}
		n.subscribed = append(n.subscribed, shard.DestinationInfo{Destination: "/all", Subscriptions: 2})
	}
	var page destinationsOfAll
	for range 20 {
		page = destinationsOfAll{}
		w := do(c.apis[0], request("GET", "/v1/projects/shop/destinations?order=subscriptions&limit=1000", ""))
		if wantJSON(t, w, &page); w.Body.Len() > 5<<20 {
			t.Fatalf("the most subscribed ones have %d bytes", w.Body.Len())
		}
		if page.Missing == nil {
			break // otherwise a slow machine: once more
		}
	}
	if len(page.Destinations) == 0 {
		t.Fatalf("%+v", page)
	}
	if page.Destinations[0].Destination != "/all" || page.Destinations[0].Subscriptions != 2*nodes {
		t.Errorf("the first of %d is %.20s with %d subscriptions", len(page.Destinations), page.Destinations[0].Destination, page.Destinations[0].Subscriptions)
	}
	seen, after := map[string]bool{}, ""
	for range 40 {
		page = destinationsOfAll{}
		w := do(c.apis[0], request("GET", "/v1/projects/shop/destinations?limit=10000&after="+after, ""))
		if wantJSON(t, w, &page); w.Body.Len() > 5<<20 {
			t.Fatalf("a page has %d bytes", w.Body.Len())
		}
		if page.Missing != nil {
			continue // a slow machine: once more
		}
		for _, d := range page.Destinations {
			if seen[d.Destination] || d.Destination == "/all" && d.Subscriptions != 2*nodes {
				t.Fatalf("%.20s is seen twice, or has %d subscriptions", d.Destination, d.Subscriptions)
			}
			seen[d.Destination] = true
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if len(seen) != nodes*destinations+1 {
		t.Errorf("%d destinations", len(seen))
	}
}

// TestLocalTrouble: what is wrong with this node alone does not keep the others' answers away.
func TestLocalTrouble(t *testing.T) {
	c := newTestCluster(t, 2, nil)
	c.nodes[0].err = errors.New("for the test")
	c.nodes[1].holding("b")
	var page SessionPage
	if c.get(t, "sessions", &page); len(page.Sessions) != 1 || !slices.Equal(nodesOf(page.Missing), []string{"n0"}) {
		t.Errorf("%+v", page)
	}
	c.nodes[1].err = errors.New("for the test")
	wantProblem(t, do(c.apis[0], request("DELETE", "/v1/projects/shop/users/ann/sessions", "")), 503, codeUnavailable, "")
}

// Who kicks without end uses up what is remembered for himself alone, and only for a time.
func TestSignaturesShared(t *testing.T) {
	now := time.Now()
	s := signatures{key: testClusterKey, self: run{"n1", "n1"}}
	kick := func(owner string, at time.Time) error {
		r := httptest.NewRequest("DELETE", "/v1/a", nil)
		sign(r, testClusterKey, "n0", run{"n1", "n1"}, at)
		return s.check(r, owner, at)
	}
	taken := 0
	for range maxUsed + 1 {
		if kick("noisy", now) == nil {
			taken++
		}
	}
	if taken != maxUsed/2 {
		t.Errorf("%d kicks of one project are taken", taken)
	}
	for _, owner := range []string{"quiet", ""} {
		if err := kick(owner, now); err != nil {
			t.Errorf("%q: %v", owner, err)
		}
	}
	later := now.Add(2*signatureTime + 1)
	if err := kick("noisy", later); err != nil || len(s.used) != 1 || len(s.owned) != 1 || s.order.Len() != 1 {
		t.Errorf("%v, %d signatures of %d owners are kept", err, len(s.used), len(s.owned))
	}
}

func TestSignatures(t *testing.T) {
	now := time.Now()
	s := signatures{key: testClusterKey, self: run{"n1", "n1"}}
	signedRequest := func(method, path string, key []byte, target string, at time.Time) *http.Request {
		r := httptest.NewRequest(method, path, nil)
		sign(r, key, "n0", run{target, target}, at)
		return r
	}
	if err := s.check(signedRequest("GET", "/v1/a%2Fb?x=1", testClusterKey, "n1", now.Add(30*time.Second)), "", now); err != nil {
		t.Error(err)
	}
	for what, r := range map[string]*http.Request{
		"another key":    signedRequest("GET", "/v1/a", []byte("another key that is as long as it should"), "n1", now),
		"another target": signedRequest("GET", "/v1/a", testClusterKey, "n2", now),
		"long ago":       signedRequest("GET", "/v1/a", testClusterKey, "n1", now.Add(-61*time.Second)),
		"to come":        signedRequest("GET", "/v1/a", testClusterKey, "n1", now.Add(61*time.Second)),
	} {
		if s.check(r, "", now) == nil {
			t.Errorf("%s: taken", what)
		}
	}
	for what, change := range map[string]func(*http.Request){
		"method": func(r *http.Request) { r.Method = "POST" },
		"path":   func(r *http.Request) { r.URL.Path = "/v1/b" },
		"query":  func(r *http.Request) { r.URL.RawQuery = "x=2" },
		"body":   func(r *http.Request) { r.ContentLength = 1 },
		"time": func(r *http.Request) {
			r.Header.Set(signatureHeader, strings.Replace(r.Header.Get(signatureHeader), "1 1", "1 2", 1))
		},
		"from": func(r *http.Request) {
			r.Header.Set(signatureHeader, strings.Replace(r.Header.Get(signatureHeader), "n0", "n9", 1))
		},
		"form": func(r *http.Request) { r.Header.Set(signatureHeader, "1 2 3") },
		"nonce": func(r *http.Request) {
			r.Header.Set(signatureHeader, strings.Replace(r.Header.Get(signatureHeader), " n0 ", "A n0 ", 1))
		},
	} {
		r := signedRequest("GET", "/v1/a?x=1", testClusterKey, "n1", now)
		change(r)
		if s.check(r, "", now) == nil {
			t.Errorf("another %s: taken", what)
		}
	}
	again := signedRequest("DELETE", "/v1/a", testClusterKey, "n1", now)
	if first, second := s.check(again, "", now), s.check(again, "", now); first != nil || second == nil {
		t.Errorf("%v, %v: a kick can be sent again", first, second)
	}
	digits := strings.Split(again.Header.Get(signatureHeader), " ")
	digits[5] = strings.ToUpper(digits[5])
	again.Header.Set(signatureHeader, strings.Join(digits, " "))
	if err := s.check(again, "", now); err != errUsedSign {
		t.Errorf("%v: a kick can be sent again in other letters", err)
	}
	restarted := signatures{key: testClusterKey, self: run{"n1", "of another start"}}
	if err := restarted.check(signedRequest("DELETE", "/v1/a", testClusterKey, "n1", now), "", now); err != errOtherRun {
		t.Errorf("%v: a kick can be sent again to a node that was started again", err)
	}
	readdressed := signedRequest("DELETE", "/v1/a", testClusterKey, "n1", now)
	readdressed.Header.Set(signatureHeader, strings.Replace(readdressed.Header.Get(signatureHeader), " n1 ", " another ", 1))
	if err := (&signatures{key: testClusterKey, self: run{"n1", "another"}}).check(readdressed, "", now); err != errSignature {
		t.Errorf("%v: a request for one run can be sent to another", err)
	}
	if (&signatures{self: run{"n1", "n1"}}).check(signedRequest("GET", "/v1/a", nil, "n1", now), "", now) == nil {
		t.Error("a node without a key is asked")
	}
	// A node that is not of the cluster takes the header for what it is: no key.
	h, _, _ := newTest(t, nil)
	r := request("GET", "/v1/projects/shop/stats", "", "Authorization: ")
	sign(r, testClusterKey, "n0", run{"n1", "n1"}, now)
	wantProblem(t, do(h, r), 401, codeAuth, "signature")
	if b, _ := json.Marshal(r.Header); strings.Contains(string(b), string(testClusterKey)) {
		t.Error("the key is sent")
	}
}

func TestDrain(t *testing.T) {
	c := newTestCluster(t, 2, func(i int, o *Options) {
		o.Directory = directory.New(directory.Options{Key: testClusterKey, Self: name(i)})
	})
	ask := func(i int, method, node, key string) *httptest.ResponseRecorder {
		return do(c.apis[i], request(method, "/v1/nodes/"+node+"/drain", "", "Authorization: Bearer "+key))
	}
	if w := ask(1, "POST", "n1", "admin-key"); w.Code != 200 || w.Body.String() != `{"node":"n1","draining":true}`+"\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	wantProblem(t, ask(1, "POST", "n0", "admin-key"), 404, codeNotFound, "GET /v1/nodes")
	wantProblem(t, ask(1, "POST", "n1", "shop-key"), 403, codeForbidden, "admin_keys")
	wantProblem(t, ask(1, "DELETE", "n1", "no"), 401, codeAuth, "")
	if got := c.nodes[1].drains; !slices.Equal(got, []bool{true}) {
		t.Errorf("%v", got)
	}
	// Of another node.
	view := directory.New(directory.Options{Key: testClusterKey, Self: "n0"})
	h, _, _ := newTest(t, func(o *Options) {
		o.Directory, o.Now, o.Cluster = view, time.Now, &Cluster{Key: testClusterKey, Self: "n0", answerTime: time.Minute}
	})
	(&testCluster{view: view}).beat(t, "n1", c.servers[1].URL)
	for _, method := range []string{"DELETE", "POST", "POST"} {
		if w := do(h, request(method, "/v1/nodes/n1/drain", "", "Authorization: Bearer admin-key")); w.Code != 200 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		time.Sleep(2 * time.Millisecond) // two requests of one moment are the same request
	}
	if got := c.nodes[1].drains; !slices.Equal(got, []bool{true, false, true, true}) {
		t.Errorf("%v", got)
	}
	c.servers[1].Close()
	wantProblem(t, do(h, request("POST", "/v1/nodes/n1/drain", "", "Authorization: Bearer admin-key")), 503, codeUnavailable, "ask it itself")
}

func TestShed(t *testing.T) {
	c := newTestCluster(t, 2, func(i int, o *Options) {
		o.Directory = directory.New(directory.Options{Key: testClusterKey, Self: name(i)})
	})
	view := directory.New(directory.Options{Key: testClusterKey, Self: "n0"})
	h, _, _ := newTest(t, func(o *Options) {
		o.Directory, o.Now, o.Cluster = view, time.Now, &Cluster{Key: testClusterKey, Self: "n0", answerTime: time.Minute}
	})
	(&testCluster{view: view}).beat(t, "n1", c.servers[1].URL)
	ask := func(h http.Handler, node, query, key string) *httptest.ResponseRecorder {
		return do(h, request("POST", "/v1/nodes/"+node+"/shed"+query, "", "Authorization: Bearer "+key))
	}
	for _, h := range []http.Handler{c.apis[1], h} { // the node itself, and another
		if w := ask(h, "n1", "?count=9&min_age_ms=0", "admin-key"); w.Code != 200 || w.Body.String() != `{"node":"n1","closed":7,"more":true}`+"\n" {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		for _, wrong := range []string{"?count=0", "?count=10001", "?count=1&min_age_ms=-1", "?count=1&min_age_ms=86400001", "?count=1;"} {
			wantProblem(t, ask(h, "n1", wrong, "admin-key"), 400, codeField, "")
		}
		wantProblem(t, ask(h, "n1", "?count=1", "shop-key"), 403, codeForbidden, "admin_keys")
		wantProblem(t, ask(h, "n1", "?count=1", "no"), 401, codeAuth, "")
		wantProblem(t, ask(h, "n7", "?count=1", "admin-key"), 404, codeNotFound, "GET /v1/nodes")
	}
	if w := ask(h, "n1", "?count=10000", "admin-key"); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if got := c.nodes[1].sheds; !slices.Equal(got, []string{"9 0s", "9 0s", "10000 10m0s"}) {
		t.Errorf("%q", got)
	}
	forged := request("POST", "/v1/nodes/n1/shed?count=1", "", "Authorization: ")
	sign(forged, []byte("of another cluster"), "n0", run{"n1", "n1"}, time.Now())
	wantProblem(t, do(c.apis[1], forged), 401, codeAuth, "signature")
	c.nodes[1].err = errors.New("busy")
	wantProblem(t, ask(c.apis[1], "n1", "?count=1", "admin-key"), 503, codeUnavailable, "")
}
