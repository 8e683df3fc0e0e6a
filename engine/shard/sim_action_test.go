package shard

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gobwas/ws"

	"stentor/engine/bus"
	"stentor/engine/history"
	"stentor/engine/session"
	"stentor/stomp"
)

// weighted is something that can happen, and how often.
type weighted struct {
	name   string
	weight int
	do     func(*world)
}

// simActions are all that can happen. Each seed chooses how often it likes each, some never.
var simActions = []weighted{
	{"publish", 30, (*world).publishSome},
	{"connect", 14, (*world).connectSome},
	{"subscribe", 14, func(w *world) { w.with((*simLink).subscribe) }},
	{"unsubscribe", 4, func(w *world) { w.with((*simLink).unsubscribe) }},
	{"subscribe twice", 1, func(w *world) { w.with((*simLink).subscribeTwice) }},
	{"subscribe in vain", 1, func(w *world) { w.with((*simLink).subscribeInVain) }},
	{"ack", 10, func(w *world) { w.with((*simLink).ackSome) }},
	{"send", 5, func(w *world) { w.with((*simLink).sendSome) }},
	{"transaction", 3, func(w *world) { w.with((*simLink).transact) }},
	{"disconnect", 1, func(w *world) { w.with((*simLink).disconnect) }},
	{"break a rule", 1, func(w *world) { w.with((*simLink).breakRule) }},
	{"client closes", 1, func(w *world) { w.with((*simLink).closeNow) }},
	{"abort", 2, (*world).abortSome},
	{"block", 6, (*world).blockSome},
	{"kick", 1, (*world).kickSome},
	{"stall", 2, (*world).stallSome},
	{"lag", 2, (*world).lagSome},
	{"reload", 1, (*world).reloadSome},
	{"remove", 1, (*world).removeSome},
	{"drain", 1, (*world).drainSome},
	{"die", 1, (*world).dieSome},
	{"epoch", 1, (*world).epochSome},
	{"evict", 3, (*world).evictSome},
	{"jump", 1, (*world).jumpSome},
	{"grow", 1, (*world).growSome},
	{"read again", 1, (*world).readAgain},
	{"query", 1, (*world).querySome},
}

// rare actions change so much that they are not tried at each seed.
var rare = map[string]bool{"remove": true, "drain": true, "die": true, "epoch": true, "reload": true, "jump": true, "grow": true}

func (w *world) chooseActions() {
	for _, a := range simActions {
		switch {
		case rare[a.name] && w.rng.IntN(4) > 0:
			continue
		case !rare[a.name]:
			a.weight *= []int{1, 2, 4, 8}[w.rng.IntN(4)]
		}
		w.actions = append(w.actions, a)
		w.weight += a.weight
	}
}

// act has one thing happen.
func (w *world) act() {
	n := w.rng.IntN(w.weight)
	for _, a := range w.actions {
		if n -= a.weight; n < 0 {
			a.do(w)
			return
		}
	}
}

// with picks a client that can ask for something.
func (w *world) with(do func(*simLink)) {
	if l := pick(w, w.clients).link; l != nil && l.live() {
		do(l)
	}
}

func (w *world) publishSome() {
	t := pick(w, w.topics)
	n := 1
	if w.chance(4) {
		n += w.rng.IntN(20)
	}
	if w.chance(3) {
		// All to the same.
		r := t.random()
		for range n {
			another := t.record(w.size())
			another.Destination, another.User, another.Session, another.TTL = r.Destination, r.User, r.Session, r.TTL
			t.publish(another)
		}
		return
	}
	for range n {
		t.publish(t.random())
	}
}

func (w *world) connectSome() {
	if c := pick(w, w.clients); c.link == nil && w.now >= c.away {
		c.connect()
	}
}

// maxSubs is below the limit of a session, which is broken on purpose only.
const maxSubs = 9

