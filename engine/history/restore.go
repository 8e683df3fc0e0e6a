package history

import (
	"stentor/engine/bus"
	"stentor/engine/statefile"
)

// recall is what the node knew before its restart, until the partitions have begun.
type recall struct {
	state *statefile.State
	back  map[int32]bool // partitions that have lost records since then
}

// Restored is what became of it.
type Restored struct {
	Done                bool // it has just been decided
	Partitions, Covered int  // that were known, that go on from there
	Floors              int
}

// Recall lets the partitions go on from what was saved, if they begin where that allows it. It must be called before any of
// them begins.
func (l *Log) Recall(s *statefile.State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recall = &recall{state: s, back: map[int32]bool{}}
}

// Covered returns up to where it is known what a partition had, if that is below begin, else begin's offset. See
// bus.Covered.
func (l *Log) Covered(begin bus.Position, end int64) (next int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.recall == nil || l.recall.state.Epoch != begin.Epoch {
		return begin.Offset
	}
	for _, p := range l.recall.state.Partitions {
		if p.Number == begin.Partition {
			l.recall.back[p.Number] = end < p.Next
			if end >= p.Next {
				return min(p.Next, begin.Offset)
			}
		}
	}
	return begin.Offset
}

// restore brings the floors back, once all partitions that had some have begun: as if this node had read on since before
// its restart, and had evicted all that lies below the places where it begins now. A client that resumes meanwhile is told
// of a gap.
func (l *Log) restore() (r Restored) {
	if l.recall == nil {
		return r
	}
	state, back := l.recall.state, l.recall.back
	r = Restored{Done: true, Partitions: len(state.Partitions)}
	if state.Epoch != l.epoch() || l.next > 0 {
		l.recall = nil
		return r
	}
	for _, p := range state.Partitions {
		if l.partitions[p.Number] == nil {
			return Restored{}
		}
	}
	l.recall, l.restoring = nil, true
	defer func() { l.restoring = false }()
	begins := map[int32]int64{}
	for _, known := range state.Partitions {
		p := l.partitions[known.Number]
		p.former = max(p.former, known.Former)
		if back[known.Number] {
			p.former = max(p.former, known.Next-1) // positions up to here may be of records that are gone
			continue
		}
		p.again = known.Next
		if known.Covers(p.begin.Offset) {
			begins[known.Number] = p.begin.Offset
			p.lost.recall(known, p.begin.Offset-1, len(state.Partitions) == len(l.partitions))
		}
	}
	if r.Floors = l.raiseAll(state.Floors, begins); r.Floors < 0 {
		return r
	}
	for _, known := range state.Partitions {
		if _, covered := begins[known.Number]; covered {
			l.partitions[known.Number].begin.Offset = known.Begin
			r.Covered++
		}
	}
	return r
}

// recall is for a partition that begins within what is known: what was forgotten above newest is read again. same means
// that the number of partitions is unchanged, so that destinations belong to the same ones.
func (o *lost) recall(known statefile.Partition, newest int64, same bool) {
	home, strays := min(known.Home, newest), min(known.Strays, newest)
	if !same {
		home, strays = -1, max(home, strays)
	}
	o.home, o.strays, o.users = max(o.home, home), max(o.strays, strays), max(o.users, min(known.Users, newest))
}

// restorePart is how many floors are raised before readers get the lock again.
const restorePart = 64

// raiseAll raises the floors that begins have, and returns how many; -1 if something happened in between. Each takes the
// number of a push that was never here: the ring is empty.
func (l *Log) raiseAll(floors func(map[int32]int64) []statefile.Floor, begins map[int32]int64) int {
	at, expected := l.begins, l.next
	undisturbed := func(pause func()) bool {
		l.mu.Unlock()
		pause()
		l.mu.Lock()
		return l.begins == at && l.next == expected
	}
	var all []statefile.Floor
	if !undisturbed(func() { all = floors(begins) }) {
		return -1
	}
	for i, f := range all {
		if i%restorePart == restorePart-1 && !undisturbed(func() {}) {
			return -1
		}
		l.key = append(l.key[:0], f.Key...)
		c := l.chainAt(f.Partition)
		if c.floorSeq == 0 {
			l.quiet += c.size()
		}
		l.raise(c, f.Offset, l.next)
		l.next++
		l.floor.Store(l.next)
		expected = l.next
		l.forgetFloors()
	}
	return len(all)
}
