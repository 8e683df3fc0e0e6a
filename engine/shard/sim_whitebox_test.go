package shard

import (
	"iter"
	"slices"

	"stentor/engine/session"
)

// White-box invariants: what must hold inside a shard between any two calls, when nothing is left to do, and when all
// clients have left. They look into the shard, and do not judge what clients receive: the rest of the simulation
// does, which sees only clients, sockets and the bus.

// quietWhiteBox checks what must hold when nothing is left to do and every subscription is attached.
func (sh *simShard) quietWhiteBox() {
	s, w := sh.shard, sh.w
	w.auditWhiteBox(sh)
	subs, logs := 0, 0
	for _, k := range sh.sockets {
		subs += int(k.conn.nsubs)
		for i := k.conn.subs; i != 0; i = s.subs.at(i).next {
			if b := s.subs.at(i); b.state.detached() {
				w.failf("%v: %q is detached at the end: %+v", k, b.id.key.id, b.follow)
			}
		}
	}
	for _, p := range s.projects {
		logs += len(p.logs) + len(p.patterns)
		if err := p.checkShares(); err != nil {
			w.failf("%v: %v", sh, err)
		}
		if p.unicast.entries.Len() > 0 {
			w.failf("%v: %d pushes to users of %s wait at the end", sh, p.unicast.entries.Len(), p.settings.Name)
		}
		for _, l := range p.logs {
			if l.head != l.tail() || l.base != l.head {
				w.failf("%v: log %s has %d..%d..%d at the end", sh, l.name, l.base, l.head, l.tail())
			}
		}
	}
	x := &s.stats
	for _, g := range []struct {
		name      string
		have, say int64
	}{
		{"connections", int64(len(sh.sockets)), x.Connections.Load()},
		{"greeting", 0, x.Greeting.Load()},
		{"sessions", int64(len(sh.sockets)), x.Sessions.Load()},
		{"subscriptions", int64(subs), x.Subscriptions.Load()},
		{"detached", 0, x.Detached.Load()},
		{"logs", int64(logs), x.Logs.Load()},
	} {
		if g.have != g.say {
			w.failf("%v: the gauge of %s says %d, there are %d", sh, g.name, g.say, g.have)
		}
	}
	if s.busy() {
		w.failf("%v is busy at the end", sh)
	}
}

// emptyWhiteBox checks that a shard keeps no state of clients that left.
func (w *world) emptyWhiteBox() {
	for _, n := range w.nodes {
		for _, sh := range n.shards {
			s := sh.shard
			timers := 0
			for _, head := range s.wheel.slots {
				if head != 0 {
					timers++
				}
			}
			for _, left := range []struct {
				what string
				n    int
			}{
				{"sockets", len(sh.sockets)},
				{"connections", s.conns.live},
				{"subscriptions", s.subs.live},
				{"projects with detached subscriptions", len(s.followed)},
				{"bytes of strangers", int(s.strangers.held)},
				{"users", s.users.count()},
				{"projects", len(s.everyProject())},
				{"projects with work", s.ready.Len()},
				{"timers", timers},
				{"tenants", len(s.tenants) - len(w.topics)},
				{"renewals", len(s.renewals)},
				{"gauged connections", int(s.stats.Connections.Load())},
				{"gauged sessions", int(s.stats.Sessions.Load())},
				{"gauged logs", int(s.stats.Logs.Load())},
			} {
				if left.n != 0 {
					w.failf("%v: %d %s are left when all are gone", sh, left.n, left.what)
				}
			}
		}
	}
}

// everyProject returns the projects with sessions, also those that are no longer served.
func (s *Shard) everyProject() (all []*project) {
	for _, p := range s.projects {
		all = append(all, p)
	}
	for _, r := range s.removals.Items() {
		if r.p.counts.sessions.Load() > 0 {
			all = append(all, r.p)
		}
	}
	return all
}

// busy reads all pages of Busy.
func (s *Shard) busy() bool {
	for busy, next := s.Busy(0); ; busy, next = s.Busy(next) {
		if busy || next == 0 {
			return busy
		}
	}
}

// auditWhiteBox checks what must hold in a shard between any two calls.
func (w *world) auditWhiteBox(sh *simShard) {
	if w.err != nil {
		return
	}
	s := sh.shard
	if len(s.machine.Out) > 0 {
		w.failf("%v: %d bytes of answers belong to nobody", sh, len(s.machine.Out))
	}
	subs, detached, resumes := map[*target]int32{}, map[*target]int32{}, map[*target]int32{}
	for _, k := range sh.sockets {
		for i := k.conn.subs; i != 0; i = s.subs.at(i).next {
			subs[s.subs.at(i).target]++
		}
	}
	for place, p := range s.followed {
		if p.place != place || len(p.detached) == 0 || !slices.Contains(s.everyProject(), p) {
			w.failf("%v: project %s: %+v", sh, p.settings.Name, p)
		}
		for place, i := range p.detached {
			b := s.subs.at(i)
			if !b.state.detached() || int(b.place) != place || b.follow == nil || b.target.p != p {
				w.failf("%v: detached subscription %d: %+v", sh, i, b)
				return
			}
			detached[b.target]++
			if b.state == resuming {
				resumes[b.target]++
			}
		}
	}
	for name, p := range s.projects {
		if p.settings.Name != name {
			w.failf("%v: project %s has the name %s", sh, p.settings.Name, name)
		}
	}
	for _, p := range s.everyProject() {
		name := p.settings.Name
		if p.counts.sessions.Load() == 0 {
			w.failf("%v: project %s has %d sessions", sh, name, p.counts.sessions.Load())
		}
		held := 0
		for t := range p.all() {
			w.auditTarget(sh, t, subs[t], detached[t], resumes[t])
			held += t.cost()
		}
		for _, id := range p.ids {
			held += id.cost()
		}
		w.auditHeld(sh, p, &p.pool, held)
	}
	w.auditHeld(sh, nil, &s.strangers, 0)
	for _, k := range sh.sockets {
		w.auditConn(sh, k)
	}
}

