package shard

import (
	"slices"

	"stentor/engine/destination"
	"stentor/engine/refusal"
	"stentor/engine/session"
)

// Every push of a project is looked up among all patterns of its sessions, so that a pattern costs the whole project. The
// worst cost of the look-up is known in advance, in steps: their sum is bounded, and each holder's part of it.

// patternState is what the log of a pattern has beside that of a topic.
type patternState struct {
	*destination.Pattern
	payers []payer
}

// payer is a holder that the steps of a pattern are charged to. A pattern is charged to at most maxPayers holders: so many
// together may use up all steps of a project anyway.
type payer struct {
	holder        Holder
	subscriptions int
}

const maxPayers = 8

// patternTarget finds a pattern that c wants to subscribe to, if it may.
func (s *Shard) patternTarget(c *Conn, rights Rights, dest string) (*target, *session.Failure) {
	pattern, err := destination.ParsePattern(dest)
	if err != nil {
		return nil, malformed(err.Error())
	}
	verdict := rights.SubscribePattern(c.user, pattern)
	switch {
	case verdict == Unserved:
		return nil, nil
	case !c.project.settings.Patterns:
		return nil, forbidden(refusal.SubscribeForbidden, "the project does not allow patterns")
	case verdict == Forbidden:
		return nil, forbidden(refusal.SubscribeForbidden, "you may not subscribe to this pattern")
	}
	l, failure := s.patternLog(c, pattern)
	if failure != nil {
		return nil, failure
	}
	return &l.target, nil
}

// patternLog is the log of a pattern, a new one when nobody holds it yet. It checks that c can pay.
func (s *Shard) patternLog(c *Conn, pattern *destination.Pattern) (*log, *session.Failure) {
	p, limits := c.project, &s.conf.Limits
	l := p.patterns[pattern.String()]
	if h := s.holder(c); l == nil || l.pattern.wants(h) {
		if p.shares[h]+pattern.Steps() > limits.UserPatternSteps {
			return nil, session.Limited(refusal.UserPatternSteps, "the user's patterns would take too many steps to match")
		}
	}
	if l != nil {
		return l, nil
	}
	if len(p.patterns) >= limits.Patterns {
		return nil, session.Limited(refusal.Patterns, "the project has too many different patterns")
	}
	l = newLog(p, pattern.String(), &patternState{Pattern: pattern})
	p.index.Put(pattern, l)
	if p.index.Steps() > limits.PatternSteps {
		p.index.Remove(pattern)
		return nil, session.Limited(refusal.PatternSteps, "the project's patterns would take too many steps to match")
	}
	p.patterns[l.name] = l
	s.stats.Logs.Add(1)
	p.added(&l.target)
	return l, nil
}

// wants reports whether a subscription of h would be charged.
func (p *patternState) wants(h Holder) bool { return len(p.payers) < maxPayers && p.find(h) < 0 }

func (p *patternState) find(h Holder) int {
	return slices.IndexFunc(p.payers, func(o payer) bool { return o.holder == h })
}

// charge charges h for a session that is subscribed to l from now on.
func (l *log) charge(h Holder) {
	if l.pattern.wants(h) {
		l.pattern.payers = append(l.pattern.payers, payer{holder: h})
		l.p.shares[h] += l.pattern.Steps()
	}
	if i := l.pattern.find(h); i >= 0 {
		l.pattern.payers[i].subscriptions++
	}
}

// discharge refunds what h was charged for a subscription to l.
func (l *log) discharge(h Holder) {
	i := l.pattern.find(h)
	if i < 0 {
		return
	}
	if l.pattern.payers[i].subscriptions--; l.pattern.payers[i].subscriptions > 0 {
		return
	}
	l.pattern.payers = slices.Delete(l.pattern.payers, i, i+1)
	if l.p.shares[h] -= l.pattern.Steps(); l.p.shares[h] == 0 {
		delete(l.p.shares, h)
	}
}

func (p *project) dropPattern(l *log) {
	delete(p.patterns, l.name)
	p.index.Remove(l.pattern.Pattern)
}
