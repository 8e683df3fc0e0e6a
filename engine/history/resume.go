package history

import (
	"cmp"
	"slices"
	"strings"

	"stentor/engine/bus"
)

// Matcher is a pattern.
type Matcher interface{ Match(destination string) bool }

// Wanted selects pushes: those of one chain (a destination, or UserKey), or with Match those of all destinations that
// it accepts.
type Wanted struct {
	Chain string
	Match Matcher
}

// mayBeIn reports whether a partition of n may have pushes that are wanted. All those to a destination are in one, but
// not always in the same: it may be another since the topic has more partitions, so that a client which names only the
// old one has to be told. What a pattern matches is in any, and what a user gets in that of the user and in those of
// pushes to sessions.
func (w *Wanted) mayBeIn(partition int32, n int) bool {
	return w.Match != nil || strings.HasPrefix(w.Chain, userMark) || bus.Home(w.Chain, n) == partition
}

// lostIn is the newest offset in a partition of n of forgotten floors that may have been of what is wanted.
func (w *Wanted) lostIn(p *partition, number int32, n int) int64 {
	switch {
	case w.Match == nil && strings.HasPrefix(w.Chain, userMark):
		return p.lost.users
	case p.lost.home <= p.lost.strays || w.mayBeIn(number, n):
		return p.lost.topics()
	default:
		return p.lost.strays
	}
}

// Answer is a Log's answer to a resume.
type Answer uint8

const (
	// Unsure is not an answer yet: Resume must be called again.
	Unsure Answer = iota
	// Whole means that all that the client has not seen is here.
	Whole
	// Gap means that some of it may be gone: another epoch, an evicted push, or a partition that the client did not name
	// and that had some.
	Gap
)

// Resume is a search for what a client has missed, in steps. One shard owns it.
type Resume struct {
	seen positions
	walk *walk // of a pattern, when one step was not enough
}

// walk is how far a search has come: the floors with numbers in [low, high) have been scanned, none of which is above the
// client's position, and no floor below low is in one of the partitions passed.
type walk struct {
	low, high uint64
	passed    []int32
}

// NewResume begins the search of a client that names these positions. It keeps seen and changes its order.
func NewResume(seen []bus.Position) Resume {
	slices.SortStableFunc(seen, func(a, b bus.Position) int { return cmp.Compare(a.Partition, b.Partition) })
	last := seen[:0]
	for i, p := range seen { // of two in one partition the last counts
		if i+1 == len(seen) || seen[i+1].Partition != p.Partition {
			last = append(last, p)
		}
	}
	return Resume{seen: last}
}

// Seen is what the client has, in order of its partitions.
func (r *Resume) Seen() []bus.Position { return r.seen }

// Resume scans Looks floors at most. Its answer holds for this moment. When it is Whole, the cursor has, in bus order, all
// that the asking shard has taken and the client has not seen: applied is how far the shard is in each partition, and taken
// the number behind the last push that it has taken.
func (l *Log) Resume(w Wanted, r *Resume, applied map[int32]bus.Position, taken uint64) (Cursor, Answer) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, p := range r.seen {
		at, ok := applied[p.Partition]
		known := l.partitions[p.Partition]
		if known == nil || !ok || known.begin.Epoch != p.Epoch || at.Epoch != p.Epoch {
			return Cursor{}, Gap
		}
	}
	for n, p := range l.partitions {
		if l.begunLater(w, r, n, p) {
			return Cursor{}, Gap
		}
	}
	if w.Match == nil {
		return l.resumeChain(w, r, taken)
	}
	return l.resumePattern(w, r, applied, taken)
}

// begunLater reports whether something wanted may have been in a partition before this node read it, or before the
// partition stepped back.
func (l *Log) begunLater(w Wanted, r *Resume, n int32, p *partition) bool {
	seenTo, named := r.seen.in(n)
	if !named {
		return p.begin.Offset > 0 && w.mayBeIn(n, len(l.partitions))
	}
	return seenTo < p.begin.Offset-1 || p.former >= 0 && seenTo <= p.former
}

