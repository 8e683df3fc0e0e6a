package history

import (
	"io"

	"stentor/engine/statefile"
)

// Stamp changes when Save has something new to write.
type Stamp struct {
	begins uint64
	read   int64
}

// Stamp returns the current one.
func (l *Log) Stamp() Stamp {
	l.mu.RLock()
	defer l.mu.RUnlock()
	s := Stamp{begins: l.begins}
	for _, p := range l.partitions {
		s.read += p.newest + 1
	}
	return s
}

// Save writes what the node has to know after a restart: how far it has read, the positions of the pushes that it keeps,
// and its floors. It reports false, and what it wrote must be discarded, when there is nothing to save yet, as long as less
// is known than before the last restart, and when a partition begins meanwhile. The lock is held for a step, and nothing is
// written meanwhile. One goroutine at a time may call it.
func (l *Log) Save(to io.Writer) (saved bool, err error) {
	s := &saving{l: l, next: map[int32]int64{}}
	if !s.gather(to) {
		return false, s.err
	}
	return true, s.w.End(s.partitions)
}

// knows reports whether a file of this history would say as much as the one from before the restart.
func (l *Log) knows() bool {
	for _, p := range l.partitions {
		if p.newest+1 < p.again {
			return false
		}
	}
	return len(l.partitions) > 0 && l.recall == nil && !l.restoring
}

// saving is a Save under way.
type saving struct {
	l          *Log
	w          *statefile.Writer
	begins     uint64
	next       map[int32]int64 // of each partition, when it began: the next Save has what comes later
	partitions []statefile.Partition
	looks      int
	err        error
}

// gather goes over all that is known.
func (s *saving) gather(to io.Writer) bool {
	l := s.l
	l.mu.RLock()
	defer l.mu.RUnlock()
	if !l.knows() {
		return false
	}
	s.w, s.begins = statefile.NewWriter(to, l.epoch()), l.begins
	for n, p := range l.partitions {
		s.next[n] = p.newest + 1
	}
	// What is evicted while this goes on is a floor by the time that its chain comes, or was a push when it came. A chain that
	// goes takes its floor to those that were forgotten, which come last.
	for _, c := range l.chains {
		for ; c != nil; c = c.sibling {
			if !s.chain(c) {
				return false
			}
		}
	}
	for n, p := range l.partitions {
		s.partitions = append(s.partitions, statefile.Partition{
			Number: n, Begin: p.begin.Offset, Next: s.next[n], Former: p.former,
			Home: p.lost.home, Strays: p.lost.strays, Users: p.lost.users,
		})
	}
	return true
}

// savePart is how many chains and pushes are visited before readers get the lock again.
const savePart = 128

// step counts a visit. It gives up the lock now and then, and reports whether the save can go on.
func (s *saving) step() bool {
	if s.looks++; s.looks%savePart > 0 {
		return true
	}
	s.l.mu.RUnlock()
	s.err = s.w.Flush()
	s.l.mu.RLock()
	return s.err == nil && s.l.begins == s.begins
}

// chain writes a chain. Its floor is last: it has what is evicted meanwhile.
func (s *saving) chain(c *chain) bool {
	next, begun := s.next[c.partition], false
	for i := c.first; i < c.end() && !c.session(); i = max(i+1, c.first) {
		e := c.entries.At(int(i - c.first))
		if e.Position.Offset >= next {
			break
		}
		if !begun {
			begun = true
			s.w.Chain(c.partition, c.key)
		}
		s.w.Push(e.Position.Offset, e.seq+1)
		if !s.step() {
			return false
		}
	}
	switch {
	case c.floorSeq > 0:
		if !begun {
			s.w.Chain(c.partition, c.key)
		}
		s.w.Floor(c.floor, c.floorSeq)
	case begun:
		s.w.Floor(-1, 0)
	}
	return s.step()
}
