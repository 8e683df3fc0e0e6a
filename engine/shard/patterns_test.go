package shard

import (
	"bytes"
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"testing"

	"stentor/engine/refusal"
	"stentor/engine/session"
	"stentor/stomp"
)

// checkShares says what is wrong with what p's holders are charged.
func (p *project) checkShares() error {
	shares := map[Holder]int{}
	for _, l := range p.patterns {
		if len(l.pattern.payers) > min(maxPayers, int(l.subscriptions)) {
			return fmt.Errorf("%d payers of %s with %d subscriptions", len(l.pattern.payers), l.name, l.subscriptions)
		}
		for _, o := range l.pattern.payers {
			shares[o.holder] += l.pattern.Steps()
			if o.subscriptions <= 0 {
				return fmt.Errorf("%+v pays for %d subscriptions to %s", o.holder, o.subscriptions, l.name)
			}
		}
	}
	if !maps.Equal(shares, p.shares) || p.index.Len() != len(p.patterns) {
		return fmt.Errorf("holders are charged %v, want %v; %d patterns in the index of %d", p.shares, shares, p.index.Len(), len(p.patterns))
	}
	return nil
}

func (r *rig) wantShare(user string, want int) {
	r.t.Helper()
	p := r.s.projects[rigProject]
	if got := p.shares[Holder{User: user}]; got != want {
		r.t.Errorf("%s is charged %d steps, want %d", user, got, want)
	}
	if err := p.checkShares(); err != nil {
		r.t.Error(err)
	}
}

// refused reports whether k was sent an ERROR, and counts that for why.
func (r *rig) refused(k *stubSocket, why refusal.Reason, text string) bool {
	r.t.Helper()
	if k.conn.sess.Phase != session.Closing {
		return false
	}
	if r.met(why) == 0 || !strings.Contains(string(k.kept), text) || !strings.Contains(string(k.kept), "code:limit") {
		r.t.Errorf("refused with %q, want %q, counted as %s", k.kept, text, why)
	}
	return true
}

// A user with many sessions takes no more than its share of the patterns: others have theirs, and a push costs no more.
func TestUserCannotTakeAllPatterns(t *testing.T) {
	r := newRig(t)
	refused := 0
	for i := range 1000 {
		k := r.connect("mallory")
		k.keep = true
		k.subscribe(fmt.Sprintf("/topic/p/%d/*", i)+strings.Repeat("/*", 24), "1")
		if r.refused(k, refusal.UserPatternSteps, "the user's patterns") {
			refused++
		}
	}
	if steps := r.s.projects[rigProject].shares[Holder{User: "mallory"}]; refused < 900 || steps > 500 || steps < 400 {
		t.Errorf("%d sessions were refused, %d steps taken", refused, steps)
	}
	ann := r.connect("ann")
	ann.keep = true
	for i := range 50 {
		ann.subscribe(fmt.Sprintf("/topic/p/*/orders/%d", i), fmt.Sprint(i))
	}
	if ann.conn.nsubs != 50 {
		t.Errorf("another user has %d patterns: %q", ann.conn.nsubs, ann.kept)
	}
	if most := 4000; r.s.projects[rigProject].index.Steps() > most {
		t.Errorf("a push takes %d steps", r.s.projects[rigProject].index.Steps())
	}
}

// Users who take all that a project has together are refused what is more; nobody is closed who was there.
func TestProjectsPatternsAreBounded(t *testing.T) {
	r := newRig(t)
	var refused bool
	for i := 0; !refused; i++ {
		k := r.connect(fmt.Sprint("user", i))
		k.keep = true
		for j := range 15 {
			k.subscribe(attack(15*i+j), fmt.Sprint(j))
		}
		if refused = r.refused(k, refusal.PatternSteps, "the project's patterns"); !refused && i > 100 {
			t.Fatalf("%d steps", r.s.projects[rigProject].index.Steps())
		}
		if steps := r.s.projects[rigProject].index.Steps(); steps > 4000 || refused && steps < 3000 {
			t.Errorf("%d steps", steps)
		}
	}
	if err := r.s.projects[rigProject].checkShares(); err != nil {
		t.Error(err)
	}
	k := r.connect("user0") // what somebody has may be shared
	k.subscribe(attack(0), "1")
	if k.conn.nsubs != 1 {
		t.Error("a pattern that is there is refused")
	}
}

