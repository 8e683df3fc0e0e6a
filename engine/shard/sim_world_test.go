package shard

import (
	"container/heap"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Simulated time.
const (
	microsecond = int64(time.Microsecond)
	millisecond = int64(time.Millisecond)
	second      = int64(time.Second)
	tickTime    = tickMillis * millisecond
)

// simWall is the wall clock when the simulation begins.
var simWall = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// world is all there is in a simulation.
type world struct {
	rng     *rand.Rand
	profile profile
	actions []weighted
	weight  int // of all actions

	now    int64
	queue  eventQueue
	serial int

	topics  []*simTopic
	nodes   []*simNode
	clients []*simClient

	senders map[string]*simLink // of SENDs, by body
	aborted []aborted

	calm     bool // nothing bad happens any more
	over     bool // nobody connects any more
	panics   int  // injected and not yet reported
	pushed   int
	received int

	err   error
	trace []string
}

// profile is what kind of world a seed makes.
type profile struct {
	Nodes, Shards, Partitions, Projects, Clients int
	Steps                                        int
	// Growth is how many partitions a topic may get later. With more than one a destination may come back to one where
	// it was before, and only who has read all of the later ones knows that it was away.
	Growth     int
	Window     int    // of ACKs, at first
	Policy     Policy // at first
	Unanswered int
	WriteCost  int64
	Tight      bool // history is too small for those who are slow
	Crowded    bool // many subscriptions to few destinations
	Faults     bool // writes fail and panic
}

func (p profile) String() string { return fmt.Sprintf("%+v", struct{ P profile }{p}.P.plain()) }

// plain is p without its String method.
func (p profile) plain() any {
	type plain profile
	return plain(p)
}

func newWorld(seed uint64) *world {
	w := &world{rng: rand.New(rand.NewPCG(seed, 0x5746)), senders: map[string]*simLink{}}
	w.profile = profile{
		Nodes:      1 + w.rng.IntN(2),
		Shards:     1 + w.rng.IntN(3),
		Partitions: 1 + w.rng.IntN(3),
		Projects:   1 + w.rng.IntN(3),
		Clients:    2 + w.rng.IntN(10),
		Steps:      300 + w.rng.IntN(900),
		Growth:     1 + w.rng.IntN(2),
		Window:     w.rng.IntN(2) * (1 + w.rng.IntN(6)),
		Policy:     Policy(w.rng.IntN(3)),
		Unanswered: 12 + w.rng.IntN(20), // all resumes of a session at once fit
		WriteCost:  6 * microsecond,
		Tight:      w.rng.IntN(3) == 0,
		Crowded:    w.rng.IntN(4) == 0,
		Faults:     w.rng.IntN(2) == 0,
	}
	if w.profile.Crowded {
		w.profile.Clients += 15
		w.profile.Nodes = 1
		w.profile.Shards = 1 + w.rng.IntN(2)
	}
	if w.profile.Crowded && w.chance(2) || w.chance(4) {
		w.profile.WriteCost = 200 * microsecond // rounds take several slices
	}
	for i := range w.profile.Projects {
		w.topics = append(w.topics, newTopic(w, i))
	}
	for i := range w.profile.Nodes {
		w.nodes = append(w.nodes, newNode(w, i))
	}
	for i := range w.profile.Clients {
		w.clients = append(w.clients, newClient(w, i))
	}
	w.chooseActions()
	return w
}

// run lets the world go wild, then calms it and looks at what is left.
func (w *world) run() {
	for range w.profile.Steps {
		w.pass(w.gap())
		w.act()
		w.pump()
		if w.err != nil {
			return
		}
	}
	w.settle()
}

// gap is how long nothing happens: mostly a moment.
func (w *world) gap() int64 {
	switch w.rng.IntN(20) {
	case 0:
		return w.rng.Int64N(400 * millisecond)
	case 1, 2, 3:
		return w.rng.Int64N(30 * millisecond)
	default:
		return w.rng.Int64N(300 * microsecond)
	}
}

// pass lets time go by, and what is due in it happen.
func (w *world) pass(d int64) {
	end := w.now + d
	for w.queue.Len() > 0 && w.queue[0].at <= end && w.err == nil {
		ev := heap.Pop(&w.queue).(event)
		w.now = max(w.now, ev.at)
		ev.do()
	}
	w.now = max(w.now, end)
}

// after has do happen later.
func (w *world) after(d int64, do func()) {
	w.serial++
	heap.Push(&w.queue, event{w.now + d, w.serial, do})
}

// pump lets clients and shards get on with what they have, each with some luck.
func (w *world) pump() {
	for i := range w.clients {
		w.clients[(i+w.serial)%len(w.clients)].pump()
	}
	for _, n := range w.nodes {
		for _, sh := range n.shards {
			if sh.woken && (w.calm || w.rng.IntN(3) > 0) {
				sh.run()
			}
		}
	}
	for _, n := range w.nodes {
		n.pump()
	}
}

func (w *world) chance(n int) bool { return w.rng.IntN(n) == 0 }

// failf notes what went wrong first. It may be called inside a shard, which would recover a panic.
func (w *world) failf(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
		w.tracef("FAILED: %v", w.err)
	}
}

// tracef notes what happened.
func (w *world) tracef(format string, args ...any) {
	if *simTrace > 0 {
		w.trace = append(w.trace, fmt.Sprintf("%10.3fms ", float64(w.now)/1e6)+fmt.Sprintf(format, args...))
	}
}

// event is something that will happen.
type event struct {
	at     int64
	serial int
	do     func()
}

type eventQueue []event

func (q eventQueue) Len() int { return len(q) }
func (q eventQueue) Less(a, b int) bool {
	return q[a].at < q[b].at || q[a].at == q[b].at && q[a].serial < q[b].serial
}
func (q eventQueue) Swap(a, b int) { q[a], q[b] = q[b], q[a] }
func (q *eventQueue) Push(e any)   { *q = append(*q, e.(event)) }
func (q *eventQueue) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = event{}
	*q = (*q)[:last]
	return e
}

var (
	errSimWrite = errors.New("simulated failure of a write")
	errSimPanic = errors.New("simulated panic")
)
