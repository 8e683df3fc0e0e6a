package shard

import (
	"strings"

	"stentor/engine/fifo"
	"stentor/engine/history"
)

// log is the pushes of a topic or a pattern, references into history in bus order, and who gets them.
//
// Pushes are numbered from 0. Every attached subscription has those below head; while a round goes on, the first
// served of them also have those below end. A detached subscription has a number of its own.
type log struct {
	target
	pattern *patternState // nil of a topic

	entries fifo.List[*history.Entry]
	base    uint64 // number of the oldest of entries
	head    uint64
	end     uint64 // of the round under way; head when there is none

	attached []uint32 // subscriptions
	served   int      // of them in the round under way
	wrote    int32    // of those, given something since the reports were last updated
	skipped  int32    // of these, with a form that carries no binary pushes
	queued   bool     // in its project's queue
	large    bool     // the round under way brings a push that does not fit into one write
	held     bool     // kept even without subscriptions, while a write of its round is under way

	// gone are the reports of the last pushes before base that detached subscriptions may have lost.
	gone fifo.List[*history.Report]
}

func newLog(p *project, name string, pattern *patternState) *log {
	l := &log{target: target{p: p, name: strings.Clone(name)}, pattern: pattern}
	l.log = l
	return l
}

// goneReports bounds gone, and how many reports one subscription's losses update: no older push has a report that can be
// queried.
const goneReports = 10_000

func (l *log) tail() uint64                    { return l.base + uint64(l.entries.Len()) }
func (l *log) at(number uint64) *history.Entry { return l.entries.At(int(number - l.base)) }
func (l *log) inRound() bool                   { return l.end > l.head }

// advance moves head: attached subscriptions are done with every push that it passes.
func (l *log) advance(to uint64) {
	for l.head < to {
		l.at(l.head).Done()
		l.head++
	}
	l.end = l.head
	l.served = 0
	l.trim()
}

// finish drops all pushes when the last subscription is gone.
func (l *log) finish() {
	l.advance(l.tail())
}

// trim drops pushes that nobody needs: those that the rounds have passed and that no detached subscription can need, or
// that history has evicted.
func (l *log) trim() {
	if l.detached == 0 { // there may be a million: a look at each would take too long
		l.drop(int(l.head - l.base))
		l.gone = fifo.List[*history.Report]{}
		return
	}
	for l.base < l.head && (l.entries.At(0).Evicted() || l.tooLong()) {
		l.gone.Push(l.entries.At(0).Report)
		l.drop(1)
		if l.gone.Len() > goneReports || l.gone.Len() > 0 && l.tooLong() {
			l.gone.Pop()
		}
	}
}

// drop forgets the n oldest pushes.
func (l *log) drop(n int) {
	l.entries.Drop(n)
	l.base += uint64(n)
	if l.pattern != nil {
		l.p.references -= n
	}
}

// A push has a place in the log of each pattern that it matches. With a thousand patterns and one silent client for each,
// the logs alone would take sixteen times the memory of history.
const (
	mostReferences = 1 << 20 // in the logs of a project's patterns
	fairReferences = 256     // that each may have in any case
)

// tooLong reports whether l has more than its part of the references, when there are too many.
func (l *log) tooLong() bool {
	return l.pattern != nil && l.p.references > mostReferences &&
		l.entries.Len() > max(fairReferences, mostReferences/max(1, len(l.p.patterns)))
}

// lost notes in the reports of trimmed pushes that a subscription with this cursor has lost them.
func (l *log) lost(cursor uint64) {
	first := l.base - uint64(l.gone.Len())
	for n := max(cursor, first); n < l.base; n++ {
		if r := l.gone.At(int(n - first)); r != nil {
			r.Dropped.Add(1)
		}
	}
}
