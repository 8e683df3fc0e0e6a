package auth

import (
	"fmt"
	"runtime"
	"testing"
)

func entryOf(i int) entry {
	return entry{key: newCacheKey("a", fmt.Sprint("token ", i)), user: fmt.Sprintf("user-%d@example.com", i), generation: 1}
}

func TestCacheEntries(t *testing.T) {
	c := newCache(64)
	e := entryOf(1)
	if _, ok := c.get(e.key, 1, noon); ok {
		t.Error("found in an empty cache")
	}
	e.expires = noon + 5
	c.put(e, noon)
	if got, ok := c.get(e.key, 1, noon+4); !ok || got != e {
		t.Errorf("%+v, %v", got, ok)
	}
	if _, ok := c.get(e.key, 1, noon+5); ok {
		t.Error("found after it expired")
	}
	if _, ok := c.get(e.key, 2, noon); ok {
		t.Error("found for other projects")
	}
	e.user = "other"
	c.put(e, noon)
	if got, _ := c.get(e.key, 1, noon); got.user != "other" || c.used.Load() != 1 {
		t.Errorf("%+v in %d slots", got, c.used.Load())
	}
	if newCacheKey("a", "b") == newCacheKey("", "a\x00b") || newCacheKey("a", "b") == newCacheKey("ab", "") {
		t.Error("keys are not told apart")
	}
}

func TestCacheIsBounded(t *testing.T) {
	c := newCache(60) // 8 sets
	for i := range 10_000 {
		e := entryOf(i)
		c.put(e, noon)
		if _, ok := c.get(e.key, 1, noon); !ok {
			t.Fatal("what was put last is not found")
		}
	}
	if c.used.Load() != 64 {
		t.Errorf("%d slots are used", c.used.Load())
	}
}

// TestCachePrefersDeadEntries fills one set with entries that are good for nothing, but for one.
func TestCachePrefersDeadEntries(t *testing.T) {
	c := newCache(cacheWays)
	good := entryOf(0)
	good.generation = 2
	c.put(good, noon)
	for i := 1; i < cacheWays; i++ {
		e := entryOf(i)
		e.generation, e.expires = 2, noon+1
		c.put(e, noon)
	}
	for i := range cacheWays - 1 {
		e := entryOf(100 + i)
		e.generation = 2
		c.put(e, noon+1)
		if _, ok := c.get(good.key, 2, noon+1); !ok {
			t.Fatal("a good entry went before a dead one")
		}
	}
}

// TestCacheIsShared: a project that shows ever more tokens pushes its own out, not those of others.
func TestCacheIsShared(t *testing.T) {
	c := newCache(512)
	const small = 20
	put := func(i int, project uint32) entry {
		e := entryOf(i)
		e.project = project
		c.put(e, noon)
		return e
	}
	for i := range 2000 {
		put(i, 1)
	}
	var mine []entry
	for i := range small {
		mine = append(mine, put(10_000+i, 2))
	}
	for i := range 20_000 {
		put(20_000+i, 1+uint32(i%2)*2) // two greedy ones
	}
	for i, e := range mine {
		if _, ok := c.get(e.key, 1, noon); !ok {
			t.Errorf("token %d of the small project is forgotten", i)
		}
	}
	var held int64
	for i := range c.held {
		held += c.held[i].Load()
	}
	if held != c.used.Load() || c.held[2].Load() != small {
		t.Errorf("%d slots counted of %d, %d of the small project", held, c.used.Load(), c.held[2].Load())
	}
}

// TestCacheBytes measures what a full cache holds for each entry, a user's name of some 20 bytes included.
func TestCacheBytes(t *testing.T) {
	const entries = 1 << 16
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	c := newCache(entries)
	for i := range 2 * entries {
		c.put(entryOf(i), noon)
	}
	used := c.used.Load()
	bytes := float64(heap()-before) / float64(used)
	t.Logf("%d entries, %.1f bytes each", used, bytes)
	if bytes > 100 {
		t.Errorf("%.1f bytes an entry", bytes)
	}
	runtime.KeepAlive(c)
}
