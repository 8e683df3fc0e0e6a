package history

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"stentor/engine/bus"
)

const epoch = 7

// book is a Log with what went into it.
type book struct {
	t *testing.T
	*Log
	next map[int32]int64
	all  []*Entry
}

func newBook(t *testing.T, b Bounds, begins ...bus.Position) *book {
	k := &book{t: t, Log: NewLog(b), next: map[int32]int64{}}
	for _, pos := range begins {
		k.Begin(pos)
		k.next[pos.Partition] = pos.Offset
	}
	return k
}

// place is at in the epoch of these tests.
func place(partition int32, offset int64) bus.Position { return at(epoch, partition, offset) }

// add appends the next push of a partition, which needs one shard.
func (k *book) add(partition int32, r bus.Record) *Entry {
	e := NewEntry(place(partition, k.next[partition]), &r, int64(len(k.all))*int64(time.Second), 0)
	k.next[partition]++
	if _, taken := k.Append(e, 1); !taken {
		k.t.Fatalf("%v was not taken", e.Position)
	}
	k.all = append(k.all, e)
	return e
}

// applied is all that there is.
func (k *book) applied() map[int32]bus.Position {
	all := map[int32]bus.Position{}
	for p, n := range k.next {
		all[p] = place(p, n-1)
	}
	return all
}

func texts(entries []*Entry) string {
	var all []string
	for _, e := range entries {
		all = append(all, fmt.Sprintf("%d.%d", e.Position.Partition, e.Position.Offset))
	}
	return strings.Join(all, " ")
}

func TestBytesAreBounded(t *testing.T) {
	k := newBook(t, Bounds{time.Hour, 10_000}, place(0, 0))
	for n := range 200 {
		k.add(0, bus.Record{Destination: "/topic/a", Body: make([]byte, n)})
		if k.Bytes() > 10_000 {
			t.Fatalf("%d bytes are kept", k.Bytes())
		}
	}
	k.audit()
	kept := 0
	for _, e := range k.all {
		if !e.Evicted() {
			kept++
		}
	}
	if kept != k.Len() || kept < 10 {
		t.Errorf("%d pushes are counted, %d are there", k.Len(), kept)
	}
	big := k.add(0, bus.Record{Destination: "/topic/a", Body: make([]byte, 50_000)})
	if big.Evicted() || k.Len() != 1 {
		t.Error("a push that is larger than the bound is not kept at all")
	}
	for k.Len() > 0 {
		k.EvictOlder(1 << 60)
	}
	if k.audit(); k.ring.Len()+k.marks.Len() != 0 || len(k.chains) != 1 {
		t.Errorf("%d bytes and %d chains of nothing", k.Bytes(), len(k.chains))
	}
}

func TestAgeIsBounded(t *testing.T) {
	k := newBook(t, Bounds{3 * time.Second, 1 << 20}, place(0, 0))
	for range 10 {
		k.add(0, bus.Record{Destination: "/topic/a"}) // one a second
	}
	k.EvictOlder(int64(8 * time.Second))
	for n, e := range k.all {
		if e.Evicted() != (n < 5) {
			t.Errorf("push %d: evicted %v", n, e.Evicted())
		}
	}
	k.SetBounds(Bounds{time.Second, 1 << 20})
	k.EvictOlder(int64(8 * time.Second))
	if k.Len() != 3 {
		t.Errorf("%d are left", k.Len())
	}
}

// Pending counts a push once, from Append until the last of those who need it is done.
func TestPending(t *testing.T) {
	k := newBook(t, Bounds{time.Hour, 1}, place(0, 0))
	e := NewEntry(place(0, 0), &bus.Record{Destination: "/topic/a"}, 0, 0)
	k.Append(e, 3)
	size := k.Log.Pending()
	if size != int64(e.size) || e.Taken() {
		t.Fatalf("%d bytes are pending", size)
	}
	e.Need()
	for n := range 4 {
		if k.Log.Pending() != size {
			t.Fatalf("%d bytes are pending after %d of 4", k.Log.Pending(), n)
		}
		e.Done()
	}
	if k.Log.Pending() != 0 || !e.Taken() {
		t.Errorf("%d bytes are pending", k.Log.Pending())
	}
	none := NewEntry(place(0, 1), &bus.Record{Destination: "/topic/a"}, 0, 0)
	k.Append(none, 0)
	if k.Log.Pending() != 0 || !none.Taken() {
		t.Error("a push that nobody needs is pending")
	}
}