func (l *simLink) subscribe() {
	c, w := l.c, l.w
	if len(c.feeds) >= maxSubs || len(l.feeds) >= maxSubs {
		return
	}
	dest := pick(w, c.topic.dests)
	switch w.rng.IntN(4) {
	case 0:
		if c.user != "" {
			dest = userPrefix + pick(w, c.topic.paths)
		}
	case 1:
		if c.answer == "" {
			dest = pick(w, []string{"/topic/*", "/topic/**", "/topic/c/*", "/topic/?", "/**"})
		}
	}
	// Many have the same ids, on purpose.
	id := pick(w, []string{"sub-", "a:", "b\\", "0."}) + strconv.Itoa(c.ids)
	c.ids++
	if w.profile.Crowded && !slices.ContainsFunc(slices.Concat(c.feeds, l.feeds), func(f *feed) bool { return f.id == dest }) {
		id = dest // the same as everybody's
	}
	if c.version == stomp.V10 && w.chance(2) {
		id = ""
		for _, f := range slices.Concat(c.feeds, l.feeds) {
			if f.id == "" {
				return // which MESSAGE is whose could not be told
			}
		}
		if dest[len(dest)-1] == '*' || dest[len(dest)-1] == '?' {
			return
		}
	}
	f := c.newFeed(dest, id)
	f.ack = session.AckMode(w.rng.IntN(3))
	f.receipts = w.rng.IntN(5) > 0
	c.feeds = append(c.feeds, f)
	switch w.rng.IntN(8) {
	case 0:
		text, claims := c.topic.invent()
		f.ask(l, text, claims, true)
	case 1:
		text := pick(w, []string{"x", "1-2", "2s-0-0,", "zz-0-5", "undefined", "2s-99-1", "-1", "2s-0-5-7"})
		f.ask(l, text, nil, true)
	default:
		f.ask(l, "", nil, false)
	}
}

func (l *simLink) unsubscribe() {
	w := l.w
	if len(l.feeds) == 0 || w.chance(10) {
		l.send(stomp.Unsubscribe, "", nil, "id", "unknown")
		return
	}
	f := pick(w, l.feeds)
	if f.stopping {
		return
	}
	f.stopping = true
	var e *expect
	if w.chance(2) {
		e = &expect{feed: f}
	}
	l.guard(e)
	if f.id == "" {
		l.send(stomp.Unsubscribe, "", e, "destination", f.dest)
	} else {
		l.send(stomp.Unsubscribe, "", e, "id", f.id)
	}
	for i := range l.c.feeds {
		if l.c.feeds[i] == f {
			l.c.feeds = append(l.c.feeds[:i:i], l.c.feeds[i+1:]...)
			return
		}
	}
}

// subscribeTwice uses an id again that stands: the first subscription stays.
func (l *simLink) subscribeTwice() {
	for _, f := range l.feeds {
		if f.registered && !f.stopping && f.id != "" {
			e := &expect{}
			l.guard(e)
			l.send(stomp.Subscribe, "", e, "destination", "/topic/c/d", "id", f.id)
			return
		}
	}
}

func (l *simLink) subscribeInVain() {
	e := &expect{}
	l.guard(e)
	l.send(stomp.Subscribe, "", e, "destination", "/none/x", "id", "vain")
}

func (l *simLink) ackSome() {
	if l.w.chance(6) {
		switch l.c.version {
		case stomp.V12:
			id := pick(l.w, []string{"undefined", "", "2s-0-1", "2s-0-1.sub-1"})
			l.send(stomp.Ack, "", nil, "id", id)
			l.acknowledged(id)
		default:
			l.send(stomp.Ack, "", nil, "message-id", "2s-0-99999", "subscription", "sub-0")
		}
	}
	if len(l.feeds) > 0 {
		f := pick(l.w, l.feeds)
		f.acknowledge(1 + l.w.rng.IntN(4))
	}
}

// acknowledged notes what an ACK does that the client made up itself: one that names a push without a subscription is for
// all of them.
func (l *simLink) acknowledged(id string) {
	for _, f := range l.feeds {
		at := slices.IndexFunc(f.tokens, func(token string) bool {
			return token == id || id != "" && !strings.Contains(id, ".") && strings.HasPrefix(token, id+".")
		})
		switch {
		case at < 0:
		case f.ack == session.AckClient:
			f.tokens = f.tokens[at+1:]
		default:
			f.tokens = slices.Concat(f.tokens[:at], f.tokens[at+1:])
		}
	}
}

