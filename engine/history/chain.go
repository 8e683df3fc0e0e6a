package history

import (
	"sort"

	"stentor/engine/fifo"
)

// Keys of chains. No destination begins with these marks, so that keys of different kinds never collide.
const (
	userMark    = "\x00"
	sessionMark = "\x01"
)

// UserKey names the chain of pushes to a destination of user.
func UserKey(user, destination string) string { return userMark + user + "\x00" + destination }

// chain is the pushes of one destination, of a topic, a user or a session, in one partition, and its floor. Its numbers
// keep increasing while it exists, so that a cursor knows how many pushes it has lost.
type chain struct {
	log     *Log
	key     string // the strings of its entries are parts of it
	sibling *chain // of the same key in another partition
	entries fifo.List[*Entry]
	first   uint64 // number of the oldest of entries

	// floor is the offset of the newest push that was evicted, and floorSeq that push's number in the Log, plus 1; 0 when
	// there was none, or it was forgotten.
	floor     int64
	floorSeq  uint64
	partition int32
}

func (c *chain) session() bool { return c.key[0] == sessionMark[0] }
func (c *chain) topic() bool   { return c.key[0] == '/' }
func (c *chain) quiet() bool   { return c.entries.Len() == 0 }
func (c *chain) end() uint64   { return c.first + uint64(c.entries.Len()) }

// above is the number of the first push that stands above offset.
func (c *chain) above(offset int64) uint64 {
	return c.first + uint64(sort.Search(c.entries.Len(), func(i int) bool { return c.entries.At(i).Position.Offset > offset }))
}

// from is the number of the first push whose number in the Log is not below seq.
func (c *chain) from(seq uint64) uint64 {
	return c.first + uint64(sort.Search(c.entries.Len(), func(i int) bool { return c.entries.At(i).seq >= seq }))
}

// chainOf finds or makes the chain of e, and makes e's strings parts of its key.
func (l *Log) chainOf(e *Entry) *chain {
	at := 0 // where the destination begins in the key
	l.key = l.key[:0]
	switch {
	case e.Session != "":
		l.key = append(append(append(l.key, sessionMark...), e.Session...), 0)
		at = len(l.key)
	case e.User != "":
		l.key = append(append(append(l.key, userMark...), e.User...), 0)
		at = len(l.key)
	}
	l.key = append(l.key, e.Destination...)
	c := l.chainAt(e.Position.Partition)
	e.Destination = c.key[at:]
	switch {
	case e.Session != "":
		e.Session = c.key[1 : at-1]
	case e.User != "":
		e.User = c.key[1 : at-1]
	}
	return c
}

// chainAt finds or makes the chain in a partition whose key is in l.key.
func (l *Log) chainAt(partition int32) *chain {
	head := l.chains[string(l.key)]
	c := head
	for c != nil && c.partition != partition {
		c = c.sibling
	}
	if c != nil {
		return c
	}
	c = &chain{log: l, partition: partition, sibling: head}
	if head != nil {
		c.key = head.key
	} else {
		c.key = string(l.key)
	}
	l.chains[c.key] = c
	l.bytes.Add(c.size())
	return c
}

// drop forgets a chain without pushes and without a floor. A cursor in it keeps the chain in memory, and finds that all of
// it is gone.
func (l *Log) drop(c *chain) {
	l.bytes.Add(-c.size())
	head := l.chains[c.key]
	switch {
	case head != c:
		for head.sibling != c {
			head = head.sibling
		}
		head.sibling = c.sibling
	case c.sibling == nil:
		delete(l.chains, c.key)
	default:
		l.chains[c.key] = c.sibling
	}
}
