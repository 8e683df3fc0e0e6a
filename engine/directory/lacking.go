package directory

import (
	"math"
	"time"
)

// A node that was added, or started again, holds less than its share of the clients. Of two random nodes it would be one so
// rarely, among many, that it filled only with the clients that there are anew, and whoever moves clients to it would move a
// hundred others in vain. So a node that clearly lacks clients is favoured: it is found more often. That must be no stampede:
// each view knows only whom it sent there itself, beats tell the rest a second later, and at any moment a hundred thousand
// may come. So a view begins with its part of what the node is to get, and doubles that from beat to beat.
const (
	// clearly is the part of its share that a node lacks at least. Less may be chance.
	clearly = 0.05
	// mostLacking is the part of the choices that such nodes get together.
	mostLacking = 0.9
	// FillRate is how many clients a second one of them gets on purpose.
	FillRate = acceptRate / 2
	// unseen is for how long clients may have been sent to a node before all views know of them.
	unseen = 2.0 // seconds
)

// arrivals is the rate at which clients come, of the whole cluster, as far as a view can tell.
type arrivals struct {
	at    time.Time
	given uint64
	own   float64 // a second, that this view sends
}

// rate is what the view itself sends, what nodes say, or what is to be expected after a death, whichever is most.
func (v *View) rate(now time.Time) float64 {
	a, c := &v.arrivals, &v.choice
	if passed := now.Sub(a.at); passed >= tableTime || passed < 0 {
		if passed > 0 && !a.at.IsZero() {
			a.own = float64(c.given-a.given) / passed.Seconds()
		}
		a.at, a.given = now, c.given
	}
	opening := 0.0
	for _, e := range c.tables[good].nodes {
		opening += float64(e.beat.Opening)
	}
	expected := 0.0
	if v.spread.at(now) > 0 {
		expected = float64(acceptRate * v.spread.takers)
	}
	return max(a.own, opening, expected)
}

// allowed is how many clients a view sends to e before its next beat, while e is favoured among so many nodes and lacks so many
// clients. There are about as many views as nodes, or few of them, in registries.
func (e *entry) allowed(lacks float64, nodes int) int64 {
	return min(int64(lacks), max(1, min(FillRate, int64(lacks))/int64(nodes), 2*e.handedBefore))
}

// lacks is how many clients e has below its share of them, when all have `full` of their capacity in use; 0 when that may be chance.
func (e *entry) lacks(full float64) float64 {
	share := full * float64(e.beat.Capacity)
	if d := share - float64(e.load()); d > clearly*share {
		return d
	}
	return 0
}

// favour changes the weights of nodes that lack clients, which come at this rate. A choice takes the less full one of two
// nodes, so these get it whenever they are one of the two.
func (t *table) favour(rate float64) {
	load, capacity := int64(0), int64(0)
	for _, e := range t.nodes {
		load, capacity = load+e.load(), capacity+e.beat.Capacity
	}
	if load == 0 {
		return
	}
	full := float64(load) / float64(capacity)
	lacking, others := 0.0, 0.0
	for _, e := range t.nodes {
		e.favour = 0
		d := e.lacks(full)
		if most := e.allowed(d, len(t.nodes)); d > 0 && e.handed < most {
			e.favour = most
			lacking += d
			continue
		}
		others += e.free()
	}
	if lacking == 0 || others == 0 {
		return
	}
	// of says how large a part of the choices a node gets.
	of := func(d float64) float64 {
		return min(mostLacking*d/lacking, d/max(1, rate*unseen), FillRate/max(1, rate))
	}
	all := 0.0
	for _, e := range t.nodes {
		if e.favour > 0 {
			all += of(e.lacks(full))
		}
	}
	once := 1 - math.Sqrt(1-all) // in each of two tries
	sum := int64(0)
	for i, e := range t.nodes {
		weight := e.free()
		if e.favour > 0 {
			weight = max(weight, others*once*of(e.lacks(full))/all/(1-once))
		}
		sum += max(1, int64(weight))
		t.upTo[i] = sum
	}
}

// free is how many more clients e takes, as far as the view knows, at least one.
func (e *entry) free() float64 { return float64(max(1, e.beat.Capacity-e.load())) }
