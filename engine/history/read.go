package history

// Budget bounds what Read gives.
type Budget struct {
	Pushes int
	Bytes  int // of the frames; one push is given however large it is
	Lines  int // what each frame has beside Message.Len(stomp.V12, 0), which is the longest
	// Escaped: the frames are as SockJS has them.
	Escaped bool
}

func (b *Budget) takes(e *Entry, n int) bool {
	size := e.LongestLen(b.Lines, b.Escaped)
	if n > 0 && (n >= b.Pushes || size > b.Bytes) {
		return false
	}
	b.Bytes -= size
	return true
}

// Read takes out the next pushes, within b, and appends them to out. With a pattern it scans Looks pushes and may find
// none; it skips all but the newest when that is wanted, and returns how many it has dropped. When history has evicted
// something that waits, it gives nothing: call Skip first.
func (l *Log) Read(c *Cursor, m Matcher, out []*Entry, b Budget) (given []*Entry, dropped int) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.fallen(c, m) {
		return out, 0
	}
	defer c.tidy()
	if c.isPattern() {
		return l.scan(c, m, out, b)
	}
	for n := 0; ; n++ {
		at, e := c.first()
		if at == nil || !b.takes(e, n) {
			return out, 0
		}
		at.next++
		out = append(out, e)
	}
}

// first is the oldest push that waits, and its lane.
func (c *Cursor) first() (from *lane, e *Entry) {
	c.lanes(func(at *lane) {
		if at.next < at.end {
			if first := at.chain.entries.At(int(at.next - at.chain.first)); e == nil || first.seq < e.seq {
				from, e = at, first
			}
		}
	})
	return from, e
}

func (l *Log) scan(c *Cursor, m Matcher, out []*Entry, b Budget) (given []*Entry, dropped int) {
	r := c.rest
	c.next = max(c.next, min(c.end, l.floor.Load()))
	for looks, n := Looks, 0; c.next < c.end && looks > 0; looks-- {
		e := l.at(c.next)
		if seenTo, named := r.seen.in(e.Position.Partition); !e.chain.topic() || named && e.Position.Offset <= seenTo || !m.Match(e.Destination) {
			c.next++
			continue
		}
		if r.latest {
			dropped += r.drop()
			r.held = e
			c.next++
			continue
		}
		if !b.takes(e, n) {
			return out, 0
		}
		n++
		c.next++
		out = append(out, e)
	}
	if c.next == c.end && r.held != nil {
		if r.none {
			dropped += r.drop()
		} else {
			out = append(out, r.held)
			r.held = nil
		}
	}
	return out, dropped
}

// drop gives up the push that was the newest.
func (r *rest) drop() int {
	if r.held == nil {
		return 0
	}
	r.held.AddMatched(1)
	r.held.AddDropped()
	r.held = nil
	return 1
}

// reported is how many of the newest pushes that a cursor skips get it into their report: no older ones have a report that
// can be queried.
const reported = 10_000

// Latest takes out all that waits but the newest push, and with none that one too, and returns how many pushes it has
// dropped. With a pattern it is Read that does so, step by step.
func (l *Log) Latest(c *Cursor, none bool) (dropped int) {
	if c.isPattern() {
		c.rest.latest, c.rest.none = true, c.rest.none || none
		return 0
	}
	if c.Empty() {
		return 0
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	var newest *lane
	var last *Entry
	if !none {
		c.lanes(func(at *lane) {
			if at.next < at.end && at.end > at.chain.first {
				if e := at.chain.entries.At(int(at.end - 1 - at.chain.first)); last == nil || e.seq > last.seq {
					newest, last = at, e
				}
			}
		})
	}
	c.lanes(func(at *lane) {
		end := at.end
		if at == newest {
			end--
		}
		dropped += l.pass(c, at, end)
	})
	if c.rest != nil {
		dropped += c.rest.lost
		c.rest.lost = 0
	}
	c.tidy()
	return dropped
}

// pass moves a lane on to end, and returns how many pushes were skipped.
func (l *Log) pass(c *Cursor, at *lane, end uint64) int {
	if at.next >= end {
		return 0
	}
	n := int(end - at.next)
	first := at.chain.first
	if at.next < first {
		l.tellLost(at.chain, at.next, min(first, end), c.taken)
	}
	for i := max(at.next, first, end-min(end, reported)); i < end; i++ {
		e := at.chain.entries.At(int(i - first))
		if c.Counts(e) {
			e.AddMatched(1)
		}
		e.AddDropped()
	}
	at.next = end
	return n
}