// What a user holds is given back with its last subscription, however that ends.
func TestPatternsAreGivenBack(t *testing.T) {
	r := newRig(t)
	r.connect("keeps the project")
	const pattern, steps = "/topic/p/*/a", 3
	for name, end := range map[string]func(k *stubSocket){
		"unsubscribe": func(k *stubSocket) { k.send(stomp.Unsubscribe, "id", "1"); k.send(stomp.Unsubscribe, "id", "2") },
		"disconnect":  func(k *stubSocket) { k.send(stomp.Disconnect) },
		"close":       func(k *stubSocket) { r.close(k) },
		"error":       func(k *stubSocket) { k.subscribe("no slash", "3") },
		"kick":        func(k *stubSocket) { r.s.Kick(rigProject, "", []Ref{k.conn.ref()}) },
		"while it follows": func(k *stubSocket) {
			k.buffered = 1
			r.push("/topic/p/x/a", 10)
			r.run()
			r.close(k)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r.t = t
			k, other := r.connect("ann"), r.connect("ann")
			k.subscribe(pattern, "1")
			k.subscribe(pattern, "2")
			other.subscribe(pattern, "1")
			r.wantShare("ann", steps) // once
			end(k)
			r.wantShare("ann", steps)
			end(other)
			r.wantShare("ann", 0)
			if p := r.s.projects[rigProject]; len(p.patterns) != 0 || p.index.Len() != 0 {
				t.Error("the pattern is still there")
			}
		})
	}
}

// A pattern that many users hold is charged to some of them only, and is charged as long as one of these is there.
func TestSharedPatternIsChargedToSome(t *testing.T) {
	r := newRig(t)
	all := r.fill(100, "/topic/p/**", sameID)
	r.wantShare("user0", 2)
	r.wantShare(fmt.Sprint("user", maxPayers-1), 2)
	r.wantShare(fmt.Sprint("user", maxPayers), 0)
	for _, k := range all[:maxPayers-1] {
		r.close(k)
	}
	r.wantShare("user0", 0)
	k := r.connect("late")
	k.subscribe("/topic/p/**", "1")
	r.wantShare("late", 2)
	k.subscribe("/topic/p/*", "2")
	r.wantShare("late", 4)
	r.close(k)
	r.wantShare("late", 0)
}

// Who has no user answers for the patterns of its address.
func TestAnonymousHolders(t *testing.T) {
	r := newRig(t)
	connect := func(address string) Holder {
		k := r.connect("")
		k.conn.address = netip.MustParseAddr(address).As16()
		return r.s.holder(k.conn)
	}
	a := connect("10.0.0.1")
	if connect("10.0.0.1") != a || connect("10.0.0.2") == a || connect("::ffff:10.0.0.1") != a {
		t.Error("IPv4")
	}
	b := connect("2001:db8::1")
	if connect("2001:db8::2") != b || connect("2001:db8:0:1::1") == b {
		t.Error("IPv6")
	}
	if c := connect("::"); connect("::") == c || connect("::1") == c {
		t.Error("sessions without an address answer for each other")
	}
}

