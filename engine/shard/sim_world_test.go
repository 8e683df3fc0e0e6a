package shard

import (
	"container/heap"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"
)

// Simulated time.
const (
	microsecond = int64(time.Microsecond)
	millisecond = int64(time.Millisecond)
	second      = int64(time.Second)
)

// simWall is the wall clock when the simulation begins.
var simWall = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// world is the whole state of a simulation.
type world struct {
	profile profile
	chances *rand.PCG // behind rng
	rng     *rand.Rand
	seed    uint64 // of the random decisions at the moment

	now    int64
	queue  eventQueue
	serial int

	topics  []*simTopic
	nodes   []*simNode
	clients []*simClient

	senders map[string]*simLink // of SENDs, by body
	aborted []aborted

	calm     bool // no more faults
	over     bool // no more connects
	panics   int  // injected and not yet reported
	pushed   int
	received int
	visits   visits

	err   error
	kind  string // of err
	trace []string
}

func newWorld(p *profile) *world {
	w := &world{profile: *p, chances: rand.NewPCG(0, 0), senders: map[string]*simLink{}}
	w.rng = rand.New(w.chances)
	w.favour(p.Seed, byWorld)
	for i := range p.Projects {
		w.topics = append(w.topics, newTopic(w, i))
	}
	for i := range p.Nodes {
		w.nodes = append(w.nodes, newNode(w, i))
	}
	return w
}

// Sources of random decisions. Each is seeded anew with each operation, so that what one draws changes nothing for the others.
const (
	byWorld uint64 = iota
	byTime
	byOp
	byClient
	byShard = 10_000
	byNode  = 20_000
)

// favour seeds one of the sources above.
func (w *world) favour(seed, whose uint64) {
	w.seed = seed
	w.chances.Seed(seed, whose)
}

// play runs a schedule, then ends all faults and checks the final state.
func (s *schedule) play() (out *played) {
	w := newWorld(&s.world)
	out = &played{applied: make([]bool, len(s.ops))}
	func() {
		defer func() {
			if reason := recover(); reason != nil {
				w.failf("panic: %v\n%s", reason, debug.Stack())
				w.kind = fmt.Sprint("panic: ", reason)
			}
		}()
		for i := range s.ops {
			if out.at = i; w.err == nil {
				out.applied[i] = w.step(&s.ops[i])
			}
		}
		if w.err == nil {
			out.at = len(s.ops)
			w.conclude()
		}
	}()
	out.err, out.kind, out.now, out.got, out.last, out.trace, out.visits = w.err, w.kind, w.now, w.received, w.rng.Uint64(), w.trace, w.visits
	return out
}

// step applies one operation and its consequences.
func (w *world) step(o *op) (applied bool) {
	w.favour(uint64(o.Seed), byTime)
	w.pass(int64(o.After))
	w.favour(uint64(o.Seed), byOp)
	if w.err == nil {
		applied = simOps[o.Do].do(w, o)
	}
	if !o.And {
		w.pump()
	}
	return applied
}

// pass advances the time, and runs what becomes due.
func (w *world) pass(d int64) {
	end := w.now + d
	for w.queue.Len() > 0 && w.queue[0].at <= end && w.err == nil {
		ev := heap.Pop(&w.queue).(event)
		w.now = max(w.now, ev.at)
		ev.do()
	}
	w.now = max(w.now, end)
}

// after schedules do.
func (w *world) after(d int64, do func()) {
	w.serial++
	heap.Push(&w.queue, event{w.now + d, w.serial, do})
}

// pump lets clients and shards progress, each by a random amount.
func (w *world) pump() {
	first := w.rng.IntN(max(1, len(w.clients)))
	for i := range w.clients {
		c := w.clients[(i+first)%len(w.clients)]
		w.favour(w.seed, byClient+uint64(c.number))
		c.pump()
	}
	for _, n := range w.nodes {
		for i, sh := range n.shards {
			w.favour(w.seed, byShard+uint64(100*n.index+i))
			if sh.woken && (w.calm || w.rng.IntN(3) > 0) {
				sh.run()
			}
		}
	}
	for _, n := range w.nodes {
		w.favour(w.seed, byNode+uint64(n.index))
		n.pump()
	}
}

func pick[T any](w *world, list []T) T { return list[w.rng.IntN(len(list))] }

func (w *world) chance(n int) bool { return w.rng.IntN(n) == 0 }

// failf records the first failure. It may be called inside a shard, which would recover a panic.
func (w *world) failf(format string, args ...any) {
	if w.err == nil {
		w.err, w.kind = fmt.Errorf(format, args...), format
		w.tracef("FAILED: %v", w.err)
	}
}

// tracef records an event.
func (w *world) tracef(format string, args ...any) {
	if *simTrace > 0 {
		w.trace = append(w.trace, fmt.Sprintf("%10.3fms ", float64(w.now)/1e6)+fmt.Sprintf(format, args...))
	}
}

// event is a scheduled call.
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
