package directory

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

var epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// world feeds a view: a topic, a clock, and what each node said last.
type world struct {
	t     *testing.T
	v     *View
	now   time.Time
	nodes map[string]*Beat
	order []string
	down  map[string]bool // nodes that say nothing
	// unreadable: nothing is read, and nothing proven. unwritable: nothing is written.
	unreadable, unwritable bool
}

func newWorld(t *testing.T, o Options) *world {
	o.Key = testKey
	w := &world{t: t, v: New(o), now: epoch, nodes: map[string]*Beat{}, down: map[string]bool{}}
	w.v.Proven(w.now)
	return w
}

func (w *world) add(id string, capacity, connections int64) *Beat {
	b := &Beat{Instance: "first life of " + id, State: Up, First: int64(len(w.order)), Ready: true, Status: Status{
		URLs: []string{"wss://" + id + "/ws"}, API: "https://" + id, Capacity: capacity, Connections: connections, Version: "1.0",
	}}
	w.nodes[id], w.order = b, append(w.order, id)
	return b
}

// value is a node's beat, as it is at this time.
func (w *world) value(id string) []byte {
	b := w.nodes[id]
	b.Sent, b.At = w.now.Sub(epoch).Milliseconds()+1, w.now.UnixMilli()
	return Encode(*b, id, testKey)
}

func (w *world) hear(id string, value []byte) Ignored {
	w.t.Helper()
	_, _, why := w.v.Hear(id, value, true, w.now)
	return why
}

// pass has seconds go by: each node beats, and the topic is proven.
func (w *world) pass(seconds int) {
	w.t.Helper()
	for range seconds {
		w.now = w.now.Add(time.Second)
		if w.unreadable {
			continue
		}
		for _, id := range w.order {
			if !w.down[id] && !w.unwritable {
				if why := w.hear(id, w.value(id)); why != Followed {
					w.t.Fatalf("%s at %s: %s", id, w.now.Sub(epoch), why)
				}
			}
		}
		w.v.Proven(w.now)
	}
}

type answer struct {
	Endpoints []string `json:"endpoints"`
	TTL       int      `json:"ttl_ms"`
	Spread    int      `json:"spread_ms"`
}

func (w *world) ask(n int) (a answer) {
	w.t.Helper()
	body, ok := w.v.Answer(nil, n, w.now)
	if !ok {
		return a
	}
	if err := json.Unmarshal(body, &a); err != nil || !strings.HasSuffix(string(body), "}\n") {
		w.t.Fatalf("%s: %v", body, err)
	}
	return a
}

func (w *world) expect(step string, want ...string) {
	w.t.Helper()
	got := w.ask(MaxAnswer).Endpoints
	slices.Sort(got)
	if !slices.Equal(got, want) {
		w.t.Errorf("%s: %q, want %q", step, got, want)
	}
}

func (w *world) state(id string) string {
	for _, n := range w.v.Nodes(w.now) {
		if n.ID == id {
			return n.State
		}
	}
	return ""
}

