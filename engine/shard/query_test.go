package shard

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"stentor/engine/bus"
	"stentor/engine/session"
)

// listed is all that a query finds, and the longest step.
func (r *rig) listed(q SessionQuery) (all []SessionInfo, steps, most int) {
	for from, first := (Place{}), true; first || from != (Place{}); first = false {
		var page []SessionInfo
		page, from = r.s.Sessions(&q, from)
		all, steps, most = append(all, page...), steps+1, max(most, len(page))
	}
	return all, steps, most
}

// A step of a listing describes as many sessions as it has units for, however many there are.
func TestSessionsInSteps(t *testing.T) {
	r := newRig(t)
	const sessions, each = 300, 100
	for i := range sessions {
		k := r.connect(fmt.Sprint("user", i%2))
		for j := range each {
			k.subscribe(fmt.Sprintf("/topic/p/%d", j), fmt.Sprint(j))
		}
	}
	for _, user := range []string{"", "user1"} {
		want := sessions
		if user != "" {
			want /= 2
		}
		all, _, most := r.listed(SessionQuery{Project: rigProject, User: user, Limit: 1000})
		ids := map[string]bool{}
		for _, one := range all {
			ids[one.ID] = true
		}
		if len(all) != want || len(ids) != want || most > stepUnits/(infoUnits+itemUnits*each)+1 {
			t.Errorf("user %q: %d sessions, %d different ones, %d in one step", user, len(all), len(ids), most)
		}
	}
	// A filter costs units too: who subscribes to much is not looked through at once.
	k := r.connect("ann")
	k.subscribe("/topic/p/rare", "1")
	all, steps, _ := r.listed(SessionQuery{Project: rigProject, Destination: "/topic/p/rare", Limit: 1000})
	if least := sessions * each * subUnits / (stepUnits + each*subUnits); len(all) != 1 || steps < least {
		t.Errorf("%d sessions in %d steps, want %d steps at least", len(all), steps, least)
	}
	if all, steps, _ := r.listed(SessionQuery{Project: rigProject, Destination: "/topic/p/none", Limit: 1000}); len(all) != 0 || steps != 1 {
		t.Errorf("%d sessions in %d steps", len(all), steps)
	}
}

// A session with more subscriptions than are described says how many more.
func TestSessionOfManySubscriptions(t *testing.T) {
	r := newRig(t)
	r.s.conf.Limits.Subscriptions = 1000
	k := r.connect("ann")
	for j := range maxListed + 5 {
		k.subscribe(fmt.Sprintf("/topic/p/%s/%d", strings.Repeat("x", 200), j), fmt.Sprint(j))
	}
	r.connect("bob")
	all, steps, _ := r.listed(SessionQuery{Project: rigProject, Limit: 10})
	if len(all) != 2 || len(all[0].Subscriptions) != maxListed || all[0].More != 5 {
		t.Errorf("%d sessions, %d subscriptions and %d more", len(all), len(all[0].Subscriptions), all[0].More)
	}
	if steps != 1 {
		t.Errorf("%d steps", steps)
	}
}

// A step ends when the names in what it found are long.
func TestStepBytes(t *testing.T) {
	r := newRig(t)
	for i := range 200 {
		k := r.connect("ann")
		k.subscribe(fmt.Sprintf("/topic/p/%04d%s", i, strings.Repeat("x", 1000)), "1")
	}
	if _, _, most := r.listed(SessionQuery{Project: rigProject, Limit: 1000}); most > stepBytes/1000+1 {
		t.Errorf("%d sessions in one step", most)
	}
	page, more := r.s.Destinations(&DestinationQuery{Project: rigProject, Limit: 1000})
	if len(page) > stepBytes/1000+1 || !more {
		t.Errorf("%d destinations in one step, more: %t", len(page), more)
	}
}

// A listing of a user's sessions goes on where it stood, also when the session there has gone.
func TestUserSessionsGoOn(t *testing.T) {
	r := newRig(t)
	for range 20 {
		r.now += 1e9
		r.connect("ann")
	}
	seen := map[string]bool{}
	q := SessionQuery{Project: rigProject, User: "ann", Limit: 3}
	from, gone := Place{}, 0
	for first := true; first || from != (Place{}); first = false {
		var page []SessionInfo
		page, from = r.s.Sessions(&q, from)
		for _, one := range page {
			if seen[one.ID] {
				t.Errorf("%s is listed twice", one.ID)
			}
			seen[one.ID] = true
		}
		n, _ := r.s.Kick(rigProject, "", []Ref{{from.Slot, from.Gen}}) // which is next
		gone += n
	}
	if gone < 4 || len(seen) != 20-gone {
		t.Errorf("%d sessions are listed of 20, of which %d went meanwhile", len(seen), gone)
	}
}

