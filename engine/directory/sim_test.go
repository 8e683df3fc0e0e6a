package directory

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

var (
	simSeed    = flag.Uint64("sim.seed", 0, "play this seed of the simulation alone")
	simChoices = flag.Int("sim.choices", 1_000_000, "how many choices a seed of the simulation has")
	simSeeds   = flag.Int("sim.seeds", 1, "how many seeds of the simulation are played")
)

// simNode is a node as it is, and as its beats say that it is.
type simNode struct {
	id, url     string
	alive       bool
	life        int
	beat        Beat
	began       time.Duration
	skew        time.Duration // of its clock
	slot        int           // of the second in which it beats
	cutUntil    time.Duration // its beats do not come through
	leaveAt     time.Duration
	connections int64

	told    Beat          // the last beat that came through
	toldAt  time.Duration // 0: none
	steady  time.Duration // since when it is up, ready, not late and heard of without a break
	foreign bool          // its clock is so wrong that nobody should follow it
}

// sim plays a cluster against a view. It knows the truth, and checks each choice against what the view could know.
type sim struct {
	t      *testing.T
	r      *rand.Rand
	v      *View
	now    time.Duration
	nodes  map[string]*simNode
	list   []*simNode
	byURL  map[string]*simNode
	offset int64
	old    [][2]string // beats that were written, for who copies them
	// readable and writable are what the topic is at this time; leases are what they were when readable was true.
	readable, writable bool
	blindUntil         time.Duration // from an outage on until a full lease after it, nobody's silence counts
	choices, empty     int
	suspects           int // that were chosen, rightly
	copies             int
	widest             float64
	small              bool
}

const (
	simSlots    = 20 // of a second
	simLateness = 10 * time.Second
	simSpread   = 0.1 // between the fill of nodes that were there for a while
)

func (s *sim) fail(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("at %s: %s", s.now, fmt.Sprintf(format, args...))
}

func (s *sim) time() time.Time { return epoch.Add(s.now) }

// start begins a life of a node, of a new one or one that was there before.
func (s *sim) start(n *simNode) *simNode {
	if n == nil {
		id := fmt.Sprintf("n%d", len(s.list))
		n = &simNode{id: id, url: "wss://" + id + ".example.com/ws", slot: s.r.IntN(simSlots)}
		n.skew = time.Duration(s.r.IntN(1080)-540) * time.Second
		if s.r.IntN(100) == 0 {
			n.skew, n.foreign = time.Hour*time.Duration(2*s.r.IntN(2)-1), true
		}
		s.nodes[id], s.list, s.byURL[n.url] = n, append(s.list, n), n
	}
	n.life++
	n.alive, n.connections, n.began, n.leaveAt, n.steady = true, 0, s.now, 0, 0
	n.beat = Beat{Instance: fmt.Sprintf("%s-%d", n.id, n.life), State: Up, First: -1, Status: Status{URLs: []string{n.url}, Capacity: int64(200 + s.r.IntN(1400)), Version: "1"}}
	return n
}

// write puts a beat of a node into the topic, and has the view read it if it can.
func (s *sim) write(n *simNode) {
	if !s.writable || s.now < n.cutUntil {
		return
	}
	s.offset++
	n.beat.Sent, n.beat.At = max(n.beat.Sent+1, (s.now-n.began).Milliseconds()), s.time().Add(n.skew).UnixMilli()
	n.beat.Connections = n.connections
	n.beat.Ready = s.now-n.began >= 3*time.Second
	value := Encode(n.beat, n.id, testKey)
	if n.beat.First < 0 {
		n.beat.First = s.offset
	}
	if !s.readable { // it is compacted away before anybody can read it
		return
	}
	if s.r.IntN(50) == 0 || s.small {
		s.old = append(s.old, [2]string{n.id, string(value)})
	}
	if _, _, why := s.v.Hear(n.id, value, true, s.time()); why == Followed {
		if n.foreign {
			s.fail("a beat of %s was followed, whose clock is off by %s", n.id, n.skew)
		}
		var b Beat
		_ = json.Unmarshal(value, &b)
		n.told, n.toldAt = b, s.now
		if b.Ready && !b.Draining && b.State == Up && b.Late == 0 {
			if n.steady == 0 {
				n.steady = s.now
			}
		} else {
			n.steady = 0
		}
	} else if !n.foreign && why != Unplaced {
		s.fail("a beat of %s was not followed: %s", n.id, why)
	}
}

