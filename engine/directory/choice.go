package directory

import (
	"math/rand/v2"
	"slices"
	"sort"
	"time"
)

// tier is how good a node is: nodes of a tier are taken only when the better tiers have none.
type tier int

const (
	good    tier = iota
	late         // it reads pushes late
	suspect      // its lease has run out
	tiers
	none = tiers // never handed out
)

// tier of a node.
func (v *View) tier(e *entry) tier {
	b := &e.beat
	switch {
	case !e.sealed || b.State != Up || !b.Ready || b.Draining || len(b.URLs) == 0 || b.Connections >= b.Capacity:
		return none
	case !v.listed(e):
		return none
	case e.suspect:
		return suspect
	case v.o.Lateness > 0 && time.Duration(b.Late)*time.Millisecond > v.o.Lateness:
		return late
	}
	return good
}

// load is the assumed number of a node's connections: what its beat says, and the clients sent to it in the last two beats,
// which the beat may not count yet.
func (e *entry) load() int64 { return e.beat.Connections + e.handed + e.handedBefore }

// lighter reports whether e has less of its capacity in use than f.
func (e *entry) lighter(f *entry) bool {
	return float64(e.load())*float64(f.beat.Capacity) < float64(f.load())*float64(e.beat.Capacity)
}

// tableTime is how old the weights of a choice may be. Whether a node may be handed out at all is checked for each choice.
const tableTime = 100 * time.Millisecond

// choice finds nodes at random, weighted by their free capacity as it was not long ago, and by what they lack (lacking.go).
type choice struct {
	random *rand.Rand
	made   time.Time
	tables [tiers]table
	chosen []*entry // of the last choice: memory for reuse
	given  uint64   // choices, and those where there was no node
	empty  uint64
}

// table has the nodes of one tier. up to are the sums of their weights.
type table struct {
	nodes []*entry
	upTo  []int64
}

func (t *table) add(e *entry) {
	sum := int64(0)
	if n := len(t.upTo); n > 0 {
		sum = t.upTo[n-1]
	}
	t.nodes, t.upTo = append(t.nodes, e), append(t.upTo, sum+int64(e.free()))
}

// pick returns a node at random.
func (t *table) pick(r *rand.Rand) *entry {
	x := r.Int64N(t.upTo[len(t.upTo)-1])
	return t.nodes[sort.Search(len(t.upTo), func(i int) bool { return t.upTo[i] > x })]
}

// weigh rebuilds the tables.
func (v *View) weigh(now time.Time) {
	c := &v.choice
	for i := range c.tables {
		t := &c.tables[i]
		clear(t.nodes) // nodes that are gone are not kept in memory
		t.nodes, t.upTo = t.nodes[:0], t.upTo[:0]
	}
	for _, e := range v.list {
		if t := v.tier(e); t < none {
			c.tables[t].add(e)
		}
	}
	c.tables[good].favour(v.rate(now))
	c.made = now
}

// choose finds up to n nodes, the best first. The list is valid until the next call.
func (v *View) choose(n int, now time.Time) []*entry {
	c := &v.choice
	if age := now.Sub(c.made); age >= tableTime || age < 0 {
		v.weigh(now)
	}
	c.given++
	if !v.chooseAll(n) {
		v.weigh(now)
		v.chooseAll(n)
	}
	if len(c.chosen) == 0 {
		c.empty++
		return nil
	}
	first := c.chosen[0]
	if first.handed++; first.handed == first.favour {
		c.made = time.Time{} // it is no longer favoured
	}
	return c.chosen
}

// chooseAll goes from tier to tier. It returns false when it finds a node whose tier has changed.
func (v *View) chooseAll(n int) bool {
	c := &v.choice
	clear(c.chosen)
	c.chosen = c.chosen[:0]
	for t := good; t < tiers; t++ {
		if !v.chooseFrom(t, n) {
			return false
		}
	}
	return true
}

// tries is how often a choice looks for a node that it does not have yet, before it takes the next one in order.
const tries = 4

// chooseFrom adds nodes of one tier until there are n, each the better one of two at random.
func (v *View) chooseFrom(t tier, n int) bool {
	c, of := &v.choice, &v.choice.tables[t]
	for left := len(of.nodes); left > 0 && len(c.chosen) < n; left-- {
		a, b := v.another(of, nil), (*entry)(nil)
		if a != nil && left > 1 {
			b = v.another(of, a)
		}
		if a == nil {
			return true
		}
		if v.tier(a) != t || b != nil && v.tier(b) != t {
			return false
		}
		if b != nil && b.lighter(a) {
			a = b
		}
		c.chosen = append(c.chosen, a)
	}
	return true
}

// another returns a node that is neither chosen nor the one beside it.
func (v *View) another(of *table, beside *entry) *entry {
	taken := func(e *entry) bool { return e == beside || slices.Contains(v.choice.chosen, e) }
	for range tries {
		if e := of.pick(v.choice.random); !taken(e) {
			return e
		}
	}
	from := v.choice.random.IntN(len(of.nodes))
	for i := range of.nodes {
		if e := of.nodes[(from+i)%len(of.nodes)]; !taken(e) {
			return e
		}
	}
	return nil
}
