package history

import (
	"sync"
	"sync/atomic"
	"time"

	"stentor/engine/bus"
	"stentor/engine/fifo"
)

// Bounds is how much a Log keeps for clients that reconnect.
type Bounds struct {
	Window time.Duration
	Bytes  int64 // of all that is kept: pushes, their chains and ids, floors
}

// Log is the history of one project. Append, EvictOlder and SetBounds are for one goroutine at a time (the bus's
// reader holds the project's turn); everything else may be called from any goroutine.
type Log struct {
	floor   atomic.Uint64 // entries with a smaller number are evicted
	pending atomic.Int64  // bytes that some shard's rounds still need
	bytes   atomic.Int64  // bytes that are kept
	holds   holds

	forgotten atomic.Uint64 // floors, for lack of room

	mu         sync.RWMutex
	bounds     Bounds
	ring       fifo.List[*Entry]
	next       uint64
	chains     map[string]*chain
	ids        map[string]*Entry
	partitions map[int32]*partition
	marks      fifo.List[mark]
	floors     floors
	quiet      int64 // bytes of chains that are kept for their floor alone
	unread     fifo.List[unread]
	key        []byte // scratch

	begins    uint64  // calls of Begin
	recall    *recall // nil: there is nothing, or no more
	restoring bool
}

// partition is what is known of one. Offsets are -1 where there is none.
type partition struct {
	begin  bus.Position // where this node began to read it
	newest int64        // the last offset that was read
	former int64        // if it stepped back, the last one before that
	gone   int64        // the newest evicted offset of topics
	lost   lost
	again  int64 // up to where the node had read before its restart
}

// NewLog returns an empty history.
func NewLog(b Bounds) *Log {
	return &Log{bounds: b, chains: map[string]*chain{}, ids: map[string]*Entry{}, partitions: map[int32]*partition{}}
}

// Begin reports that this node reads a partition from pos on: what lies before it was never here, or there is a gap before
// it. A new epoch discards everything of the old one, and a step back (the bus lost what it had) everything that is kept.
// Begin returns what was restored from before the node's restart, if that has just been decided.
func (l *Log) Begin(pos bus.Position) Restored {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begins++
	if len(l.partitions) > 0 && l.epoch() != pos.Epoch {
		l.evictAll()
		l.chains, l.partitions = map[string]*chain{}, map[int32]*partition{}
		l.floors, l.quiet = floors{}, 0
		l.bytes.Store(int64(l.unread.Len()) * unreadCost)
	}
	p := l.partitions[pos.Partition]
	if p == nil {
		p = &partition{former: -1, gone: -1, lost: lost{-1, -1, -1}}
		l.partitions[pos.Partition] = p
		l.strayLost() // with one more partition, destinations have other homes
	} else if pos.Offset <= p.newest {
		l.evictAll()
		p.former = max(p.newest, p.former)
	}
	p.begin = pos
	p.newest = pos.Offset - 1
	p.again = 0
	return l.restore()
}

// Advance reports that a partition has nothing up to pos except what Append has added or will add.
func (l *Log) Advance(pos bus.Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := l.partitions[pos.Partition]; p != nil && p.begin.Epoch == pos.Epoch {
		p.newest = max(p.newest, pos.Offset)
	}
}

// epoch is that of all partitions, 0 when there are none.
func (l *Log) epoch() uint64 {
	for _, p := range l.partitions {
		return p.begin.Epoch
	}
	return 0
}

// evictAll yields the lock to readers now and then: until it is finished, they see an ordinary eviction.
func (l *Log) evictAll() {
	for n := 1; l.ring.Len() > 0; n++ {
		if l.evictFirst(); n%evictPart == 0 {
			l.mu.Unlock()
			l.mu.Lock()
		}
	}
}

// Append adds e, for which shards shards will each call Done, and evicts what no longer fits. It is the one place that
// decides whether a push is new, by its position and by its id. It takes e over and answers with its position, unless it
// reports false: the id is here already, and first is the position of that push; or the partition of e has not begun, or e
// is not above what the partition has brought, and first is e's own.
func (l *Log) Append(e *Entry, shards int) (first bus.Position, taken bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	pos := e.Position
	p := l.partitions[pos.Partition]
	if p == nil || p.begin.Epoch != pos.Epoch || pos.Offset <= p.newest {
		return pos, false
	}
	p.newest = pos.Offset
	if e.ID != "" {
		if known := l.ids[e.ID]; known != nil {
			return known.Position, false
		}
		l.ids[e.ID] = e
	}
	l.recall = nil // partitions that begin later have lost the order with others
	l.markHere()
	c := l.chainOf(e)
	if c.quiet() && c.floorSeq > 0 {
		l.quiet -= c.size()
	}
	e.chain, e.seq, e.number = c, l.next, c.end()
	e.size = int32(min(e.cost(), 1<<31-1))
	e.pending.Store(int32(shards))
	if shards > 0 {
		l.pending.Add(int64(e.size))
	}
	l.next++
	l.ring.Push(e)
	c.entries.Push(e)
	l.bytes.Add(int64(e.size))
	for l.bytes.Load() > l.bounds.Bytes && l.ring.Len() > 1 {
		l.evictFirst()
	}
	return pos, true
}

// EvictOlder evicts what is older than the window. now is the node's clock in ns.
func (l *Log) EvictOlder(now int64) {
	for more := true; more; {
		more = l.evictSome(now)
	}
}

// evictPart is how many pushes are evicted before readers get the lock again.
const evictPart = 2048

// evictSome is a part of EvictOlder.
func (l *Log) evictSome(now int64) (more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n := 0; l.ring.Len() > 0 && now-l.ring.At(0).Time > int64(l.bounds.Window); n++ {
		if n == evictPart {
			return true
		}
		l.evictFirst()
	}
	return false
}

// SetBounds changes how much is kept, from the next eviction on.
func (l *Log) SetBounds(b Bounds) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bounds = b
}

func (l *Log) evictFirst() {
	e := l.ring.Pop()
	l.floor.Store(e.seq + 1)
	l.unmark(e.seq)
	l.holds.evicted(e)
	l.bytes.Add(-int64(e.size))
	if e.ID != "" {
		delete(l.ids, e.ID)
	}
	c := e.chain
	c.entries.Pop()
	c.first++
	l.keepReport(e)
	if c.session() { // nobody can resume it
		if c.quiet() {
			l.drop(c)
		}
		return
	}
	l.raise(c, e.Position.Offset, e.seq)
	if c.quiet() {
		l.quiet += c.size()
		l.forgetFloors()
	}
}

// Known returns the position of the push that carried id, while history has it.
func (l *Log) Known(id string) (bus.Position, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if e := l.ids[id]; e != nil {
		return e.Position, true
	}
	return bus.Position{}, false
}

// Pending is how many bytes the shards' rounds still need.
func (l *Log) Pending() int64 { return l.pending.Load() }

// Bytes is how many bytes are kept for clients that reconnect.
func (l *Log) Bytes() int64 { return l.bytes.Load() }

// Forgotten is the number of chains whose floors were forgotten.
func (l *Log) Forgotten() uint64 { return l.forgotten.Load() }

// Len is how many pushes are kept.
func (l *Log) Len() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.ring.Len()
}

// at is the entry with a number that was not evicted.
func (l *Log) at(seq uint64) *Entry { return l.ring.At(int(seq - l.floor.Load())) }
