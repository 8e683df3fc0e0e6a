package shard

import (
	"strings"

	"stentor/engine/history"
)

// target is what clients subscribe to: a topic, a pattern, or a user's destination.
type target struct {
	p    *project
	name string // without /user for a user's destination
	log  *log   // the pushes of a topic or a pattern; nil of a user's destination: its pushes go through unicast.go

	subscriptions int32
	detached      int32  // of them
	resuming      int32  // of those: what comes meanwhile is not for them yet
	gaps          uint16 // how often something was lost that only its subscriptions may have wanted; it may wrap
}

// lossCount is how often something was lost that the subscriptions of t may have wanted.
func (t *target) lossCount() uint16 { return t.gaps + t.p.gaps }

// pattern is the pattern of t, nil for a single destination.
func (t *target) pattern() *patternState {
	if t.log == nil {
		return nil
	}
	return t.log.pattern
}

// matcher is the pattern of t for history, nil for a single destination.
func (t *target) matcher() history.Matcher {
	if p := t.pattern(); p != nil {
		return p
	}
	return nil
}

func (s *Shard) topic(p *project, dest string) *target {
	l := p.logs[dest]
	if l == nil {
		l = newLog(p, dest, nil)
		p.logs[l.name] = l
		s.stats.Logs.Add(1)
		p.added(&l.target)
	}
	return &l.target
}

func (p *project) userDestination(dest string) *target {
	t := p.users[dest]
	if t == nil {
		t = &target{p: p, name: strings.Clone(dest)}
		p.users[t.name] = t
		p.added(t)
	}
	return t
}

// added counts a new target of p.
func (p *project) added(t *target) {
	p.pool.add(t.cost())
	p.names.add(t)
}

// find is the target of a destination as clients write it, nil for none.
func (p *project) find(shown string) *target {
	if l := p.logs[shown]; l != nil {
		return &l.target
	}
	if rest, ok := strings.CutPrefix(shown, userPrefix); ok && p.users[rest] != nil {
		return p.users[rest]
	}
	if l := p.patterns[shown]; l != nil {
		return &l.target
	}
	return nil
}

// dropTarget forgets a target without subscriptions, and releases the pushes that only its log needed.
func (s *Shard) dropTarget(t *target) {
	l := t.log
	if t.subscriptions > 0 || l != nil && l.held {
		return
	}
	t.p.pool.add(-t.cost())
	t.p.names.remove(t)
	switch {
	case l == nil:
		delete(t.p.users, t.name)
		return
	case l.pattern != nil:
		t.p.dropPattern(l)
	default:
		delete(t.p.logs, t.name)
	}
	s.stats.Logs.Add(-1)
	l.finish()
}
