package directory

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Options of a View.
type Options struct {
	// Key is the cluster's: only nodes whose beats are sealed with it are handed out. Without a key none is.
	Key []byte
	// Self is the id of the node that has this view; empty for a registry.
	Self string
	// Lateness is how late a node may read pushes before it is handed out only after others; 0: no limit.
	Lateness time.Duration
	// Seed of the random choices.
	Seed uint64
}

// Bounds of a View. Nodes without a seal have few places, so that nobody without the key can take those of the others.
const (
	maxNodes    = 10_000
	maxUnsealed = 1_000
)

// Ignored is why a beat was not followed.
type Ignored int

const (
	Followed  Ignored = iota
	TooLarge          // longer than MaxBeatBytes
	Malformed         // not a beat, or of a node with an invalid id
	Unsealed          // it has no MAC: the node is listed, and never handed out
	Forged            // its MAC is wrong
	Replayed          // an older one, or the same again
	Untimely          // its time is too far from this host's
	Unplaced          // one of the first of its instance, which have no order: the next one has
	Crowded           // there are too many nodes
	reasons
)

var ignoredNames = [reasons]string{"", "too_large", "malformed", "unsealed", "forged", "replayed", "untimely", "unplaced", "crowded"}

// String is the name in metrics.
func (i Ignored) String() string { return ignoredNames[i] }

// View is the live view of all nodes.
type View struct {
	o Options

	mu       sync.Mutex
	nodes    map[string]*entry
	list     []*entry // the same, in an order that depends only on the beats
	unsealed int      // of them
	ignored  [reasons]uint64
	lease    lease
	choice   choice
	arrivals arrivals
	spread   spread
}

// entry is one node.
type entry struct {
	id     string
	beat   Beat
	sealed bool
	said   time.Time     // when the last beat was made, or later: what was proven when it came
	came   time.Time     // when it came
	heard  time.Duration // the same by the clock of leases
	// quiet: it has missed two beats, and its clients count as orphans. suspect: its lease has run out.
	quiet, suspect bool
	orphaned       time.Duration // what its clients, as orphans, added to the spread

	handed, handedBefore int64 // since its last beat, and between the two before
	favour               int64 // until so many were handed out it is favoured; 0: it is not
}

// New returns a view of no nodes.
func New(o Options) *View {
	return &View{
		o: o, nodes: map[string]*entry{},
		choice: choice{random: rand.New(rand.NewPCG(o.Seed, o.Seed^0x9e3779b97f4a7c15))},
	}
}

// Hear takes a beat that was read from the topic. live means that the topic had been read to its end before, so that the
// beat is recent. It returns the beat, whether it is sealed with the cluster's key, and why the view does not follow it.
func (v *View) Hear(node string, value []byte, live bool, now time.Time) (b Beat, trusted bool, why Ignored) {
	b, trusted, why = v.read(node, value, now)
	v.mu.Lock()
	defer v.mu.Unlock()
	if why == Followed || why == Unsealed {
		if not := v.follow(node, &b, trusted, live, now); not != Followed {
			why = not
		}
	}
	v.ignored[why]++
	return b, trusted, why
}

// read decodes a beat, and checks what can be checked without knowing the node. Unsealed beats are read too, without the
// fields that only sealed ones may have.
func (v *View) read(node string, value []byte, now time.Time) (b Beat, sealedWell bool, why Ignored) {
	switch {
	case len(value) > MaxBeatBytes:
		return b, false, TooLarge
	case !ValidID(node):
		return b, false, Malformed
	}
	how := unsealed
	if len(v.o.Key) > 0 {
		how = check(v.o.Key, node, value)
	}
	if how == broken {
		return b, false, Forged
	}
	b, err := decode(value)
	switch {
	case err != nil:
		return b, false, Malformed
	case how == unsealed:
		b.URLs, b.API, b.Draining = nil, "", false
		return b, false, Unsealed
	case !b.timely(now):
		return b, true, Untimely
	}
	return b, true, Followed
}

// follow updates the view with a beat.
func (v *View) follow(node string, b *Beat, sealed, live bool, now time.Time) Ignored {
	if b.First < 0 {
		return Unplaced
	}
	e := v.nodes[node]
	switch {
	case e == nil:
		if !v.room(sealed) {
			return Crowded
		}
		e = &entry{id: node, heard: v.lease.clock - leaseTime - 1, quiet: true, suspect: true}
		v.add(e, sealed)
	case e.sealed && !sealed:
		return Unsealed // an unsealed beat cannot change a node with the key
	case !e.sealed && sealed:
		v.unsealed--
	case !e.newer(b):
		return Replayed
	case e.beat.Instance != b.Instance:
		if e.beat.State == Up { // it ended silently, and came back without its clients
			v.orphaned(e, now)
		}
		e.orphaned = 0
	}
	v.returned(e, live, now)
	e.handed, e.handedBefore = 0, e.uncounted(b)
	e.beat, e.sealed = *b, sealed
	return Followed
}

// uncounted is how many of the clients that were sent to e since its last beat may not be in its new one: those of the last
// second. After an outage it has counted nearly all.
func (e *entry) uncounted(b *Beat) int64 {
	passed := b.Sent - e.beat.Sent
	if b.Instance != e.beat.Instance || passed <= beatMillis {
		return e.handed
	}
	return e.handed * beatMillis / passed
}

// beatMillis is the time between two beats.
const beatMillis = 1000

// room reports whether there is a place for one more node. A sealed one may take the place of an unsealed one.
func (v *View) room(sealed bool) bool {
	if !sealed {
		return len(v.nodes) < maxNodes && (v.unsealed < maxUnsealed || len(v.o.Key) == 0)
	}
	if len(v.nodes) < maxNodes {
		return true
	}
	i := slices.IndexFunc(v.list, func(e *entry) bool { return !e.sealed })
	if i >= 0 {
		v.forget(i)
	}
	return i >= 0
}

func (v *View) add(e *entry, sealed bool) {
	e.sealed = sealed
	v.nodes[e.id], v.list = e, append(v.list, e)
	if !sealed {
		v.unsealed++
	}
}

// forget removes the node at place i of the list, and moves the last one there.
func (v *View) forget(i int) {
	e, last := v.list[i], len(v.list)-1
	delete(v.nodes, e.id)
	if !e.sealed {
		v.unsealed--
	}
	v.list[i], v.list[last] = v.list[last], nil
	v.list = v.list[:last]
}

// Own takes the node's own beat when no bus carries it to others.
func (v *View) Own(b Beat, now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	e := v.nodes[v.o.Self]
	if e == nil {
		e = &entry{id: v.o.Self}
		v.add(e, true)
	}
	e.beat = b
	e.handed, e.handedBefore = 0, e.handed
	v.returned(e, true, now)
	v.proven(now)
}