// What a reload takes away stands where it is, and is given back when it ends.
func TestPatternsOverAReload(t *testing.T) {
	r := newRig(t)
	k := r.connect("ann")
	k.subscribe("/topic/p/*", "1")
	without := *r.settings
	without.Patterns = false
	r.s.SetProject(&without)
	e := r.push("/topic/p/x", 10)
	e.Need()
	r.run()
	r.wantShare("ann", 2)
	if got := r.s.stats.Deliveries.Load(); got != 1 {
		t.Errorf("%d deliveries to what was subscribed before", got)
	}
	k.subscribe("/topic/p/**", "2")
	if k.conn.sess.Phase != session.Closing {
		t.Error("a pattern is accepted")
	}
	r.s.SetProject(r.settings)
	k = r.connect("ann")
	k.subscribe("/topic/p/*", "1")
	r.wantShare("ann", 2)
	r.s.RemoveProject(rigProject)
	r.s.SetProject(r.settings)
	k = r.connect("ann")
	r.wantShare("ann", 0)
	k.subscribe("/topic/p/*", "1")
	r.wantShare("ann", 2)
}

// A push goes to the logs of the patterns in an order that does not depend on who came first.
func TestPatternsOrder(t *testing.T) {
	patterns := []string{"/topic/p/*", "/topic/p/**", "/topic/**/x", "/topic/?/x", "/topic/p/x*", "/topic/*/*"}
	var orders []string
	for _, step := range []int{1, 5} {
		r := newRig(t)
		k := r.connect("ann")
		k.keep = true
		for i := range patterns {
			p := patterns[i*step%len(patterns)]
			k.subscribe(p, p)
		}
		r.push("/topic/p/x", 1)
		r.run()
		var order []string
		for part := range strings.SplitSeq(string(k.kept), "subscription:") {
			id, _, _ := strings.Cut(part, "\n")
			order = append(order, id)
		}
		orders = append(orders, strings.Join(order[1:], " "))
	}
	if orders[0] != orders[1] || strings.Count(orders[0], " ") != len(patterns)-1 {
		t.Errorf("orders %q", orders)
	}
}

// TestRouteAllocates: finding who gets a push allocates nothing, whatever the patterns are.
func TestRouteAllocates(t *testing.T) {
	r := newRig(t)
	for user := range 10 {
		r.hold(fmt.Sprint("user", user), 100, func(i int) string { return attack(user*100 + i) })
	}
	e := r.push(attacked, 10)
	r.run()
	if n := testing.AllocsPerRun(20, func() { r.again(e) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// The logs of many patterns keep no more for silent clients than those of a few: who falls out meets the policy, and what
// is counted is counted off again.
func TestReferencesOfPatternsAreBounded(t *testing.T) {
	r := newRig(t, func(s *Settings) { s.Slow = DropOldest })
	r.s.conf.Limits.PatternSteps, r.s.conf.Limits.UserPatternSteps = 1<<20, 1<<20
	const patterns = 64
	var all []*stubSocket
	for i := range patterns {
		k := r.connect("silent")
		k.subscribe("/topic/"+strings.Repeat("a", i)+"*", "sub-0")
		k.buffered = 1
		all = append(all, k)
	}
	const many = 2 * mostReferences / patterns
	for range many {
		r.push("/topic/"+strings.Repeat("a", patterns), 10)
		r.run()
	}
	p := r.s.projects[rigProject]
	if n := p.references; n > mostReferences+patterns || n < mostReferences*9/10 {
		t.Errorf("%d references, %d are allowed", n, mostReferences)
	}
	k := all[0]
	k.buffered, k.keep, k.kept = 0, true, nil
	for range 2000 {
		r.tick()
	}
	if m := droppedLine.FindSubmatch(k.kept); m == nil || string(m[1]) != fmt.Sprint(many-mostReferences/patterns) {
		t.Errorf("the first MESSAGE says %q", m)
	}
	if n := bytes.Count(k.kept, []byte("MESSAGE\n")); n != mostReferences/patterns {
		t.Errorf("%d came", n)
	}
	for _, k := range all {
		r.close(k)
	}
	if p.references != 0 {
		t.Errorf("%d references at the end", p.references)
	}
}