func TestKnown(t *testing.T) {
	k := newBook(t, Bounds{time.Second, 1 << 20}, place(0, 0))
	k.add(0, bus.Record{Destination: "/topic/a", ID: "x"})
	if pos, ok := k.Known("x"); !ok || pos != place(0, 0) {
		t.Errorf("x is at %v, %v", pos, ok)
	}
	again := NewEntry(place(0, 1), &bus.Record{Destination: "/topic/a", ID: "x"}, 0, 0)
	if first, taken := k.Append(again, 1); taken || first != place(0, 0) || k.Log.Pending() != int64(k.all[0].size) {
		t.Error("the same id is taken twice")
	}
	k.EvictOlder(int64(time.Minute))
	if _, ok := k.Known("x"); ok {
		t.Error("an id outlives its push")
	}
}

func TestSince(t *testing.T) {
	match := func(prefix string) Wanted {
		return Wanted{Match: matcher(func(d string) bool { return strings.HasPrefix(d, prefix) })}
	}
	chain := func(d string) Wanted { return Wanted{Chain: d} }
	k := newBook(t, Bounds{time.Hour, 1 << 20}, place(0, 10), place(1, 0))
	a, b, c := bus.Record{Destination: "/topic/a"}, bus.Record{Destination: "/topic/b"}, bus.Record{Destination: "/topic/c"}
	ann := bus.Record{Destination: "/queue/x", User: "ann"}
	session := bus.Record{Destination: "/queue/x", Session: "s"}
	k.add(1, a)       // 1.0
	k.add(0, b)       // 0.10
	k.add(1, a)       // 1.1
	k.add(1, ann)     // 1.2
	k.add(0, b)       // 0.11
	k.add(1, session) // 1.3
	k.add(1, c)       // 1.4
	k.add(1, a)       // 1.5
	for _, test := range []struct {
		name   string
		wanted Wanted
		seen   []bus.Position
		want   string // "gap": not complete
	}{
		{"all of a", chain("/topic/a"), []bus.Position{place(1, -1)}, "1.0 1.1 1.5"},
		{"some of a", chain("/topic/a"), []bus.Position{place(1, 0)}, "1.1 1.5"},
		{"from between", chain("/topic/a"), []bus.Position{place(1, 3)}, "1.5"},
		{"all seen", chain("/topic/a"), []bus.Position{place(1, 5)}, ""},
		{"the partition of another", chain("/topic/a"), []bus.Position{place(0, 11)}, "gap"},
		{"before the beginning", chain("/topic/b"), []bus.Position{place(0, 8)}, "gap"},
		{"just the beginning", chain("/topic/b"), []bus.Position{place(0, 9)}, "0.10 0.11"},
		{"nothing ever came", chain("/topic/z"), []bus.Position{place(0, 9)}, ""},
		{"nothing ever came, but it may have before the beginning", chain("/topic/z"), []bus.Position{place(1, 2)}, "gap"},
		{"no such partition", chain("/topic/a"), []bus.Position{place(1, 0), place(9, 0)}, "gap"},
		{"another epoch", chain("/topic/a"), []bus.Position{{Epoch: 8, Offset: 0}}, "gap"},
		{"a user's", chain(UserKey("ann", "/queue/x")), []bus.Position{place(1, -1), place(0, 9)}, "1.2"},
		{"a user's, and a partition unnamed that did not begin here", chain(UserKey("ann", "/queue/x")), []bus.Position{place(1, -1)}, "gap"},
		{"another user's", chain(UserKey("bob", "/queue/x")), []bus.Position{place(1, -1), place(0, 9)}, ""},
		{"not a user's", chain("/queue/x"), []bus.Position{place(1, -1)}, ""},
		{"a pattern", match("/topic/"), []bus.Position{place(1, 0), place(0, 10)}, "1.1 0.11 1.4 1.5"},
		{"a pattern of one partition", match("/topic/a"), []bus.Position{place(1, 0), place(0, 11)}, "1.1 1.5"},
		{"a pattern, and a partition unnamed", match("/topic/a"), []bus.Position{place(1, 0)}, "gap"},
		{"a pattern, and a whole partition unnamed", match("/topic/b"), []bus.Position{place(0, 10)}, "gap"},
		{"users match no pattern", match("/queue/"), []bus.Position{place(1, -1), place(0, 9)}, ""},
	} {
		missed, complete := k.Since(test.wanted, test.seen, k.applied())
		got := "gap"
		if complete {
			got = texts(missed)
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
	applied := k.applied()
	applied[1] = place(1, 1)
	if missed, complete := k.Since(chain("/topic/a"), []bus.Position{place(1, -1)}, applied); !complete || texts(missed) != "1.0 1.1" {
		t.Errorf("a shard that is behind its history: %q, %v", texts(missed), complete)
	}
	delete(applied, 1)
	if _, complete := k.Since(chain("/topic/a"), []bus.Position{place(1, -1)}, applied); complete {
		t.Error("a shard that knows nothing of the partition says that nothing is missing")
	}
}

// A quiet destination is resumed however old its last push is, a busy one only from where history begins.
func TestFloors(t *testing.T) {
	k := newBook(t, Bounds{time.Hour, 4000}, place(0, 0))
	k.add(0, bus.Record{Destination: "/topic/quiet"}) // 0
	k.add(0, bus.Record{Destination: "/topic/quiet"}) // 1
	k.add(0, bus.Record{Destination: "/queue/x", User: "ann"})
	for range 100 {
		k.add(0, bus.Record{Destination: "/topic/busy"})
	}
	newest := int64(-1)
	for _, e := range k.all {
		if e.Destination == "/topic/busy" && e.Evicted() {
			newest = e.Position.Offset
		}
	}
	all := Wanted{Match: matcher(func(string) bool { return true })}
	for _, test := range []struct {
		wanted Wanted
		seen   int64
		want   bool
	}{
		{Wanted{Chain: "/topic/quiet"}, 1, true},
		{Wanted{Chain: "/topic/quiet"}, 0, false},
		{Wanted{Chain: "/topic/never"}, 0, true},
		{Wanted{Chain: UserKey("ann", "/queue/x")}, 2, true},
		{Wanted{Chain: UserKey("ann", "/queue/x")}, 1, false},
		{Wanted{Chain: "/topic/busy"}, newest, true},
		{Wanted{Chain: "/topic/busy"}, newest - 1, false},
		{all, newest, true},
		{all, newest - 1, false},
	} {
		missed, complete := k.Since(test.wanted, []bus.Position{place(0, test.seen)}, k.applied())
		if complete != test.want {
			t.Errorf("%q from %d: %v (%d missed)", test.wanted.Chain, test.seen, complete, len(missed))
		}
	}
}

// Where there is no room for more floors the oldest go: who has not seen the pushes up to there is answered with a gap
// too often, never too seldom, and who has seen them is told the truth, whatever the destination.
func TestFloorsAreBounded(t *testing.T) {
	k := newBook(t, Bounds{time.Hour, 40_000}, place(0, 0))
	k.add(0, bus.Record{Destination: "/queue/x", User: "ann"})
	k.add(0, bus.Record{Destination: "/topic/first"})
	const others = 1000
	for n := range others {
		k.add(0, bus.Record{Destination: fmt.Sprint("/topic/", n)})
		k.audit()
	}
	lost := k.partitions[0].lost.topics()
	if k.quiet > 10_000 || k.floors.live < 30 || lost < 500 || k.Bytes() > 40_000 {
		t.Fatalf("%d floors have %d bytes, lost up to %d, %d bytes in all", k.floors.live, k.quiet, lost, k.Bytes())
	}
	if n := int(k.Forgotten()); n < 500 || n > others {
		t.Errorf("%d floors are forgotten", n)
	}
	newest := k.ring.At(0).Position.Offset - 1 // evicted
	all := Wanted{Match: matcher(func(string) bool { return true })}
	for _, test := range []struct {
		wanted Wanted
		seen   int64
		want   bool
	}{
		{Wanted{Chain: "/topic/first"}, 1, false}, // it is not known that nothing came since
		{Wanted{Chain: "/topic/first"}, lost - 1, false},
		{Wanted{Chain: "/topic/first"}, lost, true},
		{Wanted{Chain: "/topic/never"}, lost - 1, false},
		{Wanted{Chain: "/topic/never"}, lost, true}, // a destination without any push
		{Wanted{Chain: fmt.Sprint("/topic/", newest-2)}, newest, true},
		{Wanted{Chain: fmt.Sprint("/topic/", newest-2)}, newest - 1, false},
		{Wanted{Chain: fmt.Sprint("/topic/", others-1)}, lost, true}, // it is all there
		{Wanted{Chain: UserKey("ann", "/queue/x")}, -1, false},
		{Wanted{Chain: UserKey("ann", "/queue/x")}, 0, true},
		{Wanted{Chain: UserKey("bob", "/queue/x")}, 0, true}, // topics' floors are not users'
		{all, newest, true},
		{all, newest - 1, false},
	} {
		if _, complete := k.Since(test.wanted, []bus.Position{place(0, test.seen)}, k.applied()); complete != test.want {
			t.Errorf("%s from %d: %v", test.wanted.Chain, test.seen, complete)
		}
	}
}

// Floors that were forgotten in a partition are the trouble of those whose pushes may have been there: a client that resumes
// with one message-id names no other partition.
func TestFloorsForgottenElsewhere(t *testing.T) {
	k := newBook(t, Bounds{time.Hour, 40_000}, place(0, 0), place(1, 0))
	of := func(partition int32, prefix string) (dest string) {
		for n := 0; ; n++ {
			if dest = fmt.Sprint(prefix, n); bus.Home(dest, 2) == partition {
				return dest
			}
		}
	}
	mine, other, ann := Wanted{Chain: of(0, "/topic/mine")}, Wanted{Chain: of(1, "/topic/other")}, Wanted{Chain: UserKey("ann", "/queue/x")}
	check := func(what string, w Wanted, want bool) {
		t.Helper()
		seen := []bus.Position{k.add(0, bus.Record{Destination: mine.Chain}).Position}
		if _, complete := k.Since(w, seen, k.applied()); complete != want {
			t.Errorf("%s: %q is resumed: %v", what, w.Chain, complete)
		}
	}
	fill := func(r func(n int) bus.Record) {
		for n := range 1000 {
			k.add(1, r(n))
		}
	}
	fill(func(n int) bus.Record { return bus.Record{Destination: of(1, fmt.Sprint("/topic/", n, "-"))} })
	if k.partitions[1].lost.topics() < 500 {
		t.Fatalf("floors are lost up to %d", k.partitions[1].lost.topics())
	}
	check("in its own partition", other, false)
	check("in another", mine, true)
	check("topics", ann, true)
	fill(func(n int) bus.Record { return bus.Record{Destination: "/queue/x", User: fmt.Sprint(n)} })
	check("users", ann, false)
	check("users", mine, true)
	k.Begin(place(2, 0))
	k.next[2] = 0
	check("with one more partition", mine, false)

	k = newBook(t, Bounds{time.Hour, 40_000}, place(0, 0), place(1, 0))
	check("at first", mine, true)
	fill(func(n int) bus.Record { return bus.Record{Destination: of(0, fmt.Sprint("/topic/", n, "-"))} })
	check("pushes that are not where they belong", mine, false)
}

// After a partition stepped back, what was evicted before counts for as long as its offsets could be meant.
func TestFloorsAfterAStepBack(t *testing.T) {
	k := newBook(t, Bounds{time.Hour, 1}, place(0, 0))
	for range 10 {
		k.add(0, bus.Record{Destination: "/topic/a"})
	}
	k.Begin(place(0, 5))
	k.next[0] = 5
	k.add(0, bus.Record{Destination: "/topic/a"})
	k.add(0, bus.Record{Destination: "/topic/a"})
	for _, w := range []Wanted{{Chain: "/topic/a"}, {Match: matcher(func(string) bool { return true })}} {
		if _, complete := k.Since(w, []bus.Position{place(0, 6)}, k.applied()); complete {
			t.Error("a client that saw the first 6 and missed the next is told that nothing is missing")
		}
	}
}

// Whatever Since calls complete has all that was published above the client's position.
func TestSinceIsHonest(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	dests := []string{"/topic/a", "/topic/b", "/topic/c"}
	complete, gaps := 0, 0
	for range 300 {
		k := newBook(t, Bounds{time.Duration(1+rng.IntN(60)) * time.Second, 300 + rng.Int64N(20_000)}, place(0, 0), place(1, 0))
		for n := range 80 {
			r := bus.Record{Destination: dests[rng.IntN(len(dests))], Body: make([]byte, rng.IntN(200))}
			k.add(int32(rng.IntN(2)), r)
			if n%7 == 0 {
				k.EvictOlder(k.all[n].Time)
			}
		}
		for range 20 {
			dest := dests[rng.IntN(len(dests))]
			w := Wanted{Chain: dest}
			if rng.IntN(2) == 0 {
				w = Wanted{Match: matcher(func(d string) bool { return d == dest })}
			}
			seen := map[int32]int64{}
			var list []bus.Position
			for p := range int32(2) {
				if rng.IntN(6) > 0 {
					seen[p] = rng.Int64N(k.next[p]+1) - 1
					list = append(list, place(p, seen[p]))
				}
			}
			missed, ok := k.Since(w, list, k.applied())
			if !ok {
				gaps++
				continue
			}
			complete++
			var want []*Entry
			for _, e := range k.all {
				if from, named := seen[e.Position.Partition]; e.Destination == dest && (!named || e.Position.Offset > from) {
					want = append(want, e)
				}
			}
			if texts(missed) != texts(want) {
				t.Fatalf("since %v: %q, want %q", list, texts(missed), texts(want))
			}
		}
	}
	t.Logf("%d complete, %d gaps", complete, gaps)
}

func TestDoneAllocates(t *testing.T) {
	k := newBook(t, Bounds{time.Hour, 1 << 20}, place(0, 0))
	e := k.add(0, bus.Record{Destination: "/topic/a"})
	if n := testing.AllocsPerRun(100, func() { e.Need(); e.Done(); _ = e.Expired(1); _ = e.Evicted() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