// Closing a user's sessions, and all of a node that drains, goes in steps too.
func TestKicksInSteps(t *testing.T) {
	r := newRig(t)
	const sessions = 100
	for range sessions {
		r.connect("ann")
	}
	refs, next := r.s.UserSessions(rigProject, "ann", Place{})
	if len(refs) != sessions || next != (Place{}) {
		t.Fatalf("%d sessions, next %v", len(refs), next)
	}
	const most = stepUnits/endUnits + 1
	for closed := 0; len(refs) > 0; {
		n, rest := r.s.Kick(rigProject, "", refs)
		if n > most || n != len(refs)-len(rest) {
			t.Fatalf("%d of %d at once, %d are left", n, len(refs), len(rest))
		}
		if closed, refs = closed+n, rest; len(rest) == 0 && closed != sessions {
			t.Errorf("%d were closed", closed)
		}
	}
	for range sessions {
		r.connect("bob")
	}
	ended, slot := r.s.EndSome(0, sessions, false, session.CloseServiceLeaves, "bye")
	if ended > most || slot == 0 {
		t.Errorf("%d were closed, up to slot %d", ended, slot)
	}
}

// Counts are kept, and nothing runs in the loop for them.
func TestCountsAreKept(t *testing.T) {
	r := newRig(t)
	for i := range 100 {
		k := r.connect("ann")
		k.subscribe(fmt.Sprintf("/topic/p/%d", i), "1")
		k.subscribe("/user/queue/a", "2")
	}
	woken := r.woken
	var got ProjectCounts
	if n := testing.AllocsPerRun(10, func() { got = r.s.Counts(rigProject) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
	if got != (ProjectCounts{Sessions: 100, Subscriptions: 200}) || r.woken != woken {
		t.Errorf("%+v, the loop was woken %d times", got, r.woken-woken)
	}
	if got := r.s.Counts("none"); got != (ProjectCounts{}) {
		t.Errorf("%+v", got)
	}
}

// A listing of one destination costs what one costs, wherever it begins.
func TestDestinationsCost(t *testing.T) {
	r := newRig(t)
	p := r.s.project(r.settings)
	for i := range 20_000 {
		r.s.topic(p, fmt.Sprintf("/topic/p/%05d", i))
	}
	for _, after := range []string{"", "/topic/p/10000", "/topic/p/19998"} {
		var page []DestinationInfo
		var more bool
		allocs := testing.AllocsPerRun(10, func() {
			page, more = r.s.Destinations(&DestinationQuery{Project: rigProject, After: after, Limit: 1})
		})
		if len(page) != 1 || page[0].Destination <= after || more != (after != "/topic/p/19998") || allocs > 3 {
			t.Errorf("after %q: %+v, more: %t, %v allocations", after, page, more, allocs)
		}
	}
	page, more := r.s.Destinations(&DestinationQuery{Project: rigProject, Prefix: "/topic/p/1", Limit: 100_000})
	if len(page) != stepUnits/itemUnits || !more || page[0].Destination != "/topic/p/10000" {
		t.Errorf("%d destinations from %q, more: %t", len(page), page[0].Destination, more)
	}
	if page, more := r.s.Destinations(&DestinationQuery{Project: rigProject, Prefix: "/topic/p/00012", Limit: 10}); len(page) != 1 || more {
		t.Errorf("%+v, more: %t", page, more)
	}
}

// The index of names has what a sorted list has, whatever comes and goes.
func TestNames(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var n names
	var want []*target
	for range 20_000 {
		if len(want) > 0 && random.IntN(5) < 2 {
			i := random.IntN(len(want))
			n.remove(want[i])
			want = slices.Delete(want, i, i+1)
			continue
		}
		name := fmt.Sprint("/", random.IntN(1<<20))
		one := &target{name: name} // a user's
		switch random.IntN(3) {
		case 0:
			one = &newLog(nil, name, nil).target
		case 1: // around the names of users' destinations
			one = &newLog(nil, userPrefix[:random.IntN(len(userPrefix))+1]+name, nil).target
		}
		n.add(one)
		want = append(want, one)
	}
	slices.SortStableFunc(want, func(a, b *target) int { return cmp.Compare(a.shown(), b.shown()) })
	for _, begin := range []string{"", "/", "/u", "/user", "/user/", "/user/5", "/z"} {
		var got []string
		for one := range n.from(begin) {
			got = append(got, one.shown())
		}
		var names []string
		for _, one := range want {
			if one.shown() >= begin {
				names = append(names, one.shown())
			}
		}
		if !slices.Equal(got, names) {
			t.Errorf("from %q: %d names, want %d", begin, len(got), len(names))
		}
	}
	for _, b := range n.blocks {
		if len(b) == 0 || len(b) >= blockTargets {
			t.Errorf("a block of %d", len(b))
		}
	}
	for _, one := range want {
		n.remove(one)
	}
	if len(n.blocks) != 0 {
		t.Errorf("%d blocks are left", len(n.blocks))
	}
}

// A slice does its deliveries before a step of a query, and one step only.
func TestQueriesComeLast(t *testing.T) {
	r := newRig(t)
	k := r.connect("ann")
	k.subscribe("/topic/p/a", "1")
	var seen []int
	for range 3 {
		r.s.Ask(func() { seen = append(seen, k.writes) })
	}
	before := k.writes
	r.s.Hand(rigProject, r.entry(bus.Record{Destination: "/topic/p/a"}, 10))
	for i := range 3 {
		if more := r.s.Run(); len(seen) != i+1 || seen[i] <= before || more != (i < 2) {
			t.Fatalf("slice %d: steps saw %v writes, %d before; more: %t", i, seen, before, more)
		}
	}
}