func TestCandidates(t *testing.T) {
	w := newWorld(t, Options{Lateness: 10 * time.Second})
	w.expect("nobody")
	a, b := w.add("a", 100, 10), w.add("b", 100, 20)
	w.pass(1)
	w.expect("both", "wss://a/ws", "wss://b/ws")
	a.Draining = true
	w.pass(1)
	w.expect("a drains", "wss://b/ws")
	a.Draining, b.Ready = false, false
	w.pass(1)
	w.expect("b is not ready", "wss://a/ws")
	b.Ready, a.Connections = true, 100
	w.pass(1)
	w.expect("a is full", "wss://b/ws")
	a.Connections, b.URLs = 10, nil
	w.pass(1)
	w.expect("b has no address", "wss://a/ws")
	a.URLs, b.URLs = []string{"wss://a/1", "wss://a/2"}, []string{"wss://b/ws"}
	w.pass(1)
	if got := w.ask(2).Endpoints; len(got) != 3 || got[2] != "wss://a/2" {
		t.Errorf("%q: the second address of a node comes last", got)
	}
	a.Late = 10_001
	w.pass(1)
	for range 100 {
		if got := w.ask(1).Endpoints; len(got) != 1 || got[0] != "wss://b/ws" {
			t.Fatalf("%q, but a is late", got)
		}
	}
	if got := w.ask(2).Endpoints; len(got) != 3 || got[1] != "wss://a/1" {
		t.Errorf("%q: who is late comes last", got)
	}
	w.down["b"] = true
	w.pass(7)
	if got := w.ask(2).Endpoints; w.state("b") != Suspect || len(got) != 3 || got[0] != "wss://a/1" || got[1] != "wss://b/ws" {
		t.Errorf("%q, b is %s: suspects come after the late", got, w.state("b"))
	}
	a.State = Left
	w.pass(1)
	w.expect("a left", "wss://b/ws")
	if w.state("a") != Left {
		t.Errorf("a is %q", w.state("a"))
	}
}

func TestSilenceEndsLeases(t *testing.T) {
	w := newWorld(t, Options{})
	w.add("a", 100, 0)
	w.add("b", 100, 0)
	w.pass(3)
	w.down["a"] = true
	w.pass(4)
	if got := w.state("a"); got != Up {
		t.Errorf("after 4 s: %s", got)
	}
	w.pass(3)
	if got := w.state("a"); got != Suspect {
		t.Errorf("after 7 s: %s", got)
	}
	w.pass(590)
	if got := w.state("a"); got != Suspect {
		t.Errorf("after 597 s: %q", got)
	}
	w.pass(10)
	if got := w.state("a"); got != "" {
		t.Errorf("after 607 s: %q", got)
	}
	w.expect("after ten minutes", "wss://b/ws")
	w.down["a"] = false
	w.pass(1)
	w.expect("back", "wss://a/ws", "wss://b/ws")
}

// While nothing can be read the view stays as it is, however long that takes, and after it nobody is suspect who was not: the first
// beat draws nobody.
func TestOutage(t *testing.T) {
	w := newWorld(t, Options{Seed: 1})
	for _, id := range []string{"a", "b", "c", "dead"} {
		w.add(id, 1000, 0)
	}
	w.pass(3)
	w.down["dead"] = true
	w.pass(10)
	w.unreadable = true
	w.pass(1000)
	if got := w.v.Stale(w.now); got != 1000*time.Second {
		t.Errorf("stale for %s", got)
	}
	w.expect("in the outage", "wss://a/ws", "wss://b/ws", "wss://c/ws", "wss://dead/ws")
	got := map[string]int{}
	for range 900 {
		got[w.ask(1).Endpoints[0]]++
	}
	for _, id := range []string{"a", "b", "c"} {
		if n := got["wss://"+id+"/ws"]; n < 270 || n > 330 {
			t.Errorf("%v", got)
			break
		}
	}
	w.unreadable = false
	w.now = w.now.Add(time.Second)
	w.hear("a", w.value("a"))
	w.v.Proven(w.now)
	got = map[string]int{}
	for range 300 {
		got[w.ask(1).Endpoints[0]]++
	}
	if got["wss://a/ws"] > 250 || got["wss://dead/ws"] > 0 || w.state("b") != Up || w.state("dead") != Suspect {
		t.Errorf("the first beat draws all: %v; b is %s, dead is %s", got, w.state("b"), w.state("dead"))
	}
	if got := w.v.Stale(w.now); got != 0 {
		t.Errorf("stale for %s", got)
	}
	w.down["b"] = true // it died meanwhile
	w.pass(4)
	if got := w.state("b"); got != Up {
		t.Errorf("a full lease is not over yet: %s", got)
	}
	w.pass(3)
	if got := w.state("b"); got != Suspect {
		t.Errorf("but now it is: %s", got)
	}
}

