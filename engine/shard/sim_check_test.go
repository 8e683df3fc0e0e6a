package shard

import "slices"

// conclude ends all faults, waits until every client has all of its pushes, and checks that. Then all clients leave, and no state of
// theirs may remain.
func (w *world) conclude() {
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
		if l := c.link; l != nil && (l.guilt != "" || l.late) {
			l.abort() // the server may not have noticed, or not soon
		}
	}
	w.idle(9 * second)
	for _, t := range w.topics {
		for _, pushes := range t.parts {
			t.last = append(t.last, len(pushes))
		}
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
	for begin := w.now; w.unserved() && w.now < begin+300*second && w.err == nil; {
		w.idle(second) // an ACK for each push takes its time
	}
	if w.err == nil {
		w.checkClients()
	}
	w.checkShards()
	w.leave()
	w.checkEmpty()
}

// unserved reports whether some subscription still lacks a push.
func (w *world) unserved() bool {
	for _, c := range w.clients {
		if c.link == nil {
			return true
		}
		for _, f := range c.link.feeds {
			if !f.stopping && (len(f.tokens) > 0 || !f.vague() && f.lacks() > f.told-f.sure) {
				return true
			}
		}
	}
	for _, n := range w.nodes {
		for _, sh := range n.shards {
			if sh.shard.Stats().Detached.Load() > 0 || sh.shard.busy() {
				return true
			}
		}
	}
	return false
}

// lacks is how many pushes the client still lacks.
func (f *feed) lacks() (n int) {
	for part := range f.parts {
		x := f.parts[part]
		for _, p := range f.c.topic.parts[part][min(max(x.next, x.must), len(f.c.topic.parts[part])):] {
			if f.gets(p) && p.record.Session == "" && p.expires == 0 && !f.leapt(part, p.index) {
				n++
			}
		}
	}
	return n
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

// checkClients checks that every client has all of its pushes.
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
			if !f.taken || f.outcome == pending && f.awaits() {
				w.failf("%v: not taken at the end: %+v", f, f)
				return
			}
			if f.outcome == pending {
				continue // it asked for no RECEIPT, and nothing was for it
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

// checkShards checks the state and counters of shards while every subscription is attached.
func (w *world) checkShards() {
	for _, n := range w.nodes {
		for _, sh := range n.shards {
			if w.err == nil {
				sh.quietWhiteBox()
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
			w.checkReports(n, p)
		}
		for _, h := range n.old {
			if pending := h.Pending(); pending != 0 {
				w.failf("node %d: %d bytes of a removed project are pending at the end", n.index, pending)
			}
		}
	}
}

// checkReports checks that a node's delivery reports are consistent, and agree with what was written.
func (w *world) checkReports(n *simNode, p *simProject) {
	written, failed := 0, 0
	all := slices.Clone(p.past)
	for _, reads := range p.reads {
		all = append(all, entriesOf(reads)...)
	}
	for _, e := range all {
		r := e.Report
		if told := r.Written.Load() + r.Dropped.Load() + r.Failed.Load(); told > r.Matched.Load() {
			w.failf("node %d: %v of %s was for %d subscriptions, the report accounts for %d: %d written, %d dropped, %d failed",
				n.index, e.Position, p.topic.name, r.Matched.Load(), told, r.Written.Load(), r.Dropped.Load(), r.Failed.Load())
		}
		written += int(r.Written.Load())
		failed += int(r.Failed.Load())
	}
	if p.frames < written || p.frames > written+failed {
		w.failf("node %d: %d MESSAGEs of %s were written, the reports tell of %d, and %d that failed", n.index, p.frames, p.topic.name, written, failed)
	}
}

// awaits reports whether one of the final pushes is for f.
func (f *feed) awaits() bool {
	for part, pushes := range f.c.topic.parts {
		from := f.c.topic.last[part]
		for _, claim := range f.claims {
			if int(claim.Partition) == part {
				from = max(from, f.c.topic.past(claim))
			}
		}
		if from < len(pushes) && slices.ContainsFunc(pushes[from:], f.gets) {
			return true
		}
	}
	return false
}

// leave ends all connections, some of them in order.
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

// checkEmpty checks that no state of clients that left remains.
func (w *world) checkEmpty() {
	for _, n := range w.nodes {
		if n.opened != n.released || n.opened != n.known+n.strange {
			w.failf("node %d: %d connections were opened, %d released, %d strangers among them; %d were known", n.index, n.opened, n.released, n.strange, n.known)
		}
		for _, sh := range n.shards {
			x := sh.shard.Stats()
			if left := x.Connections.Load() + x.Greeting.Load() + x.Sessions.Load() + x.Subscriptions.Load() + x.Detached.Load() + x.Logs.Load(); left != 0 {
				w.failf("%v: its gauges say that something is left when all are gone", sh)
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
	w.emptyWhiteBox()
}
