package auth

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"sync/atomic"
)

// cacheKey is a digest of a token and the project that the client named with it.
type cacheKey [16]byte

func newCacheKey(project, token string) cacheKey {
	var buf [2048]byte // most tokens; a longer one is copied to the heap
	b := append(buf[:0], project...)
	b = append(b, 0)
	b = append(b, token...)
	sum := sha256.Sum256(b)
	return cacheKey(sum[:])
}

// entry is the result of verifying a token. The project is its index in the set of that generation: so an entry is of no
// use to any other set, and keeps no project alive.
type entry struct {
	key        cacheKey
	user       string
	grant      *Grant
	expires    int64 // Unix seconds, 0 for never
	generation uint32
	project    uint32
	keys       uint32 // version of those of the project
}

// usable says whether e still holds at the time now under the set of that generation.
func (e *entry) usable(generation uint32, now int64) bool {
	return e.generation == generation && (e.expires == 0 || now < e.expires)
}

// A token's entry is in one of a few neighbouring slots, so that adding one means checking those only.
const (
	cacheWays    = 8
	cacheStripes = 16
)

// cache remembers verified tokens: at most about as many as asked for, each until it expires, the set of projects
// changes, or its slot is needed. Any goroutine may use it.
type cache struct {
	held  [256]atomic.Int64        // slots of a project, by its index modulo that
	locks [cacheStripes]sync.Mutex // of the sets whose index leaves that remainder
	sets  []*[cacheWays]entry      // made when first needed
	used  atomic.Int64             // slots that hold anything, usable or not
}

func newCache(entries int) *cache {
	return &cache{sets: make([]*[cacheWays]entry, (entries+cacheWays-1)/cacheWays)}
}

func (c *cache) place(k cacheKey) (set **[cacheWays]entry, lock *sync.Mutex) {
	i := binary.LittleEndian.Uint32(k[:4]) % uint32(len(c.sets))
	return &c.sets[i], &c.locks[i%cacheStripes]
}

func (c *cache) get(k cacheKey, generation uint32, now int64) (entry, bool) {
	set, lock := c.place(k)
	lock.Lock()
	defer lock.Unlock()
	if *set == nil {
		return entry{}, false
	}
	for i := range *set {
		if e := &(*set)[i]; e.key == k && e.usable(generation, now) {
			return *e, true
		}
	}
	return entry{}, false
}

// put stores e in its old slot, else in one that is of no use any more, else in one of the project that has the most: a
// project with many tokens forgets its own.
func (c *cache) put(e entry, now int64) {
	set, lock := c.place(e.key)
	lock.Lock()
	defer lock.Unlock()
	if *set == nil {
		*set = new([cacheWays]entry)
	}
	slot := &(*set)[victim(*set, &e, now, func(project uint32) int64 { return c.holds(project).Load() })]
	if slot.generation == 0 {
		c.used.Add(1)
	} else {
		c.holds(slot.project).Add(-1)
	}
	c.holds(e.project).Add(1)
	*slot = e
}

func (c *cache) holds(project uint32) *atomic.Int64 { return &c.held[project%uint32(len(c.held))] }

// victim is the slot of set that is evicted for e. Among those of the project that has the most, e's key chooses.
func victim(set *[cacheWays]entry, e *entry, now int64, holds func(project uint32) int64) (at int) {
	first := int(e.key[len(e.key)-1]) % cacheWays
	at, most := first, int64(-1)
	dead := -1
	for i := range cacheWays {
		i := (first + i) % cacheWays
		s := &set[i]
		switch {
		case s.key == e.key:
			return i
		case !s.usable(e.generation, now):
			dead = i
		default:
			if n := holds(s.project); n > most {
				at, most = i, n
			}
		}
	}
	if dead >= 0 {
		return dead
	}
	return at
}
