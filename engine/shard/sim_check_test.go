package shard

import (
	"stentor/engine/session"
)

// settle calms the world, waits until everybody has what is theirs, and looks whether that is so. Then all leave, and
// nothing may be left of them.
func (w *world) settle() {
	w.tracef("all is calm")
	w.calm = true
	w.favour(w.profile.Seed, byOp)
	for _, n := range w.nodes {
		n.lag, n.closed = 0, false
		for _, sh := range n.shards {
			sh.stalled = 0
			for _, k := range sh.sockets {
				k.window, k.failIn, k.panicIn = 0, 0, 0
				k.flow()
			}
		}
		for _, p := range n.projects {
			if !p.served {
				n.serve(p)
			}
		}
	}
	for _, c := range w.clients {
		c.mute = false
		if l := c.link; l != nil && l.guilt != "" {
			l.abort() // it is not certain that the server has seen it that way
		}
	}
	w.idle(9 * second)
	for _, t := range w.topics {
		for _, dest := range w.profile.dests() {
			r := t.record(0, "")
			r.Destination = dest
			t.publish(r)
		}
		for _, path := range w.profile.paths() {
			for _, user := range w.profile.users() {
				r := t.record(0, "")
				r.Destination, r.User = path, user
				t.publish(r)
			}
		}
	}
	w.idle(3 * second)
	for begin := w.now; w.behind() && w.now < begin+300*second && w.err == nil; {
		w.idle(second) // an ACK for each push takes its time
	}
	if w.err == nil {
		w.checkClients()
	}
	w.checkShards()
	w.leave()
	w.checkEmpty()
}

// behind reports whether some subscription is still to be given something.
func (w *world) behind() bool {
	for _, n := range w.nodes {
		for _, sh := range n.shards {
			if len(sh.shard.followed) > 0 {
				return true
			}
		}
	}
	return false
}

// idle lets time pass without anything new.
func (w *world) idle(d int64) {
	begin := w.now
	for w.now < begin+d && w.err == nil {
		w.pass(tickTime / 2)
		for range 4 {
			w.favour(w.seed+1, byTime)
			w.pump()
		}
		for _, c := range w.clients {
			l := c.link
			if l == nil || !l.connected || l.sends == 0 || l.leaving || l.closing || l.sock.gone || l.sock.finned {
				continue
			}
			if silent := w.now - max(l.sock.wrote, begin); silent > l.sends+100*millisecond {
				w.failf("%v: no heart-beat for %d ms", l.sock, silent/millisecond)
			}
		}
	}
}

// checkClients looks whether everybody has all that is theirs.
func (w *world) checkClients() {
	for _, c := range w.clients {
		l := c.link
		switch {
		case l == nil || !l.connected || !l.live():
			w.failf("%v is not connected at the end: %+v", c, l)
			return
		case len(l.expects) > 0:
			w.failf("%v: RECEIPTs that never came: %+v", c, l.expects)
			return
		}
		for _, f := range l.feeds {
			if f.stopping {
				continue
			}
			if !f.resolved || f.outcome == pending && len(f.fresh) == 0 {
				w.failf("%v: not taken at the end: %+v", f, f)
				return
			}
			if f.outcome == pending {
				continue // it asked for no RECEIPT and got nothing
			}
			for part := range f.parts {
				f.skip(part, len(c.topic.parts[part]))
			}
			if f.told > f.sure+f.maybe && !f.vague() {
				w.failf("%v: %d pushes were told to be dropped, %d are missing", f, f.told, f.sure+f.maybe)
			}
			if len(f.tokens) > 0 {
				w.failf("%v: %d pushes are not acknowledged", f, len(f.tokens))
			}
		}
	}
	for _, a := range w.aborted {
		if a.topic.bodies[a.body] != nil {
			w.failf("%q was aborted and published", a.body)
		}
	}
}

// checkShards looks whether shards do and count what is there, with everybody attached.
func (w *world) checkShards() {
	for _, n := range w.nodes {
		for _, sh := range n.shards {
			if w.err == nil {
				sh.checkQuiet()
			}
		}
		for _, p := range n.projects {
			if pending := p.history.Pending(); pending != 0 {
				w.failf("node %d: %d bytes of %s are pending at the end", n.index, pending, p.topic.name)
			}
			sessions := 0
			for _, c := range w.clients {
				if c.link != nil && c.topic == p.topic && c.link.sock.sh.node == n {
					sessions++
				}
			}
			if p.sessions != sessions {
				w.failf("node %d: %d sessions of %s joined, %d are there", n.index, p.sessions, p.topic.name, sessions)
			}
			for _, entries := range append(p.entries[:len(p.entries):len(p.entries)], p.past) {
				for _, e := range entries {
					if e == nil {
						continue
					}
					r := e.Report
					if told := r.Written.Load() + r.Dropped.Load() + r.Failed.Load(); told > r.Matched.Load() {
						w.failf("node %d: %v of %s was for %d subscriptions, the report accounts for %d: %d written, %d dropped, %d failed",
							n.index, e.Position, p.topic.name, r.Matched.Load(), told, r.Written.Load(), r.Dropped.Load(), r.Failed.Load())
					}
				}
			}
		}
		for _, h := range n.old {
			if pending := h.Pending(); pending != 0 {
				w.failf("node %d: %d bytes of a removed project are pending at the end", n.index, pending)
			}
		}
	}
}

