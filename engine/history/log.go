package history

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"stentor/engine/bus"
	"stentor/engine/fifo"
)

// Bounds is how much a Log keeps for clients that come back.
type Bounds struct {
	Window time.Duration
	Bytes  int64
}

// maxFloors bounds how many quiet destinations a Log remembers the eviction floor of.
const maxFloors = 100_000

// Log is the history of one project. Append, EvictOlder and SetBounds are for one goroutine at a time (the bus's
// reader holds the project's turn); everything else may be called from any goroutine.
type Log struct {
	floor   atomic.Uint64 // entries with a smaller seq are evicted
	pending atomic.Int64  // bytes that some shard's rounds still need
	bytes   atomic.Int64  // bytes of the entries that are kept

	mu     sync.RWMutex
	bounds Bounds
	ring   fifo.List[*Entry]
	next   uint64
	chains map[string]*fifo.List[*Entry]
	ids    map[string]bus.Position
	begins map[int32]bus.Position // where this node began to read each partition
	newest map[int32]int64        // the last offset of each partition that came
	floors map[floorKey]int64     // newest evicted offset
	gone   map[int32]int64        // newest evicted offset of each partition
	// former is, for each partition that stepped back, the last offset of its life before.
	former map[int32]int64
	// lost is, for each partition, the newest evicted offset of destinations that floors has no room for.
	lost map[int32]int64
}

type floorKey struct {
	chain     string
	partition int32
}

// NewLog returns an empty history.
func NewLog(b Bounds) *Log {
	return &Log{
		bounds: b,
		chains: map[string]*fifo.List[*Entry]{},
		ids:    map[string]bus.Position{},
		begins: map[int32]bus.Position{},
		newest: map[int32]int64{},
		floors: map[floorKey]int64{},
		gone:   map[int32]int64{},
		former: map[int32]int64{},
		lost:   map[int32]int64{},
	}
}

// Begin says that this node reads a partition from pos on: what lies before it was never here, or there is a gap
// before it. A new epoch forgets everything of the one before, and a step back (the bus lost what it had) everything
// that is kept.
func (l *Log) Begin(pos bus.Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed(pos.Epoch) {
		l.evictAll()
		clear(l.begins)
		clear(l.newest)
		clear(l.floors)
		clear(l.gone)
		clear(l.former)
		clear(l.lost)
	}
	if newest, ok := l.newest[pos.Partition]; ok && pos.Offset <= newest {
		l.evictAll()
		l.former[pos.Partition] = max(newest, l.former[pos.Partition])
	}
	l.begins[pos.Partition] = pos
	l.newest[pos.Partition] = pos.Offset - 1
}

// changed reports whether what is here is of another epoch.
func (l *Log) changed(epoch uint64) bool {
	for _, begin := range l.begins {
		return begin.Epoch != epoch
	}
	return false
}

func (l *Log) evictAll() {
	for l.ring.Len() > 0 {
		l.evictFirst()
	}
}

// Append adds e, which shards shards will each be Done with, and evicts what no longer fits. It takes e over, unless
// it reports false: e is of a partition that has not begun, or not above what came of it, or its id is here already.
func (l *Log) Append(e *Entry, shards int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := e.Position
	if begin, ok := l.begins[p.Partition]; !ok || begin.Epoch != p.Epoch || p.Offset <= l.newest[p.Partition] {
		return false
	}
	l.newest[p.Partition] = p.Offset
	if e.ID != "" {
		if _, known := l.ids[e.ID]; known {
			return false
		}
	}
	e.log, e.seq = l, l.next
	e.size = e.Message.Size() + overhead + len(e.ID)
	e.pending.Store(int32(shards))
	if shards > 0 {
		l.pending.Add(int64(e.size))
	}
	l.next++
	l.ring.Push(e)
	if key := e.key(); key != "" {
		chain := l.chains[key]
		if chain == nil {
			chain = &fifo.List[*Entry]{}
			l.chains[key] = chain
		}
		chain.Push(e)
	}
	if e.ID != "" {
		l.ids[e.ID] = e.Position
	}
	l.bytes.Add(int64(e.size))
	for l.bytes.Load() > l.bounds.Bytes && l.ring.Len() > 1 {
		l.evictFirst()
	}
	return true
}

// EvictOlder evicts what is older than the window. now is the node's clock in ns.
func (l *Log) EvictOlder(now int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.ring.Len() > 0 && now-l.ring.At(0).Time > int64(l.bounds.Window) {
		l.evictFirst()
	}
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
	l.bytes.Add(-int64(e.size))
	if e.ID != "" {
		delete(l.ids, e.ID)
	}
	key := e.key()
	if key == "" {
		return
	}
	if chain := l.chains[key]; chain.Len() == 1 {
		delete(l.chains, key)
	} else {
		chain.Pop()
	}
	p := e.Position
	l.gone[p.Partition] = max(l.gone[p.Partition], p.Offset) // a partition may have stepped back
	floor, known := l.floors[floorKey{key, p.Partition}]
	if !known && len(l.floors) >= maxFloors {
		l.lost[p.Partition] = max(l.lost[p.Partition], p.Offset)
		return
	}
	l.floors[floorKey{key, p.Partition}] = max(floor, p.Offset)
}