// auditHeld recounts what the connections of p hold, to compare with held.
func (w *world) auditHeld(sh *simShard, p *project, pool *pool, held int) {
	for _, k := range sh.sockets {
		c := k.conn
		if c.project != p {
			continue
		}
		held += int(c.held)
		for i := c.subs; i != 0; i = sh.shard.subs.at(i).next {
			b := sh.shard.subs.at(i)
			held += subCost + b.window() + b.resumes()
		}
		if now := c.holds(); now > int(c.held) {
			w.failf("%v: holds %d bytes, %d are counted", k, now, c.held)
		}
	}
	if int(pool.held) != held {
		w.failf("%v: %d bytes are held, %d counted", sh, held, pool.held)
	}
}

func (w *world) auditTarget(sh *simShard, t *target, subs, detached, resumes int32) {
	ok := t.subscriptions == subs && t.detached == detached && t.resuming == resumes && t.subscriptions > 0
	if l := t.log; l != nil {
		ok = ok && &l.target == t && t.subscriptions == int32(len(l.attached))+detached && sh.shard.sound(l)
	}
	if !ok {
		w.failf("%v: %s: %+v, %+v, %d subscriptions, %d of them detached", sh, t.shown(), t, t.log, subs, detached)
	}
}

// sound reports whether the state of l is consistent.
func (s *Shard) sound(l *log) (ok bool) {
	ok = l.base <= l.head && l.head <= l.end && l.end <= l.tail() && l.served <= len(l.attached) &&
		!l.held && (l.detached > 0 || l.gone.Len() == 0)
	if !l.inRound() {
		ok = ok && l.served == 0
	}
	for place, i := range l.attached {
		b := s.subs.at(i)
		ok = ok && b.target == &l.target && b.state == attached && int(b.place) == place
	}
	return ok
}

func (w *world) auditConn(sh *simShard, k *simSocket) {
	s, c := sh.shard, k.conn
	if c.state != stateOpen || c.socket != Socket(k) {
		w.failf("%v: its connection is %+v", k, c)
		return
	}
	n := 0
	for i := c.subs; i != 0; i = s.subs.at(i).next {
		b := s.subs.at(i)
		n++
		if b.conn != c.idx || b.target.p != c.project || b.state == none ||
			b.state == attached && b.target.log.attached[b.place] != i || b.state.detached() && c.project.detached[b.place] != i ||
			(b.state == resuming) != (b.follow != nil && b.follow.resume != nil) || b.target.log == nil && b.state == attached ||
			b.target.log != nil && b.state == direct {
			w.failf("%v: subscription %d: %+v", k, i, b)
			return
		}
	}
	if n != int(c.nsubs) || c.sess.Phase != session.Connected && n > 0 || c.timer.due == 0 {
		w.failf("%v: %d subscriptions, %d counted, phase %d, timer %d", k, n, c.nsubs, c.sess.Phase, c.timer.due)
	}
	if _, renews := s.renewals[c.idx]; renews != c.renews {
		w.failf("%v: renews %v, under way %v", k, c.renews, renews)
	}
	// Its timer comes with the end of its token, unless that has passed.
	const tick = tickMillis * millisecond
	if end := (int64(c.expires)-simWall.Unix())*second + second + tick; c.sess.Phase == session.Connected && c.expires != 0 &&
		int64(c.timer.due)*tick > max(end, s.now+2*tick, int64(s.wheel.now+2)*tick) {
		w.failf("%v: its token ends at %d, its timer comes at %d", k, end, int64(c.timer.due)*tick)
	}
	if c.project != nil && c.user != "" {
		at := s.sessionsOf(c.project, c.user)
		for at != 0 && at != c.idx {
			at = s.conns.at(at).userNext
		}
		if at == 0 {
			w.failf("%v: not found by its user", k)
		}
	}
}

// all are the targets of p.
func (p *project) all() iter.Seq[*target] {
	return func(yield func(*target) bool) {
		for _, logs := range []map[string]*log{p.logs, p.patterns} {
			for _, l := range logs {
				if !yield(&l.target) {
					return
				}
			}
		}
		for _, t := range p.users {
			if !yield(t) {
				return
			}
		}
	}
}