func (sh *simShard) checkQuiet() {
	s, w := sh.shard, sh.w
	w.audit(sh)
	subs, logs := 0, 0
	for _, k := range sh.sockets {
		subs += int(k.conn.nsubs)
		for i := k.conn.subs; i != 0; i = s.subs.at(i).next {
			if b := s.subs.at(i); b.loose {
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
	if s.Busy() {
		w.failf("%v is busy at the end", sh)
	}
}

// leave ends all connections, some politely.
func (w *world) leave() {
	w.over = true
	for _, c := range w.clients {
		c.feeds = nil
		switch l := c.link; {
		case l == nil:
		case l.live() && w.chance(2):
			l.disconnect(w.chance(2))
		default:
			l.abort()
		}
	}
	w.idle(3 * second)
}

// checkEmpty looks whether anything is left of those who left.
func (w *world) checkEmpty() {
	for _, n := range w.nodes {
		if n.opened != n.released || n.opened != n.known+n.strange {
			w.failf("node %d: %d connections were opened, %d released, %d strangers among them; %d were known", n.index, n.opened, n.released, n.strange, n.known)
		}
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
				{"connections", int(s.conns.used) - len(s.conns.free)},
				{"subscriptions", int(s.subs.used) - len(s.subs.free)},
				{"projects with detached subscriptions", len(s.followed)},
				{"bytes of strangers", int(s.strangers.held)},
				{"users", s.users.used},
				{"projects", len(s.projects)},
				{"projects with work", s.ready.Len()},
				{"timers", timers},
				{"tenants", len(s.tenants) - len(w.topics)},
				{"gauged connections", int(s.stats.Connections.Load())},
				{"gauged sessions", int(s.stats.Sessions.Load())},
				{"gauged logs", int(s.stats.Logs.Load())},
			} {
				if left.n != 0 {
					w.failf("%v: %d %s are left when all are gone", sh, left.n, left.what)
				}
			}
		}
		for _, p := range n.projects {
			if p.sessions != 0 || p.history.Pending() != 0 {
				w.failf("node %d: %d sessions and %d pending bytes of %s are left", n.index, p.sessions, p.history.Pending(), p.topic.name)
			}
			if p.share.Held() != 0 || p.share.sessions != 0 {
				w.failf("node %d: %d bytes of %d sessions of %s are held", n.index, p.share.Held(), p.share.sessions, p.topic.name)
			}
		}
		if n.strangers.Held() != 0 || n.budget.Used() != 0 {
			w.failf("node %d: %d bytes of strangers are held, %d in all", n.index, n.strangers.Held(), n.budget.Used())
		}
	}
}

// audit checks what must hold in a shard between any two calls.
func (w *world) audit(sh *simShard) {
	if w.err != nil {
		return
	}
	s := sh.shard
	if len(s.machine.Out) > 0 {
		w.failf("%v: %d bytes of answers belong to nobody", sh, len(s.machine.Out))
	}
	detached, resuming := map[*log]int{}, map[*log]int{}
	for place, p := range s.followed {
		if p.place != place || len(p.detached) == 0 || s.projects[p.settings.Name] != p {
			w.failf("%v: project %s: %+v", sh, p.settings.Name, p)
		}
		for place, i := range p.detached {
			b := s.subs.at(i)
			if !b.loose || int(b.place) != place || b.follow == nil || b.log.p != p {
				w.failf("%v: detached subscription %d: %+v", sh, i, b)
				return
			}
			detached[b.log]++
			if b.follow.resuming != nil {
				resuming[b.log]++
			}
		}
	}
	for name, p := range s.projects {
		if p.settings.Name != name || p.sessions == 0 {
			w.failf("%v: project %s has %d sessions", sh, name, p.sessions)
		}
		held := 0
		for l := range p.all() {
			w.auditLog(sh, l, detached[l], resuming[l])
			held += l.cost()
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

// auditHeld counts again what the connections of p hold beside held.
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

func (w *world) auditLog(sh *simShard, l *log, detached, resuming int) {
	s := sh.shard
	ok := l.base <= l.head && l.head <= l.end && l.end <= l.tail() && l.served <= len(l.attached) && l.detached == detached &&
		l.resuming == resuming && !l.held && (detached > 0 || l.gone.Len() == 0)
	if !l.inRound() {
		ok = ok && l.served == 0
	}
	for place, i := range l.attached {
		b := s.subs.at(i)
		ok = ok && b.log == l && !b.loose && int(b.place) == place
	}
	if !ok || l.subscriptions() == 0 {
		w.failf("%v: log %s: %+v, %d are detached", sh, l.name, l, detached)
	}
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
		attached := !b.loose && b.log.kind != userQueue
		if b.conn != c.idx || b.log.p != c.project || attached && b.log.attached[b.place] != i || b.loose && c.project.detached[b.place] != i {
			w.failf("%v: subscription %d: %+v", k, i, b)
			return
		}
	}
	if n != int(c.nsubs) || c.sess.Phase != session.Connected && n > 0 || c.timer.due == 0 {
		w.failf("%v: %d subscriptions, %d counted, phase %d, timer %d", k, n, c.nsubs, c.sess.Phase, c.timer.due)
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