// The brokers may answer and take nothing: then nobody beats, which says nothing of anybody.
func TestNobodyCanWrite(t *testing.T) {
	w := newWorld(t, Options{})
	w.add("a", 1000, 0)
	w.add("b", 1000, 0)
	w.pass(3)
	w.unwritable = true
	w.pass(60)
	if w.state("a") != Up || w.state("b") != Up {
		t.Errorf("a is %s, b is %s", w.state("a"), w.state("b"))
	}
	w.unwritable = false
	w.down["b"] = true
	w.pass(4)
	if got := w.state("b"); got != Up {
		t.Errorf("a full lease is not over yet: %s", got)
	}
	w.pass(4)
	if got := w.state("b"); got != Suspect {
		t.Errorf("%s", got)
	}
}

// Beats from before the reader began prove nothing: their nodes come last until they beat again.
func TestBeatsFromBefore(t *testing.T) {
	w := newWorld(t, Options{})
	w.add("a", 1000, 900)
	w.add("b", 1000, 0)
	for _, id := range w.order {
		if _, _, why := w.v.Hear(id, w.value(id), false, w.now); why != Followed {
			t.Fatal(why)
		}
	}
	w.down["b"] = true
	w.pass(1)
	if got := w.ask(2); !slices.Equal(got.Endpoints, []string{"wss://a/ws", "wss://b/ws"}) || got.Spread != 0 {
		t.Errorf("%+v", got)
	}
}

func TestForgedAndReplayed(t *testing.T) {
	w := newWorld(t, Options{})
	w.add("a", 1000, 0)
	w.add("b", 1000, 0)
	w.pass(1)
	old := w.value("a")
	w.nodes["a"].URLs = []string{"wss://new/ws"}
	w.pass(1)
	forged := Encode(Beat{Instance: "x", State: Up, First: 99, Sent: 1, Ready: true, At: w.now.UnixMilli(), Status: Status{URLs: []string{"wss://evil/ws"}, Capacity: 1e6}}, "a", []byte("not the key, but as long as a key has to be"))
	plain := []byte(`{"instance":"x","state":"left","first":99,"sent_ms":1,"urls":["wss://evil/ws"]}`)
	future := *w.nodes["a"]
	future.First, future.At = 99, w.now.Add(11*time.Minute).UnixMilli()
	unplaced := *w.nodes["a"]
	unplaced.First, unplaced.At = -1, w.now.UnixMilli()
	for name, one := range map[string]struct {
		id    string
		value []byte
		want  Ignored
	}{
		"with another key":    {"a", forged, Forged},
		"of another node":     {"b", w.value("a"), Forged},
		"without a key":       {"a", plain, Unsealed},
		"old":                 {"a", old, Replayed},
		"of another time":     {"a", Encode(future, "a", testKey), Untimely},
		"without its place":   {"a", Encode(unplaced, "a", testKey), Unplaced},
		"no beat":             {"a", []byte("{"), Malformed},
		"of no node":          {"a b", w.value("a"), Malformed},
		"of a very long name": {strings.Repeat("a", 129), w.value("a"), Malformed},
		"long":                {"a", make([]byte, MaxBeatBytes+1), TooLarge},
	} {
		if got := w.hear(one.id, one.value); got != one.want {
			t.Errorf("%s: %s, want %s", name, got, one.want)
		}
		if n := w.v.Counts().Ignored[one.want.String()]; n == 0 {
			t.Errorf("%s: not counted", name)
		}
	}
	w.expect("after all of that", "wss://b/ws", "wss://new/ws")
	// A node of before has no seal: it is listed, and never handed out.
	if got := w.hear("old", []byte(`{"instance":"y","state":"up","first":5,"sent_ms":9,"ready":true,"late_ms":0,"urls":["wss://old/ws"]}`)); got != Unsealed || w.state("old") != Up {
		t.Errorf("%s, %q", got, w.state("old"))
	}
	w.expect("with a node of before", "wss://b/ws", "wss://new/ws")
	w.down["a"] = true
	for range 650 { // kept alive by copies
		w.pass(1)
		w.hear("a", old)
	}
	w.expect("after a died", "wss://b/ws")
}

