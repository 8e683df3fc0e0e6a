package directory

import "time"

const (
	// acceptRate is how many clients a node accepts in a second, TLS handshakes and token checks included.
	acceptRate = 5_000
	maxSpread  = time.Minute
)

// spread is until when the other nodes will have accepted the clients of dead nodes, if these come one after another.
type spread struct {
	until  time.Time
	takers int // nodes that take them, as last counted
}

// orphaned counts the clients of a node that is silent or was restarted.
func (v *View) orphaned(e *entry, now time.Time) {
	if e.orphaned > 0 {
		return
	}
	e.orphaned = time.Duration(e.beat.Connections) * time.Second / time.Duration(acceptRate*max(1, v.spread.takers))
	if v.spread.until.Before(now) {
		v.spread.until = now
	}
	v.spread.until = v.spread.until.Add(e.orphaned)
}

// adopted undoes orphaned: the node was only silent.
func (v *View) adopted(e *entry) {
	v.spread.until = v.spread.until.Add(-e.orphaned)
	e.orphaned = 0
}

// countTakers counts the nodes that can take the others' clients.
func (v *View) countTakers() {
	v.spread.takers = 0
	for _, e := range v.list {
		if !e.quiet && v.tier(e) < none {
			v.spread.takers++
		}
	}
}

// at is how long those clients should wait at most, each a random part of it.
func (s *spread) at(now time.Time) time.Duration { return min(max(s.until.Sub(now), 0), maxSpread) }