// Known answers with the position of the push that carried id, while history has it.
func (l *Log) Known(id string) (bus.Position, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	p, ok := l.ids[id]
	return p, ok
}

// Pending is how many bytes the shards' rounds still need.
func (l *Log) Pending() int64 { return l.pending.Load() }

// Bytes is how many bytes are kept for clients that come back.
func (l *Log) Bytes() int64 { return l.bytes.Load() }

// Len is how many pushes are kept.
func (l *Log) Len() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.ring.Len()
}

// Wanted selects pushes: those of one chain (a destination, or UserKey), or with Match those of all destinations that
// it accepts.
type Wanted struct {
	Chain string
	Match func(destination string) bool
}

// mayBeIn reports whether a partition of n may have pushes that are wanted. All those to a destination are in one, but
// not always in the same: it may be another since the topic has more partitions, so that a client which names only the
// old one has to be told. What a pattern matches is in any, and what a user gets in that of the user and in those of
// pushes to sessions.
func (w *Wanted) mayBeIn(partition int32, n int) bool {
	return w.Match != nil || strings.HasPrefix(w.Chain, "\x00") || bus.Home(w.Chain, n) == partition
}

// Since returns, in bus order, what lies above the positions that a client names and at or below applied (what the
// asking shard has taken of each partition). complete is false when something that the client has not seen may be
// gone: another epoch, an evicted push, or a partition that it did not name and that had some.
func (l *Log) Since(w Wanted, seen []bus.Position, applied map[int32]bus.Position) (missed []*Entry, complete bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	from := make(map[int32]int64, len(seen))
	for _, p := range seen {
		begin, read := l.begins[p.Partition]
		taken, ok := applied[p.Partition]
		if !read || !ok || begin.Epoch != p.Epoch || taken.Epoch != p.Epoch {
			return nil, false
		}
		from[p.Partition] = p.Offset
	}
	if !l.reaches(w, from) {
		return nil, false
	}
	each := func(e *Entry) bool {
		seenTo, named := from[e.Position.Partition]
		if !named {
			return false
		}
		if e.Position.Offset > seenTo && e.Position.Offset <= applied[e.Position.Partition].Offset {
			missed = append(missed, e)
		}
		return true
	}
	if w.Match == nil {
		if chain := l.chains[w.Chain]; chain != nil && !all(chain, each) {
			return nil, false
		}
		return missed, true
	}
	for _, e := range l.ring.Items()[l.seenUpTo(from):] {
		if e.User == "" && e.Session == "" && w.Match(e.Destination) && !each(e) {
			return nil, false
		}
	}
	return missed, true
}

// seenUpTo is how many of the oldest entries a client with these positions has seen for certain: a client that comes
// back soon is not to cost a look at all there is.
func (l *Log) seenUpTo(from map[int32]int64) int {
	passed := make(map[int32]bool, len(l.begins))
	entries := l.ring.Items()
	for i := len(entries) - 1; i >= 0; i-- {
		p := entries[i].Position
		if seenTo, named := from[p.Partition]; !named || p.Offset > seenTo || passed[p.Partition] {
			continue
		}
		passed[p.Partition] = true
		if len(passed) == len(l.begins) {
			return i
		}
	}
	return 0
}

// reaches reports whether everything wanted above from is still here.
func (l *Log) reaches(w Wanted, from map[int32]int64) bool {
	for partition, begin := range l.begins {
		seenTo, named := from[partition]
		if lost, some := l.lost[partition]; some && (!named || seenTo < lost) {
			if w.Match != nil || !l.remembers(w.Chain, partition) {
				return false
			}
		}
		if named && seenTo < begin.Offset-1 {
			return false
		}
		if former, back := l.former[partition]; back && named && seenTo <= former {
			return false // it may have seen what was there before
		}
		if !named && begin.Offset > 0 && w.mayBeIn(partition, len(l.begins)) {
			return false
		}
	}
	if w.Match == nil {
		for partition := range l.begins {
			floor, evicted := l.floors[floorKey{w.Chain, partition}]
			if seenTo, named := from[partition]; evicted && (!named || seenTo < floor) {
				return false
			}
		}
		return true
	}
	if l.reachesAll(from) {
		return true
	}
	for k, floor := range l.floors {
		if strings.HasPrefix(k.chain, "\x00") || !w.Match(k.chain) {
			continue
		}
		if seenTo, named := from[k.partition]; !named || seenTo < floor {
			return false
		}
	}
	return true
}

// reachesAll reports whether everything above from is still here, whatever is wanted of it.
func (l *Log) reachesAll(from map[int32]int64) bool {
	for partition, gone := range l.gone {
		if seenTo, named := from[partition]; !named || seenTo < gone {
			return false
		}
	}
	return true
}

// remembers reports whether the newest evicted offset of a chain is known on its own.
func (l *Log) remembers(chain string, partition int32) bool {
	_, ok := l.floors[floorKey{chain, partition}]
	return ok
}

func all(entries *fifo.List[*Entry], f func(*Entry) bool) bool {
	for _, e := range entries.Items() {
		if !f(e) {
			return false
		}
	}
	return true
}
