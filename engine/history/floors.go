package history

import (
	"sort"

	"stentor/engine/bus"
)

// floors are the chains that have one, the one raised last at the end: places in order of what was evicted. A chain whose
// floor was raised leaves its old place empty. When most are empty the others close up, a few with each push: all at once
// would take milliseconds, while loops wait for the lock.
type floors struct {
	places []floorPlace
	live   int
	gap    int // from where to where they have closed up; nothing lies between
	behind int
}

type floorPlace struct {
	seq   uint64 // floorSeq of the chain, while this is its place
	chain *chain
}

func (p floorPlace) taken() bool { return p.chain.floorSeq == p.seq }

func (f *floors) len() int { return len(f.places) - (f.behind - f.gap) }

// at is place i; the oldest is 0.
func (f *floors) at(i int) floorPlace {
	if i >= f.gap {
		i += f.behind - f.gap
	}
	return f.places[i]
}

// from is the index of the first place with a number not below seq.
func (f *floors) from(seq uint64) int {
	return sort.Search(f.len(), func(i int) bool { return f.at(i).seq >= seq })
}

func (f *floors) push(c *chain) {
	f.places = append(f.places, floorPlace{c.floorSeq, c})
	if f.behind > 0 || f.len() > 2*f.live+64 {
		f.closeUp()
	}
}

// closing is how many places are checked with each push.
const closing = 4

func (f *floors) closeUp() {
	for range closing {
		if f.behind == len(f.places) {
			f.places, f.gap, f.behind = f.places[:f.gap], 0, 0
			return
		}
		p := f.places[f.behind]
		f.places[f.behind] = floorPlace{}
		f.behind++
		if p.taken() {
			f.places[f.gap] = p
			f.gap++
		}
	}
}

// pop takes the oldest place out.
func (f *floors) pop() (p floorPlace) {
	first := 0
	if f.gap == 0 {
		first = f.behind
	}
	p = f.places[first]
	f.places[first] = floorPlace{}
	f.places = f.places[first+1:]
	f.gap, f.behind = max(0, f.gap-1), max(0, f.behind-first-1)
	return p
}

// raise notes that the push at offset, with number seq in the Log, is evicted: it was the oldest of c.
func (l *Log) raise(c *chain, offset int64, seq uint64) {
	p := l.partitions[c.partition]
	if c.topic() {
		p.gone = max(p.gone, offset) // a partition may have stepped back
	}
	if c.floorSeq == 0 {
		c.floor = -1
		l.floors.live++
		l.bytes.Add(floorCost)
	}
	c.floor = max(c.floor, offset)
	c.floorSeq = seq + 1
	l.floors.push(c)
}

// forgetFloors keeps the floors of quiet chains within a quarter of Bounds.Bytes: the oldest go first, and their partition
// remembers up to where some are missing.
func (l *Log) forgetFloors() {
	for l.quiet > l.bounds.Bytes/4 && l.floors.len() > 0 {
		place := l.floors.pop()
		if !place.taken() {
			continue
		}
		c := place.chain
		newest := l.forgottenOf(c)
		*newest = max(*newest, c.floor)
		c.floorSeq = 0
		l.forgotten.Add(1)
		l.floors.live--
		l.bytes.Add(-floorCost)
		if c.quiet() {
			l.quiet -= c.size()
			l.drop(c)
		}
	}
}

// lost is the newest offset of floors that were forgotten in a partition.
type lost struct {
	home   int64 // of destinations whose pushes belong there
	strays int64 // of those that belong elsewhere, or did not belong there always
	users  int64
}

// topics is the newest of all destinations.
func (o *lost) topics() int64 { return max(o.home, o.strays) }

// forgottenOf is where c's floor counts when it is forgotten.
func (l *Log) forgottenOf(c *chain) *int64 {
	o := &l.partitions[c.partition].lost
	switch {
	case !c.topic():
		return &o.users
	case bus.Home(c.key, len(l.partitions)) == c.partition:
		return &o.home
	default:
		return &o.strays
	}
}

// strayLost makes what was forgotten so far count for all destinations.
func (l *Log) strayLost() {
	for _, p := range l.partitions {
		p.lost.strays = p.lost.topics()
	}
}