// TestUpgrade: a node of before comes back with the key, and one that has it is not taken back.
func TestUpgrade(t *testing.T) {
	w := newWorld(t, Options{})
	if got := w.hear("a", []byte(`{"instance":"y","state":"up","first":0,"sent_ms":9,"ready":true,"late_ms":0}`)); got != Unsealed {
		t.Error(got)
	}
	w.add("a", 100, 0)
	w.pass(2)
	w.expect("upgraded", "wss://a/ws")
	if n := w.v.unsealed; n != 0 {
		t.Errorf("%d nodes without a seal", n)
	}
}

func TestBoundsOfView(t *testing.T) {
	w := newWorld(t, Options{})
	for i := range maxUnsealed + 100 {
		want := Unsealed
		if i >= maxUnsealed {
			want = Crowded
		}
		if got := w.hear(fmt.Sprint("n", i), []byte(`{"instance":"y","state":"up","first":0,"sent_ms":9}`)); got != want {
			t.Fatalf("%d: %s", i, got)
		}
	}
	for i := range maxNodes + 10 {
		id := fmt.Sprint("s", i)
		w.add(id, 10, 0)
		want := Followed
		if i >= maxNodes {
			want = Crowded
		}
		if got := w.hear(id, w.value(id)); got != want {
			t.Fatalf("%d: %s", i, got)
		}
	}
	if len(w.v.nodes) != maxNodes || w.v.unsealed != 0 {
		t.Errorf("%d nodes, %d without a seal", len(w.v.nodes), w.v.unsealed)
	}
}

func TestWithoutKey(t *testing.T) {
	v := New(Options{})
	v.Proven(epoch)
	for i := range 3 {
		_, trusted, why := v.Hear("a", fmt.Appendf(nil, `{"instance":"y","state":"up","first":3,"sent_ms":%d,"ready":true,"urls":["wss://a/ws"],"api":"http://a","capacity":9}`, i), true, epoch)
		if trusted || why != Unsealed {
			t.Fatal(trusted, why)
		}
	}
	if body, ok := v.Answer(nil, 1, epoch); ok {
		t.Errorf("%s", body)
	}
	if all := v.Nodes(epoch); len(all) != 1 || all[0].API != "" || all[0].Capacity != 9 {
		t.Errorf("%+v", all)
	}
}

func TestSpread(t *testing.T) {
	w := newWorld(t, Options{})
	for _, id := range []string{"a", "b", "c"} {
		w.add(id, 100_000, 30_000)
	}
	w.pass(5)
	if got := w.ask(1).Spread; got != 0 {
		t.Errorf("%d ms with nobody dead", got)
	}
	w.down["a"] = true
	w.pass(2)
	if got := w.ask(1).Spread; got != 3000 { // 30,000 clients, 10,000 a second
		t.Errorf("%d ms", got)
	}
	w.pass(1)
	if got := w.ask(1).Spread; got != 2000 {
		t.Errorf("%d ms a second later", got)
	}
	w.down["a"] = false
	w.pass(1)
	if got := w.ask(1).Spread; got != 0 {
		t.Errorf("%d ms when it was only silent", got)
	}
	b := w.nodes["b"]
	b.Instance, b.First, b.Connections = "second life", 9, 0
	w.pass(1)
	if got := w.ask(1).Spread; got < 1900 || got > 3000 {
		t.Errorf("%d ms for a node that was started again", got)
	}
	w.pass(3)
	w.nodes["c"].Draining, w.nodes["c"].State = true, Left
	w.pass(10)
	if got := w.ask(1).Spread; got != 0 {
		t.Errorf("%d ms for a node that left in order", got)
	}
}

