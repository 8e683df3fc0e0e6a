package kafka

import (
	"sync"
	"time"
)

// maxPeers bounds the nodes that are kept in mind.
const maxPeers = 10_000

// peers are the other nodes, as their last beats tell.
type peers struct {
	mu  sync.Mutex
	own time.Time // when the last beat of this node that has come back was sent
	all map[string]peer
}

type peer struct {
	late time.Duration
	said time.Time // or later
}

// returned notes that a beat of this node has come back.
func (p *peers) returned(sent time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.own = sent
}

// heard notes a beat of another node. One that takes its leave, or is not ready, is none to send clients to. A beat may have
// lain in Kafka while this node could not read it, but not since before this node sent the one that came before it.
func (p *peers) heard(node string, b beat) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b.State != stateUp || !b.Ready {
		delete(p.all, node)
		return
	}
	if p.all == nil {
		p.all = map[string]peer{}
	}
	if _, known := p.all[node]; known || len(p.all) < maxPeers {
		p.all[node] = peer{late: time.Duration(b.Late) * time.Millisecond, said: p.own}
	}
}

// better returns a node that lives, is ready, and reads less late than d. There may be none.
func (p *peers) better(d time.Duration, now time.Time) (node string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, one := range p.all {
		switch {
		case now.Sub(one.said) >= silence:
			delete(p.all, name)
		case one.late < d:
			node, ok = name, true
		}
	}
	return node, ok
}
