package history

import (
	"sync"
	"sync/atomic"
)

// holds are the entries that are needed whether or not history has evicted them. They are few: their fields are here
// because a million entries have no room for them.
type holds struct {
	some  atomic.Int64 // Holds without a Release yet
	bytes atomic.Int64 // of evicted entries
	mu    sync.Mutex
	of    map[*Entry]hold
	most  int // of them, since the map was made: it keeps room for as many
}

type hold struct {
	holders int
	evicted bool // and counted
}

// Hold keeps e until Release, however long that takes. Any goroutine may call it.
func (e *Entry) Hold() {
	l := e.chain.log
	l.holds.some.Add(1) // before the check for eviction, see evicted
	l.holds.mu.Lock()
	defer l.holds.mu.Unlock()
	h := l.holds.of[e]
	if h.holders++; !h.evicted && e.Evicted() {
		h.evicted = true
		l.holds.bytes.Add(int64(e.size))
	}
	if l.holds.of == nil {
		l.holds.of = map[*Entry]hold{}
	}
	l.holds.of[e] = h
	l.holds.most = max(l.holds.most, len(l.holds.of))
}

// Release undoes one Hold.
func (e *Entry) Release() {
	holds := &e.chain.log.holds
	holds.some.Add(-1)
	holds.mu.Lock()
	defer holds.mu.Unlock()
	h := holds.of[e]
	if h.holders--; h.holders > 0 {
		holds.of[e] = h
		return
	}
	const keep = 64
	if delete(holds.of, e); len(holds.of) == 0 && holds.most > keep {
		holds.of, holds.most = nil, 0
	}
	if h.evicted {
		holds.bytes.Add(-int64(e.size))
	}
}

// evicted is called for an entry below the floor.
func (a *holds) evicted(e *Entry) {
	if a.some.Load() == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if h := a.of[e]; h.holders > 0 && !h.evicted {
		h.evicted = true
		a.of[e] = h
		a.bytes.Add(int64(e.size))
	}
}

// Held is how many bytes are in memory only because entries are held.
func (l *Log) Held() int64 { return l.holds.bytes.Load() }