// body of a SEND, like no other.
func (l *simLink) body() string {
	l.w.serial++
	b := l.c.topic.name + "|sent|" + strconv.Itoa(l.w.serial)
	l.w.senders[b] = l
	return b
}

func (l *simLink) sendSome() {
	w := l.w
	b := l.body()
	e := &expect{bodies: []string{b}}
	if w.chance(3) {
		e = nil
	}
	l.guard(&expect{})
	l.silent = append(l.silent, w.now)
	headers := []string{"destination", pick(w, l.c.topic.dests)}
	switch w.rng.IntN(6) {
	case 0:
		headers = []string{"destination", pick(w, []string{"/none/x", "/app/x"})}
		if e != nil {
			e.bodies = nil
		}
	case 1:
		headers = []string{"destination", "/user/c%2Fd/queue/x"}
	}
	if len(l.txs) > 0 && w.chance(2) {
		tx := pick(w, l.txs)
		if strings.HasPrefix(headers[1], "/topic/") || strings.HasPrefix(headers[1], "/user/") {
			tx.bodies = append(tx.bodies, b)
		}
		if e != nil {
			e.bodies = nil
		}
		headers = append(headers, "transaction", tx.name)
	}
	l.send(stomp.Send, b, e, headers...)
}

func (l *simLink) transact() {
	w := l.w
	if len(l.txs) == 0 || w.chance(4) && len(l.txs) < 4 && !w.calm {
		w.serial++
		tx := &simTx{name: "tx" + strconv.Itoa(w.serial)}
		l.txs = append(l.txs, tx)
		l.send(stomp.Begin, "", nil, "transaction", tx.name)
		return
	}
	tx := l.txs[0]
	l.txs = l.txs[1:]
	e := &expect{}
	for range tx.bodies {
		l.silent = append(l.silent, w.now)
	}
	l.guard(e)
	if w.chance(3) {
		for _, b := range tx.bodies {
			w.senders[b] = nil
			w.aborted = append(w.aborted, aborted{l.c.topic, b})
		}
		for _, a := range slices.Backward(tx.acks) { // the oldest come first again: an ACK is for all before it, too
			a.feed.tokens = slices.Concat(a.tokens, a.feed.tokens)
		}
		l.send(stomp.Abort, "", e, "transaction", tx.name)
		return
	}
	e.bodies = tx.bodies
	l.send(stomp.Commit, "", e, "transaction", tx.name)
}

// aborted is a SEND that must never be published.
type aborted struct {
	topic *simTopic
	body  string
}

func (l *simLink) disconnect() {
	var e *expect
	if l.w.chance(2) {
		e = &expect{}
	}
	l.guard(e)
	l.send(stomp.Disconnect, "", e)
	l.seal()
	l.leaving = true
	for _, f := range l.feeds {
		f.stopping = true
	}
	l.c.feeds = nil
}

func (l *simLink) breakRule() {
	if l.c.good {
		return
	}
	switch l.w.rng.IntN(6) {
	case 0:
		l.blame(session.CodeForbidden)
		l.send(stomp.Subscribe, "", nil, "destination", "/topic/forbidden", "id", "f")
	case 1:
		l.blame(session.CodeForbidden)
		l.send(stomp.Send, "x", nil, "destination", "/topic/forbidden")
	case 2:
		l.blame(session.CodeProtocol)
		l.send(stomp.Connect, "", nil)
	case 3:
		l.blame(session.CodeProtocol)
		l.held = append(l.held, "NONSENSE\n\n\x00"...)
	case 4:
		l.blame(session.CodeLimit)
		sends := l.w.rng.IntN(40)
		for range sends {
			l.send(stomp.Send, l.body(), nil, "destination", "/topic/b")
		}
		for i := range 12 {
			headers := []string{"destination", "/topic/a", "id", "more" + strconv.Itoa(i)}
			if l.w.chance(2) {
				headers = append(headers, "last-message-id", "2s-0-0")
			}
			l.send(stomp.Subscribe, "", &expect{}, headers...)
		}
	case 5:
		l.blame(session.CodeProtocol)
		l.seal()
		l.out = append(l.out, 0xff, 0xff, 0xff, 0xff)
	}
	l.seal()
}

