package history

import "slices"

// Cursor is what one subscription has yet to be given of history: not a list, but places in chains, or, for a pattern, a
// range of all that is kept and the positions that its client has seen. One shard owns it. The zero value is empty.
//
// A push is counted as one for the subscription (Report.Matched) when it is known to be one. Those that its shard had taken
// before the resume are counted when they are given or skipped, all later ones by the caller that extends the cursor. A
// push that history evicts before it is given is lost. For a chain the number of lost pushes is known. For a pattern it is
// not: it counts one for each destination with a lost push, or one when not even that is known.
type Cursor struct {
	lane
	taken uint64 // pushes with smaller numbers in the Log are counted when they are given
	rest  *rest
}

// lane is the numbers [next, end) of a chain; with a pattern, of the Log itself.
type lane struct {
	chain     *chain
	next, end uint64
}

// rest is the part that few cursors need.
type rest struct {
	lanes []lane // of a user's subscription in several partitions, or with pushes to the session

	pattern bool
	seen    positions
	latest  bool // all but the newest is to be skipped
	none    bool // and the newest too
	held    *Entry

	lost int // pushes that are gone, not announced yet
}

// add adds a lane.
func (c *Cursor) add(n lane) {
	switch {
	case c.next == c.end && !c.isPattern():
		c.lane = n
	default:
		if c.rest == nil {
			c.rest = &rest{}
		}
		c.rest.lanes = append(c.rest.lanes, n)
	}
}

func (c *Cursor) isPattern() bool { return c.rest != nil && c.rest.pattern }

// lanes calls f with each lane, until f returns false.
func (c *Cursor) lanes(f func(*lane)) {
	f(&c.lane)
	if c.rest != nil {
		for i := range c.rest.lanes {
			f(&c.rest.lanes[i])
		}
	}
}

// Empty reports whether there is nothing more to give, or to announce.
func (c *Cursor) Empty() bool {
	return c.next == c.end && (c.rest == nil || len(c.rest.lanes) == 0 && c.rest.held == nil && c.rest.lost == 0)
}

// Waiting is how many pushes there are to give. With a pattern it is how many there are to scan.
func (c *Cursor) Waiting() (n int) {
	c.lanes(func(at *lane) { n += int(at.end - at.next) })
	if c.rest != nil && c.rest.held != nil {
		n++
	}
	return n
}

// Has reports whether a waiting push may be of a partition.
func (c *Cursor) Has(partition int32) (has bool) {
	if c.isPattern() {
		return !c.Empty()
	}
	c.lanes(func(at *lane) { has = has || at.next < at.end && at.chain.partition == partition })
	return has
}

// Counts reports whether the subscription is yet to be counted as one that e, which it was given, is for.
func (c *Cursor) Counts(e *Entry) bool { return e.seq < c.taken }

// maxLanes is how many lanes a cursor has before it checks whether some are gone: a session's chain goes with its last
// push.
const maxLanes = 4

// Extend adds e, which is behind all that waits, to a user's subscription.
func (l *Log) Extend(c *Cursor, e *Entry) {
	found := false
	c.lanes(func(at *lane) {
		if at.chain == e.chain && at.end == e.number { // else a panic lost one in between
			found = true
			at.end++
		}
	})
	if found {
		return
	}
	if c.rest != nil && len(c.rest.lanes) >= maxLanes {
		c.lose(l.Skip(c, nil))
	}
	c.add(lane{e.chain, e.number, e.number + 1})
}

// From is an empty cursor of a subscription that begins where its shard has taken so many pushes.
func From(taken uint64) Cursor { return Cursor{taken: taken} }

// Join adds the contents of b to c.
func (c *Cursor) Join(b *Cursor) {
	b.lanes(func(at *lane) {
		if at.next < at.end {
			c.add(*at)
		}
	})
	if b.rest != nil {
		c.lose(b.rest.lost)
	}
}

// lose notes that n pushes are gone.
func (c *Cursor) lose(n int) {
	if n == 0 {
		return
	}
	if c.rest == nil {
		c.rest = &rest{}
	}
	c.rest.lost += n
}

// tidy forgets lanes that are empty.
func (c *Cursor) tidy() {
	if c.next == c.end {
		c.lane = lane{}
	}
	r := c.rest
	if r == nil || r.pattern {
		if r != nil && c.next == c.end && r.held == nil && r.lost == 0 {
			c.rest = nil
		}
		return
	}
	r.lanes = slices.DeleteFunc(r.lanes, func(at lane) bool { return at.next >= at.end })
	if n := len(r.lanes); n > 0 && c.next == c.end {
		c.lane = r.lanes[n-1]
		r.lanes = r.lanes[:n-1]
	}
	if len(r.lanes) == 0 && r.lost == 0 {
		c.rest = nil
	}
}

// Fallen reports whether history has evicted a push that waits.
func (l *Log) Fallen(c *Cursor, m Matcher) bool {
	if c.Empty() {
		return false
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.fallen(c, m)
}

func (l *Log) fallen(c *Cursor, m Matcher) (fallen bool) {
	if c.rest != nil && c.rest.lost > 0 {
		return true
	}
	if c.isPattern() {
		return c.next < min(c.end, l.floor.Load()) && l.lostOf(c, m) > 0 || c.rest.held != nil && c.rest.held.Evicted()
	}
	c.lanes(func(at *lane) { fallen = fallen || at.next < at.end && at.next < at.chain.first })
	return fallen
}

// Skip removes the evicted pushes, and returns how many that were.
func (l *Log) Skip(c *Cursor, m Matcher) (lost int) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if c.rest != nil {
		lost = c.rest.lost
		c.rest.lost = 0
	}
	if c.isPattern() {
		if floor := min(c.end, l.floor.Load()); c.next < floor {
			lost += l.lostOf(c, m)
			c.next = floor
		}
		if held := c.rest.held; held != nil && held.Evicted() {
			held.AddMatched(1)
			held.AddDropped()
			c.rest.held = nil
			lost++
		}
	} else {
		c.lanes(func(at *lane) {
			if first := min(at.end, at.chain.firstOr(at.next)); at.next < first {
				l.tellLost(at.chain, at.next, first, c.taken)
				lost += int(first - at.next)
				at.next = first
			}
		})
	}
	c.tidy()
	return lost
}

// firstOr is the number of the oldest of c, or n without a chain.
func (c *chain) firstOr(n uint64) uint64 {
	if c == nil {
		return n
	}
	return c.first
}

// lostOf is the number of destinations that a pattern matches in which something is gone that the client has not seen, as
// far as it is known.
func (l *Log) lostOf(c *Cursor, m Matcher) (n int) {
	for _, at := range c.rest.seen {
		if p := l.partitions[at.Partition]; p == nil || p.begin.Epoch != at.Epoch || p.lost.topics() > at.Offset {
			return 1
		}
	}
	places := &l.floors
	i := places.from(c.next + 1)
	if places.len()-i > Looks {
		return 1
	}
	for ; i < places.len(); i++ {
		if places.at(i).missed(c.rest.seen, m) {
			n++
		}
	}
	return n
}
