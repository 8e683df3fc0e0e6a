package engine

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"stentor/engine/bus"
	"stentor/engine/history"
	"stentor/engine/refusal"
	"stentor/engine/shard"
)

// project is a tenant on this node. Its history and counters outlive a reload.
type project struct {
	name     string
	history  *history.Log
	share    *shard.Share // of what the node's sessions may hold
	settings atomic.Pointer[shard.Settings]
	limit    atomic.Int64 // sessions; 0 unlimited
	sessions atomic.Int64
	full     atomic.Uint64 // sessions refused by limit
	packing  atomic.Int64  // sessions that accept compressed pushes
	packTime allowance     // see packing
	pushes   atomic.Pointer[rate.Limiter]
	senders  atomic.Pointer[senders]
	reports  reports
	inquiry  inquiry

	accepted atomic.Uint64 // pushes
	expired  atomic.Uint64 // pushes that were too old when they came from the bus
	repeated atomic.Uint64 // pushes that the bus brought again
	busy     atomic.Uint64 // refused: too many bytes on the way
	limited  atomic.Uint64 // refused: too many a second
}

// SetProjects replaces the set of projects: at the start, and at a reload. Connections stay open; the sessions of a removed
// project are closed.
func (n *Node) SetProjects(list []Project) {
	n.reload.Lock()
	defer n.reload.Unlock()
	old := n.tenants.Load()
	now := make(map[string]*project, len(list))
	for _, conf := range list {
		p := (*old)[conf.Name]
		if p == nil {
			p = &project{name: conf.Name, history: history.NewLog(n.opts.History), share: n.budget.Share(shard.Allowance), inquiry: newInquiry()}
			if len(*old) == 0 { // the node starts
				n.floors.recall(p, n.opts.History.Bytes)
			}
		}
		p.configure(conf)
		settings := p.settings.Load()
		n.everywhere(func(s *shard.Shard) { s.SetProject(settings) })
		now[conf.Name] = p
	}
	n.tenants.Store(&now)
	topics := make([]bus.Topic, len(list))
	for i, conf := range list {
		topics[i] = bus.Topic{Project: conf.Name, Name: conf.Topic, In: conf.InTopic}
	}
	n.bus.SetProjects(topics)
	for name := range *old {
		if now[name] == nil {
			n.everywhere(func(s *shard.Shard) { s.RemoveProject(name) })
		}
	}
}

func (p *project) configure(conf Project) {
	p.limit.Store(int64(conf.Connections))
	limit, burst := rate.Inf, 0
	if conf.PushesPerSecond > 0 {
		limit, burst = rate.Limit(conf.PushesPerSecond), max(1, int(conf.PushesPerSecond))
	}
	// A changed limit begins with a full bucket: SetLimit would leave it as empty as it was without a limit.
	if old := p.pushes.Load(); old == nil || old.Limit() != limit {
		p.pushes.Store(rate.NewLimiter(limit, burst))
		p.senders.Store(newSenders(limit))
	}
	p.settings.Store(&shard.Settings{
		Name:        conf.Name,
		History:     p.history,
		Rights:      &rights{project: conf.Auth},
		Patterns:    conf.Patterns,
		Slow:        conf.Slow,
		SlowTimeout: conf.SlowTimeout,
		AckWindow:   conf.AckWindow,
		Share:       p.share,
		Packing:     &p.packing,
	})
}

func (n *Node) project(name string) *project { return (*n.tenants.Load())[name] }

// everywhere makes each shard run f in its loop.
func (n *Node) everywhere(f func(*shard.Shard)) {
	for _, s := range n.shards {
		s.Post(func() { f(s) })
	}
}

// Applied waits until every loop uses what SetProjects set before.
func (n *Node) Applied(ctx context.Context) error {
	for _, s := range n.shards {
		if _, err := ask(ctx, s, func(*shard.Shard) bool { return true }); err != nil {
			return err
		}
	}
	return nil
}

// Join implements shard.Env.
func (e *env) Join(s *shard.Settings, user string) refusal.Reason {
	p := e.node.project(s.Name)
	if p == nil || p.history != s.History {
		return refusal.ProjectGone
	}
	if !e.node.users.join(s.History, user) {
		return refusal.SessionsPerUser
	}
	if limit := p.limit.Load(); p.sessions.Add(1) > limit && limit > 0 {
		p.sessions.Add(-1)
		p.full.Add(1)
		e.node.users.leave(s.History, user)
		return refusal.ProjectFull
	}
	return refusal.None
}

// Leave implements shard.Env. A project that was removed and added again is a different one: its history shows it.
func (e *env) Leave(s *shard.Settings, user string) {
	e.node.users.leave(s.History, user)
	if p := e.node.project(s.Name); p != nil && p.history == s.History {
		p.sessions.Add(-1)
	}
}

// Allow implements shard.Env. What a project's clients send counts against its pushes a second and its bytes on the way, of
// which they leave half to the back ends: clients cannot use up the back ends' part, nor one client that of all others.
// Several at once are one transaction, which must go out whole or not at all.
func (e *env) Allow(s *shard.Settings, h shard.Holder, sends, bytes int) error {
	p := e.node.project(s.Name)
	if p == nil {
		return bus.ErrUnknownProject
	}
	if e.node.draining.Load() {
		return bus.ErrClosed
	}
	pushes := p.pushes.Load()
	if sends > 1 && pushes.Limit() != rate.Inf && sends > pushes.Burst() {
		p.limited.Add(1)
		return shard.ErrNever
	}
	if err := e.node.bus.Room(s.Name, sends, bytes+int(e.node.opts.Limits.PendingBytes/2)); err != nil {
		return err
	}
	now := time.Now()
	if !leavesHalf(pushes, now, sends) || !p.senders.Load().allow(h, sends, now) || !pushes.AllowN(now, sends) {
		p.limited.Add(1)
		return bus.ErrRateLimited
	}
	return nil
}

// leavesHalf reports whether a bucket is still half full without n of its tokens. More than half can be taken only from a
// full one.
func leavesHalf(bucket *rate.Limiter, now time.Time, n int) bool {
	if bucket.Limit() == rate.Inf {
		return true
	}
	tokens, burst := bucket.TokensAt(now), float64(bucket.Burst())
	return tokens >= burst || tokens-float64(n) >= float64(bucket.Burst()/2)
}

// Publish implements shard.Env.
func (e *env) Publish(r *bus.Record, done func(bus.Position, error)) {
	if p := e.node.project(r.Project); p != nil && r.ID != "" {
		if pos, known := p.history.Known(r.ID); known { // sent again: it need not go out again
			done(pos, nil)
			return
		}
	}
	e.node.bus.Publish(r, done)
}

// Forward implements shard.Env.
func (e *env) Forward(m *bus.Inbound, done func(error)) { e.node.bus.Forward(m, done) }