// closeNow closes the WebSocket as it should be done.
func (l *simLink) closeNow() {
	l.seal()
	l.raw(ws.OpClose, []byte{3, 232})
	l.leaving = true
}

func (w *world) abortSome() {
	if l := pick(w, w.clients).link; l != nil {
		l.abort()
	}
}

func (w *world) blockSome() {
	c := pick(w, w.clients)
	if c.good {
		return
	}
	c.blocked = w.now + w.rng.Int64N(2*second)
	if w.chance(10) {
		c.blocked += 10 * second
	}
	if c.link != nil && c.link.sock.window == 0 {
		c.link.sock.window = 1 + w.rng.IntN(4000)
	}
	w.tracef("%v: reads nothing for %v", c, time.Duration(c.blocked-w.now))
}

func (w *world) kickSome() {
	c := pick(w, w.clients)
	l := c.link
	if l == nil || l.sock.gone {
		return
	}
	sh := l.sock.sh
	if w.chance(2) && c.user != "" {
		sh.shard.Post(func() {
			for _, k := range sh.sockets {
				if k.link.c.topic == c.topic && k.link.c.user == c.user {
					k.link.excuse("its user was kicked")
				}
			}
			for _, r := range sh.shard.UserSessions(c.topic.name, c.user) {
				sh.shard.Kick(c.topic.name, r)
			}
		})
		return
	}
	l.excuse("it was kicked")
	ref := l.sock.conn.ref()
	sh.shard.Post(func() { sh.shard.Kick(c.topic.name, ref) })
}

func (w *world) stallSome() {
	sh := pick(w, pick(w, w.nodes).shards)
	if w.now < sh.stalled+300*millisecond {
		return // too long, and clients would be right to give up
	}
	sh.stalled = w.now + w.rng.Int64N(700*millisecond)
	w.tracef("%v: stalls for %v", sh, time.Duration(sh.stalled-w.now))
}

func (w *world) lagSome() {
	n := pick(w, w.nodes)
	n.lag = w.now + w.rng.Int64N(3*second)
	w.tracef("node %d: lags for %v", n.index, time.Duration(n.lag-w.now))
}

func (w *world) reloadSome() {
	n := pick(w, w.nodes)
	p := pick(w, n.projects)
	if p.served {
		n.configure(p)
		w.tracef("node %d: %s is configured: %+v", n.index, p.topic.name, *p.settings)
	}
}

func (w *world) removeSome() {
	n := pick(w, w.nodes)
	p := pick(w, n.projects)
	if !p.served {
		n.serve(p)
		w.tracef("node %d: %s is served again from %v on", n.index, p.topic.name, p.begin)
		return
	}
	w.tracef("node %d: %s is removed", n.index, p.topic.name)
	n.remove(p)
}

// drainSome closes all clients of a node, in chunks.
func (w *world) drainSome() {
	n := pick(w, w.nodes)
	if n.closed {
		return
	}
	w.tracef("node %d: drains", n.index)
	n.closed = true
	left := len(n.shards)
	for _, sh := range n.shards {
		var chunk func(slot uint32)
		life := n.life
		chunk = func(slot uint32) {
			sh.shard.Post(func() {
				for _, k := range sh.sockets {
					k.link.excuse("the node drains")
				}
				next := sh.shard.EndSome(slot, 2, session.CloseServiceLeaves, "come back")
				w.after(5*millisecond, func() {
					switch {
					case n.life != life:
					case next == 0:
						left--
						n.closed = left > 0
					default:
						chunk(next)
					}
				})
			})
		}
		chunk(0)
	}
}

func (w *world) dieSome() {
	n := pick(w, w.nodes)
	w.tracef("node %d: dies", n.index)
	n.die()
}

// epochSome creates a topic anew, once all nodes have read what was in it.
func (w *world) epochSome() {
	t := pick(w, w.topics)
	for _, n := range w.nodes {
		p := n.projects[t.number()]
		if p.epoch != len(t.epochs)-1 {
			return
		}
		for part := range t.parts {
			if p.served && (part >= len(p.read) || p.read[part] < len(t.parts[part])) {
				return
			}
		}
	}
	t.begin()
	w.tracef("bus: %s is created anew", t.name)
}

