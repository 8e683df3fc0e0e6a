package refusal

import (
	"strings"
	"sync"
	"time"
)

// A client that is refused again and again must not fill the log, nor hide the lines of others. So lines pass a gate for
// each reason and project: some at once, then one a second. A client, which is an address (of IPv6 a /64) with a user's
// name, has one line in clientPause there: a flood from one address leaves four fifths to others.
const (
	burst       = 5
	linesEvery  = int64(time.Second)
	clientPause = 5 * int64(time.Second)
	// recentLines is how many lines a gate can let through within clientPause.
	recentLines = burst + int(clientPause/linesEvery)
	// mostGates bounds the projects of one reason that have gates of their own. Further ones share one.
	mostGates = 256
)

// gates are those of one reason. Any goroutine may use them; the lock is held only while one gate is checked.
type gates struct {
	mu sync.Mutex
	of map[string]*gate // by project
}

// gate lets lines of one reason and project pass. Times are in ns of any clock.
type gate struct {
	full       int64 // when the bucket will be full again
	suppressed uint64
	recent     [recentLines]struct {
		client uint64
		until  int64
	}
	next int
}

// pass reports whether a line may be written, and how many were suppressed since the last one. client 0 is an unknown
// client.
func (g *gates) pass(project string, client uint64, now int64) (suppressed uint64, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	one := g.find(project, now)
	if !one.allow(client, now) {
		one.suppressed++
		return 0, false
	}
	suppressed, one.suppressed = one.suppressed, 0
	return suppressed, true
}

// putBack counts lines that passed and were not written.
func (g *gates) putBack(project string, lines uint64, now int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.find(project, now).suppressed += lines
}

const shared = "" // also for clients whose project is unknown

func (g *gates) find(project string, now int64) *gate {
	if one := g.of[project]; one != nil {
		return one
	}
	if len(g.of) >= mostGates {
		g.forget(now)
	}
	if len(g.of) >= mostGates {
		project = shared
	}
	one := g.of[project]
	if one == nil {
		if g.of == nil {
			g.of = map[string]*gate{}
		}
		one = &gate{}
		g.of[strings.Clone(project)] = one
	}
	return one
}

// forget drops the gates whose state is that of a new one. The counter has what they suppressed.
func (g *gates) forget(now int64) {
	for project, one := range g.of {
		if one.full <= now-clientPause {
			delete(g.of, project)
		}
	}
}

func (g *gate) allow(client uint64, now int64) bool {
	full := max(g.full, now) + linesEvery
	if full-now > burst*linesEvery {
		return false
	}
	if client != 0 {
		for i := range g.recent {
			if r := &g.recent[i]; r.client == client && r.until > now {
				return false
			}
		}
	}
	g.full = full
	r := &g.recent[g.next%recentLines]
	r.client, r.until = client, now+clientPause
	g.next++
	return true
}