// resumeChain takes as long as the chain has partitions, and a search in each.
func (l *Log) resumeChain(w Wanted, r *Resume, taken uint64) (Cursor, Answer) {
	head := l.chains[w.Chain]
	for n, p := range l.partitions {
		lost := w.lostIn(p, n, len(l.partitions))
		if seenTo, named := r.seen.in(n); lost >= 0 && (!named || seenTo < lost) && !head.remembers(n) {
			return Cursor{}, Gap
		}
	}
	c := Cursor{taken: taken}
	for at := head; at != nil; at = at.sibling {
		seenTo, named := r.seen.in(at.partition)
		if at.floorSeq > 0 && (!named || seenTo < at.floor) {
			return Cursor{}, Gap
		}
		if !named { // of a partition that came after the client left, the shard may have taken nothing yet
			if at.first < at.from(taken) {
				return Cursor{}, Gap
			}
			continue
		}
		if from, end := at.above(seenTo), at.from(taken); from < end {
			c.add(lane{at, from, end})
		}
	}
	return c, Whole
}

// remembers reports whether the floor of a chain in a partition is known on its own.
func (c *chain) remembers(partition int32) bool {
	for ; c != nil; c = c.sibling {
		if c.partition == partition {
			return c.floorSeq > 0
		}
	}
	return false
}

// Looks is how many floors, or pushes, a step scans while it holds the lock. A match of a long pattern costs microseconds.
const Looks = 128

func (l *Log) resumePattern(w Wanted, r *Resume, applied map[int32]bus.Position, taken uint64) (Cursor, Answer) {
	unpassed := 0
	for n, p := range l.partitions {
		seenTo, named := r.seen.in(n)
		switch {
		case !named && applied[n].Epoch == p.begin.Epoch && applied[n].Offset >= p.begin.Offset,
			p.lost.topics() >= 0 && (!named || seenTo < p.lost.topics()):
			return Cursor{}, Gap // how much of it matched is not known
		case p.gone >= 0 && (!named || seenTo < p.gone):
			unpassed++
		}
	}
	if unpassed > 0 {
		if answer := l.walk(w, r, unpassed); answer != Whole {
			return Cursor{}, answer
		}
	}
	if from := l.seenUpTo(r.seen); from < taken {
		return Cursor{lane: lane{next: from, end: taken}, taken: taken, rest: &rest{pattern: true, seen: slices.Clone(r.seen)}}, Whole
	}
	return Cursor{taken: taken}, Whole
}

// walk checks whether a floor that the pattern matches is above what the client has seen: first those raised since the last
// step, then from the newest down, until each partition has shown one that the client has seen. Floors are in the order of
// their offsets, except those from before a step back, all of which the client has seen.
func (l *Log) walk(w Wanted, r *Resume, unpassed int) Answer {
	places := &l.floors
	if r.walk == nil {
		r.walk = &walk{}
		if n := places.len(); n > 0 {
			r.walk.low = places.at(n-1).seq + 1
			r.walk.high = r.walk.low
		}
	}
	at := r.walk
	looks := Looks
	for i := places.from(at.high); i < places.len(); i++ {
		if looks--; looks < 0 {
			return Unsure
		}
		if at.high = places.at(i).seq + 1; places.at(i).missed(r.seen, w.Match) {
			return Gap
		}
	}
	for i := places.from(at.low) - 1; i >= 0 && len(at.passed) < unpassed; i-- {
		if looks--; looks < 0 {
			return Unsure
		}
		at.low = places.at(i).seq
		if places.at(i).missed(r.seen, w.Match) {
			return Gap
		}
		at.pass(l, r.seen, places.at(i))
	}
	return Whole
}

// missed reports whether a client has not seen the newest evicted push of a chain.
func (p floorPlace) missed(seen positions, m Matcher) bool {
	c := p.chain
	if !p.taken() || !c.topic() {
		return false
	}
	seenTo, named := seen.in(c.partition)
	return (!named || seenTo < c.floor) && m.Match(c.key)
}

// pass notes that the client has seen everything up to the floors below p in its partition.
func (w *walk) pass(l *Log, seen positions, p floorPlace) {
	c := p.chain
	seenTo, named := seen.in(c.partition)
	if p.taken() && named && seenTo >= c.floor && seenTo < l.partitions[c.partition].gone && !slices.Contains(w.passed, c.partition) {
		w.passed = append(w.passed, c.partition)
	}
}