// jumpSome has the bus lose what a node has yet to read: the node goes on behind it.
func (w *world) jumpSome() {
	n := pick(w, w.nodes)
	p := pick(w, n.projects)
	part := w.rng.IntN(len(p.read))
	if part >= w.profile.Partitions && w.profile.Growth > 1 {
		return
	}
	if left := n.end(p, part) - p.read[part]; p.served && left > 0 {
		n.jump(p, part, p.read[part]+1+w.rng.IntN(left))
	}
}

// readAgain has a node read what it has read, as when its consumer was made anew: nobody gets anything again.
func (w *world) readAgain() {
	n := pick(w, w.nodes)
	p := pick(w, n.projects)
	part := w.rng.IntN(len(p.read))
	if n.w.now < n.lag || !p.served || p.epoch+1 < len(p.topic.epochs) {
		return
	}
	at := p.begin[part]
	if before := p.read[part] - at; before > 0 {
		at += w.rng.IntN(before)
	}
	w.tracef("node %d: %s reads partition %d again from %d to %d", n.index, p.topic.name, part, at, p.read[part])
	for ; at < p.read[part]; at++ {
		x := p.topic.parts[part][at]
		expired := x.expires != 0 && w.now >= x.expires // it is not looked at
		if !expired && p.history.Append(history.NewEntry(x.pos, x.record, w.now, x.expires), len(n.shards)) {
			w.failf("node %d: history takes %v again", n.index, x.pos)
		}
		if w.chance(3) {
			n.everywhere(func(s *Shard) { s.Applied(p.topic.name, x.pos) })
		}
	}
}

// growSome gives a topic one more partition: destinations move.
func (w *world) growSome() {
	t := pick(w, w.topics)
	if len(t.parts) == w.profile.Partitions+w.profile.Growth {
		return
	}
	w.tracef("bus: %s has %d partitions", t.name, len(t.parts)+1)
	t.parts = append(t.parts, nil)
	for i := range t.epochs {
		t.epochs[i].first = append(t.epochs[i].first, 0)
	}
	for _, c := range w.clients {
		feeds := c.feeds
		if c.link != nil {
			feeds = slices.Concat(feeds, c.link.feeds)
		}
		for _, f := range feeds {
			if c.topic == t && len(f.parts) < len(t.parts) {
				f.parts = append(f.parts, part{})
				f.known = append(f.known, bus.Position{})
				if f.fresh != nil {
					f.fresh = append(f.fresh, span{})
				}
			}
		}
	}
}

func (w *world) evictSome() {
	n := pick(w, w.nodes)
	for _, p := range n.projects {
		p.history.EvictOlder(w.now)
	}
}

// querySome asks a shard what an operator asks.
func (w *world) querySome() {
	sh := pick(w, pick(w, w.nodes).shards)
	t := pick(w, w.topics)
	s := sh.shard
	q := SessionQuery{Project: t.name, Limit: 1 + w.rng.IntN(5)}
	switch w.rng.IntN(3) {
	case 0:
		q.User = pick(w, t.users)
	case 1:
		q.Destination = pick(w, t.dests)
	}
	found := map[string]bool{}
	for slot := uint32(0); ; {
		page, next := s.Sessions(&q, slot, nil)
		for _, info := range page {
			if found[info.ID] || q.User != "" && info.User != q.User {
				w.failf("%v: query %+v answers %+v", sh, q, info)
			}
			found[info.ID] = true
		}
		if slot = next; slot == 0 {
			break
		}
	}
	counts := s.Counts(t.name)
	if q.User == "" && q.Destination == "" && counts.Sessions != len(found) {
		w.failf("%v: %d sessions of %s are listed, %d counted", sh, len(found), t.name, counts.Sessions)
	}
	subscriptions := 0
	for _, d := range s.Destinations(t.name) {
		subscriptions += d.Subscriptions
	}
	if subscriptions != counts.Subscriptions {
		w.failf("%v: %d subscriptions of %s are listed, %d counted", sh, subscriptions, t.name, counts.Subscriptions)
	}
}