// attack writes what somebody can write who has no key.
func (s *sim) attack() {
	if !s.readable || len(s.list) == 0 {
		return
	}
	n := s.list[s.r.IntN(len(s.list))]
	evil := Beat{Instance: "evil", State: Up, First: s.offset, Sent: 1, Ready: true, At: s.time().UnixMilli(), Status: Status{URLs: []string{"wss://evil.example.com/ws"}, Capacity: maxCount}}
	id, value := n.id, []byte(nil)
	switch s.r.IntN(5) {
	case 0:
		value = Encode(evil, id, []byte("a key that is as long as the cluster's own"))
	case 1:
		value, _ = json.Marshal(evil)
	case 2: // somebody else's, under another name
		id, value = fmt.Sprintf("evil-%d", s.r.IntN(5)), Encode(n.beat, n.id, testKey)
	case 3:
		value = Encode(n.beat, n.id, testKey)
		at := strings.Index(string(value), n.url[:10])
		value[at+6+s.r.IntN(3)]++
	case 4: // copies are what makes the difference
		if len(s.old) > 0 {
			one := s.old[s.r.IntN(len(s.old))]
			id, value = one[0], []byte(one[1])
			s.copies++
		}
	}
	if value == nil {
		return
	}
	if _, _, why := s.v.Hear(id, value, true, s.time()); why == Followed {
		s.fail("followed %s, written by who has no key: %s", id, value)
	}
}

// events of one second.
func (s *sim) events(second int) {
	any := func() *simNode { return s.list[s.r.IntN(len(s.list))] }
	times := 1 + len(s.list)/200
	for range times {
		switch n := any(); s.r.IntN(8) {
		case 0:
			s.start(nil)
		case 1: // dies, silently
			n.alive, n.connections = false, 0
		case 2:
			if !n.alive && s.now-n.began > 5*time.Second {
				s.start(n)
			}
		case 3:
			n.cutUntil = s.now + time.Duration(s.r.IntN(30))*time.Second
		case 4:
			if n.alive && n.leaveAt == 0 {
				n.beat.Draining, n.leaveAt = true, s.now+time.Duration(1+s.r.IntN(20))*time.Second
			}
		case 5:
			n.beat.Late = int64(s.r.IntN(60_000))
		case 6:
			n.beat.Late = 0
		case 7:
			n.beat.Draining, n.leaveAt = false, 0 // a drain that was called off
		}
	}
	for _, n := range s.list {
		if n.alive && n.leaveAt > 0 && s.now >= n.leaveAt {
			n.beat.State, n.beat.Draining = Left, s.r.IntN(2) == 0
			s.write(n)
			n.alive, n.connections = false, 0
		}
		if n.alive && n.connections > 0 { // clients that go by themselves
			n.connections -= int64(s.r.IntN(1 + int(n.connections/100)))
		}
	}
	switch phase := second % 200; phase {
	case 40:
		s.readable = false
	case 60:
		s.readable = true
	case 75:
		s.writable = false
	case 87:
		s.writable = true
	}
	if !s.readable || !s.writable {
		s.blindUntil = s.now + 10*time.Second
		for _, n := range s.list {
			n.steady = 0
		}
	}
}

// known is what the view can know of a node: suspects have been silent for longer than any lease, healthy ones were heard just
// now.
func (s *sim) known(n *simNode) (never, isSuspect, healthy bool) {
	b := &n.told
	never = n.toldAt == 0 || b.Draining || b.State == Left || !b.Ready || b.Connections >= b.Capacity
	silent := s.now - n.toldAt
	isSuspect = silent > leaveGrace && s.now > s.blindUntil
	healthy = !never && silent < 2*time.Second && b.Late == 0
	return never, isSuspect, healthy
}

// leaveGrace is more than a lease, with what the clock of leases may be behind.
const leaveGrace = leaseTime + 3*time.Second