func TestBetter(t *testing.T) {
	const silence = 3500 * time.Millisecond
	v := New(Options{Self: "self"})
	now, n := epoch, int64(0)
	heard := func(node string, b Beat) {
		n++
		b.Sent = n
		v.Hear(node, Encode(b, node, nil), true, now)
	}
	is := func(step string, d time.Duration, at time.Time, want string) {
		t.Helper()
		if node, ok := v.Better(d, silence, at); node != want || ok != (want != "") {
			t.Errorf("%s: %q, want %q", step, node, want)
		}
	}
	up := Beat{State: Up, Ready: true, Late: 400}
	is("nobody", time.Hour, now, "")
	heard("b", up)
	is("before a beat of its own came back", time.Hour, now, "")
	v.Proven(now)
	heard("self", up)
	is("itself", time.Hour, now, "")
	heard("b", up)
	is("less late", 401*time.Millisecond, now, "b")
	is("as late", 400*time.Millisecond, now, "")
	heard("b", Beat{State: Up})
	is("not ready", time.Hour, now, "")
	heard("b", up)
	heard("b", Beat{State: Left, Ready: true})
	is("left", time.Hour, now, "")
	heard("b", up)
	is("heard not long ago", time.Hour, now.Add(silence-1), "b")
	is("silent", time.Hour, now.Add(silence), "")
	now = now.Add(time.Minute)
	heard("b", up)
	is("said long ago, by what came before it", time.Hour, now, "")
	v.Proven(now)
	is("nothing new from it", time.Hour, now, "")
	heard("b", up)
	is("said just now", time.Hour, now, "b")
}

func TestOwn(t *testing.T) {
	v := New(Options{Self: "a"})
	for i := range 20 {
		now := epoch.Add(time.Duration(i) * time.Second)
		v.Own(Beat{State: Up, Ready: true, Status: Status{URLs: []string{"ws://a/ws"}, Capacity: 5}}, now)
		if _, ok := v.Answer(nil, 3, now); !ok || v.Stale(now) != 0 {
			t.Fatal("the node does not hand out itself")
		}
	}
	if all := v.Nodes(epoch.Add(20 * time.Second)); len(all) != 1 || !all[0].Self || !all[0].Handed || all[0].Heard != time.Second {
		t.Errorf("%+v", all)
	}
}

// After an outage, in which clients went on coming, each node's first beat counts them, and they do not count once more: as many
// come to it as to those that have not beaten yet.
func TestEvenAfterOutage(t *testing.T) {
	w := newWorld(t, Options{Seed: 3})
	ids := []string{"a", "b", "c"}
	for _, id := range ids {
		w.add(id, 100_000, 30_000)
	}
	w.pass(5)
	came := map[string]float64{}
	clients := func(n int) {
		for range n {
			url := w.ask(1).Endpoints[0]
			id := url[len("wss://") : len(url)-len("/ws")]
			w.nodes[id].Connections++
			came[id]++
		}
	}
	w.unreadable = true
	for range 60 {
		w.pass(1)
		clients(200)
	}
	w.unreadable = false
	clear(came)
	for i := range 12 { // of the nodes one beats each third of a second
		w.now = w.now.Add(time.Second / 3)
		if why := w.hear(ids[i%3], w.value(ids[i%3])); why != Followed {
			t.Fatal(why)
		}
		w.v.Proven(w.now)
		clients(67)
		for _, id := range ids {
			if i%3 == 2 && (came[id] < 0.85*67*float64(i+1)/3 || came[id] > 1.15*67*float64(i+1)/3) {
				t.Errorf("after %d beats: %v", i+1, came)
			}
		}
	}
}

// TestEvenChoice: nodes of very different size, that begin with very different numbers of clients, are soon as full as each other.
func TestEvenChoice(t *testing.T) {
	w := newWorld(t, Options{Seed: 7})
	w.add("large", 100_000, 0)
	for i := range 20 {
		w.add(fmt.Sprint("small", i), 1_000, int64(i)*20)
	}
	for range 20 { // half of all there is
		w.pass(1)
		for i := range 3000 {
			if i%300 == 0 {
				w.now = w.now.Add(tableTime)
			}
			url := w.ask(1).Endpoints[0]
			w.nodes[url[len("wss://"):len(url)-len("/ws")]].Connections++
		}
	}
	least, most := 1.0, 0.0
	for _, b := range w.nodes {
		full := float64(b.Connections) / float64(b.Capacity)
		least, most = min(least, full), max(most, full)
	}
	if most-least > 0.05 {
		t.Errorf("from %.3f to %.3f", least, most)
	}
}

