package history

import "stentor/engine/bus"

// matcher is a pattern of the tests.
type matcher func(string) bool

func (m matcher) Match(dest string) bool { return m(dest) }

// Since is a resume from its search to its last push: what lies above the positions that a client names and was taken by a
// shard that is at applied.
func (l *Log) Since(w Wanted, seen []bus.Position, applied map[int32]bus.Position) (missed []*Entry, complete bool) {
	r := NewResume(append([]bus.Position(nil), seen...))
	for {
		c, answer := l.Resume(w, &r, applied, l.takenBy(applied))
		switch answer {
		case Gap:
			return nil, false
		case Whole:
			return l.readAll(&c, w.Match), true
		}
	}
}

// takenBy is the number behind the last push that a shard has taken which is at applied.
func (l *Log) takenBy(applied map[int32]bus.Position) uint64 {
	for i, e := range l.ring.Items() {
		if e.Position.Offset > applied[e.Position.Partition].Offset {
			return l.floor.Load() + uint64(i)
		}
	}
	return l.next
}

func (l *Log) readAll(c *Cursor, m Matcher) (all []*Entry) {
	for !c.Empty() {
		before := c.Waiting()
		all, _ = l.Read(c, m, all, Budget{Pushes: 7, Bytes: 1000, Lines: 20})
		if c.Waiting() >= before {
			panic("a step without progress")
		}
	}
	return all
}

// audit checks whether all that is kept is counted, and nothing else.
func (k *book) audit() {
	k.t.Helper()
	var want, quiet int64
	floors := 0
	for _, e := range k.ring.Items() {
		want += int64(e.size)
	}
	for key, head := range k.chains {
		for c := head; c != nil; c = c.sibling {
			if c.key != key || c.quiet() && c.floorSeq == 0 || c.session() && c.floorSeq > 0 {
				k.t.Fatalf("chain %q: %+v", key, c)
			}
			want += c.size()
			if c.quiet() {
				quiet += c.size()
			}
			if c.floorSeq > 0 {
				floors++
				want += floorCost
			}
		}
	}
	for _, m := range k.marks.Items() {
		want += m.size()
	}
	want += int64(k.unread.Len()) * unreadCost
	live := 0
	for i := range k.floors.len() {
		if k.floors.at(i).taken() {
			live++
		}
	}
	if want != k.Bytes() || quiet != k.quiet || floors != live || floors != k.floors.live {
		k.t.Fatalf("%d bytes are counted, there are %d; quiet %d, %d; floors %d, %d, %d", k.Bytes(), want, k.quiet, quiet, k.floors.live, floors, live)
	}
}