func (s *sim) choose(dst []byte) []byte {
	s.choices++
	n := 1 + s.r.IntN(3)
	body, ok := s.v.Answer(dst[:0], n, s.time())
	if !ok {
		s.empty++
		return dst
	}
	first, rest := true, string(body[len(`{"endpoints":["`):])
	rest, _, _ = strings.Cut(rest, `"]`)
	sawSuspect := false
	for url := range strings.SplitSeq(rest, `","`) {
		node := s.byURL[url]
		if node == nil {
			s.fail("clients are sent to %s", url)
		}
		never, isSuspect, healthy := s.known(node)
		switch {
		case never:
			s.fail("%s is handed out, which said %+v", node.id, node.told)
		case healthy && sawSuspect:
			s.fail("%s comes after a suspect", node.id)
		case isSuspect:
			if !sawSuspect {
				s.suspects++
				s.noHealthyBut(rest)
			}
			sawSuspect = true
		}
		if first && node.alive {
			if node.connections < node.beat.Capacity {
				node.connections++
			}
			first = false
		}
	}
	return body
}

// noHealthyBut checks, where a suspect is handed out, that all healthy nodes are before it.
func (s *sim) noHealthyBut(answer string) {
	for _, n := range s.list {
		if _, _, healthy := s.known(n); healthy && s.now-n.toldAt > time.Second && !strings.Contains(answer, n.url) {
			s.fail("a suspect is handed out, and %s is not, which is healthy: %s", n.id, answer)
		}
	}
}

// balance checks how full the nodes are that have taken clients for a while.
func (s *sim) balance() {
	least, most, count := 2.0, -1.0, 0
	for _, n := range s.list {
		if n.alive && n.steady > 0 && s.now-n.steady > time.Minute && s.now > n.cutUntil {
			full := float64(n.connections) / float64(n.beat.Capacity)
			least, most, count = min(least, full), max(most, full), count+1
		}
	}
	if count < 2 {
		return
	}
	s.widest = max(s.widest, most-least)
}

func playSim(t *testing.T, seed uint64, nodes, choices int) {
	s := &sim{t: t, r: rand.New(rand.NewPCG(seed, 1)), nodes: map[string]*simNode{}, byURL: map[string]*simNode{}, readable: true, writable: true, small: nodes < 100,
		v: New(Options{Key: testKey, Lateness: simLateness, Seed: seed})}
	for range nodes {
		s.start(nil)
	}
	seconds := min(choices/5000, 400)
	each := choices / (seconds - 4) / simSlots
	if s.small {
		each = 10
	}
	var dst []byte
	for second := range seconds {
		s.events(second)
		for slot := range simSlots {
			s.now += time.Second / simSlots
			for _, n := range s.list {
				if n.alive && n.slot == slot {
					s.write(n)
				}
			}
			if s.readable && slot%10 == 0 {
				s.v.Proven(s.time())
			}
			for range 2 {
				s.attack()
			}
			if second < 4 { // nobody is ready yet
				continue
			}
			for range each {
				dst = s.choose(dst)
			}
		}
		if second%200 == 190 {
			s.balance()
		}
	}
	t.Logf("seed %d: %d nodes, %d choices, %d without a node, %d suspects when there was nobody else, %d copies, nodes' fill differs by up to %.3f, ignored %v",
		seed, len(s.list), s.choices, s.empty, s.suspects, s.copies, s.widest, s.v.Counts().Ignored)
	if !s.small && (s.empty > 0 || s.widest > simSpread) {
		t.Errorf("%d choices found no node, and the fill of nodes differs by %.3f", s.empty, s.widest)
	}
	if s.small && s.suspects == 0 && seed == 5 {
		t.Error("no suspect was ever needed: the simulation does not show what it is for")
	}
}

// TestSimulation: nodes join, die, lag, are cut off, drain, and have clocks that are apart, while somebody without the key writes
// to the topic what he can. Never is a draining node handed out, nor one that he wrote; suspects come last; the load is even.
//
//	go test ./engine/directory -run Simulation -v -sim.seeds 20
func TestSimulation(t *testing.T) {
	seeds, first := *simSeeds, uint64(1)
	if *simSeed > 0 {
		seeds, first = 1, *simSeed
	}
	for i := range seeds {
		seed := first + uint64(i)
		t.Run(fmt.Sprintf("seed %d, a thousand nodes", seed), func(t *testing.T) { playSim(t, seed, 1000, *simChoices) })
		for few := range uint64(5) {
			t.Run(fmt.Sprintf("seed %d, a few nodes", 5*seed+few), func(t *testing.T) { playSim(t, 5*seed+few, 4, 1_000_000) })
		}
	}
}