func TestParseCount(t *testing.T) {
	for text, want := range map[string]int{"": 3, "1": 1, "10": 10, "0": -1, "11": -1, "-1": -1, "x": -1, "1 ": -1, "99999999999999999999": -1} {
		if n, ok := ParseCount(text); ok != (want > 0) || ok && n != want {
			t.Errorf("%q: %d, %t", text, n, ok)
		}
	}
}

func TestLimiter(t *testing.T) {
	l, now := NewLimiter(10, 20), time.Now()
	allowed := func(a string, n int) (got int) {
		for range n {
			if l.Allow(netip.MustParseAddr(a), now) {
				got++
			}
		}
		return got
	}
	if got := allowed("192.0.2.1", 100); got != 20 {
		t.Errorf("%d at once", got)
	}
	if got := allowed("::ffff:192.0.2.1", 100); got != 0 {
		t.Errorf("%d more in another form of the address", got)
	}
	if got := allowed("192.0.2.2", 1); got != 1 {
		t.Error("another address is refused")
	}
	if a, b := allowed("2001:db8::1", 100), allowed("2001:db8::ffff:1%eth0", 100); a != 20 || b != 0 {
		t.Errorf("%d and %d of one network", a, b)
	}
	now = now.Add(time.Second)
	if got := allowed("192.0.2.1", 100); got != 10 {
		t.Errorf("%d a second later", got)
	}
	now = now.Add(-time.Hour)
	if got := allowed("192.0.2.9", 100); got != 20 {
		t.Errorf("%d of an address when the clock went back", got)
	}
	if got := allowed("192.0.2.1", 100); got != 20 {
		t.Errorf("%d of one that had used up all when the clock went back", got)
	}
	refused := 0
	for i := range 2000 { // 2,000 addresses use up what they have: that is nothing to others
		allowed(fmt.Sprintf("198.51.%d.%d", i/256, i%256), 20)
	}
	const others = 50_000 // of 1,000, eleven in place of four are refused by chance once in a thousand times
	for i := range others {
		if allowed(fmt.Sprintf("203.%d.%d.%d", i>>16, i>>8&255, i&255), 1) == 0 {
			refused++
		}
	}
	if refused > others/100 {
		t.Errorf("%d of %d are refused for what others do", refused, others)
	}
}

func TestAnswerDoesNotAllocate(t *testing.T) {
	w := newWorld(t, Options{})
	for i := range 200 {
		w.add(fmt.Sprint("n", i), 1000, 10)
	}
	w.pass(1)
	l, a := NewLimiter(1e6, 1e6), netip.MustParseAddr("2001:db8::1")
	dst := make([]byte, 0, 4096)
	w.v.Answer(dst, 3, w.now)
	if n := testing.AllocsPerRun(1000, func() {
		l.Allow(a, w.now)
		w.v.Answer(dst, 3, w.now)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAnswer(b *testing.B) {
	for _, nodes := range []int{3, 200, 10_000} {
		b.Run(fmt.Sprint(nodes), func(b *testing.B) {
			w := newWorld(nil, Options{})
			for i := range nodes {
				id := fmt.Sprint("n", i)
				w.add(id, 1000, 10)
				w.v.Hear(id, w.value(id), true, w.now)
			}
			dst := make([]byte, 0, 4096)
			for i := 0; b.Loop(); i++ {
				w.v.Answer(dst, 3, w.now.Add(time.Duration(i)*100*time.Microsecond)) // 10,000 a second
			}
		})
	}
}
