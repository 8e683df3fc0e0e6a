package shard

import (
	"math"
	"sync"
)

// Allowance is how many bytes each session may hold whatever others do: some subscriptions and a small incomplete frame.
const Allowance = 4 << 10

// Budget bounds the memory that the sessions of a node hold above their allowance: incomplete or waiting input, answers
// owed, transactions, subscriptions with their destinations and ids, ACK windows. Any goroutine may use it.
//
// A project may use as much as is left for the others, and a session an eighth of what is left to its project. So one
// that takes much leaves room to all that take little, and a late one has a share of what is left.
type Budget struct {
	most int64

	mu   sync.Mutex
	used int64 // excess of all shares
}

// NewBudget returns a budget of so many bytes; 0 means no bound, but the bytes are still counted.
func NewBudget(most int64) *Budget {
	if most == 0 {
		most = math.MaxInt64 / 4
	}
	return &Budget{most: most}
}

// Share returns a new share of the budget, as a project has one. allowance is what each of its sessions adds to it.
func (b *Budget) Share(allowance int64) *Share { return &Share{budget: b, allowance: allowance} }

// Used is how many bytes are held above the allowances.
func (b *Budget) Used() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

// Share is what the sessions of one project hold, on all shards. Any goroutine may use it. The shards report to it in
// portions, see pool.
type Share struct {
	budget    *Budget
	allowance int64

	held, sessions, excess int64 // under budget.mu
}

// add counts bytes and sessions: added ones, or, below 0, removed ones.
func (s *Share) add(bytes, sessions int64) {
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	s.held += bytes
	s.sessions += sessions
	excess := max(0, s.held-s.sessions*s.allowance)
	s.budget.used += excess - s.excess
	s.excess = excess
}

// Held is how many bytes the sessions of the share hold.
func (s *Share) Held() int64 {
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	return s.held
}

// most is how much one session may hold now.
func (s *Share) most() int64 {
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	return max(s.allowance, (s.budget.most-s.budget.used-s.excess)/8)
}

// pool is one shard's part of a share. The loop owns it.
type pool struct {
	share    *Share // nil: nobody counts
	held     int64
	untold   int64 // of it, not yet reported to share
	sessions int64 // added or removed, not yet reported to share
}

// told is how many bytes a pool may leave unreported, so that not every subscription takes a lock.
const told = 16 << 10

func (p *pool) add(bytes int) {
	p.held += int64(bytes)
	p.untold += int64(bytes)
	if p.untold >= told || p.untold <= -told || p.held == 0 {
		p.tell()
	}
}

func (p *pool) enter() { p.sessions++; p.tell() }
func (p *pool) leave() { p.sessions--; p.tell() }

func (p *pool) tell() {
	if p.share != nil && (p.untold != 0 || p.sessions != 0) {
		p.share.add(p.untold, p.sessions)
	}
	p.untold, p.sessions = 0, 0
}

// tooMuch reports whether a session that holds so much holds more than its share.
func (p *pool) tooMuch(held int) bool {
	if p.share == nil || int64(held) <= p.share.allowance {
		return false
	}
	p.tell()
	return int64(held) > p.share.most()
}
