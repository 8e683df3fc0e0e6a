package shard

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gobwas/ws"

	"stentor/engine/bus"
	"stentor/engine/destination"
	"stentor/engine/history"
	"stentor/engine/session"
	"stentor/stomp"
)

// simOp is a kind of operation: how often seeds have it, how one is made, and what it does. do reports whether it applied.
type simOp struct {
	name   string
	weight int  // 0: the generator has it with another
	rare   bool // it changes so much that few seeds have it
	make   func(g *generator, name string)
	do     func(w *world, o *op) bool
}

// simOpList has every operation. Schedule files refer to them by name: names, and the fields that an operation reads, must not
// change, and a new meaning gets a new name.
var simOpList = []simOp{
	{name: "client", do: (*world).join},
	{name: "publish", weight: 30, make: (*generator).publish, do: (*world).publish},
	{name: "connect", weight: 14, make: (*generator).connect, do: (*world).connect},
	{name: "subscribe", weight: 14, make: (*generator).subscribe, do: live((*simLink).subscribe)},
	{name: "unsubscribe", weight: 4, make: (*generator).unsubscribe, do: live((*simLink).unsubscribe)},
	{name: "subscribe twice", weight: 1, make: (*generator).ofClient, do: live((*simLink).subscribeTwice)},
	{name: "subscribe in vain", weight: 1, make: (*generator).ofClient, do: live((*simLink).subscribeInVain)},
	{name: "ack", weight: 10, make: (*generator).ack, do: live((*simLink).ackSome)},
	{name: "send", weight: 5, make: (*generator).send, do: live((*simLink).sendSome)},
	{name: "renew", weight: 3, make: (*generator).renew, do: live((*simLink).renew)},
	{name: "begin", weight: 3, make: (*generator).transaction, do: live((*simLink).begin)},
	{name: "commit", do: live((*simLink).commit)},
	{name: "abort", do: live((*simLink).abortTransaction)},
	{name: "disconnect", weight: 1, make: (*generator).ofClient, do: live((*simLink).disconnectNow)},
	{name: "break a rule", weight: 1, make: (*generator).breakRule, do: live((*simLink).breakRule)},
	{name: "close", weight: 1, make: (*generator).ofClient, do: live((*simLink).closeNow)},
	{name: "vanish", weight: 2, make: (*generator).ofClient, do: (*world).vanish},
	{name: "block", weight: 6, make: (*generator).block, do: (*world).block},
	{name: "kick", weight: 1, make: (*generator).kick, do: (*world).kick},
	{name: "stall", weight: 2, make: (*generator).stall, do: (*world).stall},
	{name: "lag", weight: 2, make: (*generator).lag, do: (*world).lag},
	{name: "reload", weight: 1, rare: true, make: (*generator).reload, do: (*world).reload},
	{name: "remove", weight: 1, rare: true, make: (*generator).remove, do: (*world).remove},
	{name: "serve", do: (*world).serve},
	{name: "drain", weight: 1, rare: true, make: (*generator).ofNode, do: (*world).drain},
	{name: "die", weight: 1, rare: true, make: (*generator).end, do: (*world).die},
	{name: "restart", do: (*world).restart},
	{name: "epoch", weight: 1, rare: true, make: (*generator).ofProject, do: (*world).newEpoch},
	{name: "evict", weight: 3, make: (*generator).ofNode, do: (*world).evict},
	{name: "jump", weight: 1, rare: true, make: (*generator).place, do: (*world).jump},
	{name: "grow", weight: 1, rare: true, make: (*generator).ofProject, do: (*world).grow},
	{name: "read again", weight: 1, make: (*generator).place, do: (*world).readAgain},
	{name: "flood", weight: 1, rare: true, make: (*generator).flood, do: (*world).flood},
	{name: "burst", weight: 1, make: (*generator).burst, do: live((*simLink).burst)},
	{name: "wait", weight: 1, rare: true, make: (*generator).wait, do: (*world).wait},
	{name: "query", weight: 1, make: (*generator).query, do: (*world).query},
}

// simOps has the operations by name.
var simOps = func() map[string]simOp {
	all := map[string]simOp{}
	for _, a := range simOpList {
		all[a.name] = a
	}
	return all
}()

// live applies do to a client that can send frames.
func live(do func(*simLink, *op) bool) func(*world, *op) bool {
	return func(w *world, o *op) bool {
		c := w.client(o.Client)
		return c != nil && c.link != nil && c.link.live() && do(c.link, o)
	}
}

// of picks one from a list, or returns the zero value when the list is empty.
func of[T any](list []T, i int) (found T) {
	if i >= 0 && i < len(list) {
		found = list[i]
	}
	return found
}

func (w *world) shard(o *op) *simShard {
	if n := of(w.nodes, o.Node); n != nil {
		return of(n.shards, o.Shard)
	}
	return nil
}

// served picks a project that a node serves.
func (w *world) served(o *op) (*simNode, *simProject) {
	n := of(w.nodes, o.Node)
	if n == nil {
		return nil, nil
	}
	return n, of(n.projects, o.Project)
}

func (w *world) publish(o *op) bool {
	t := of(w.topics, o.Project)
	if t == nil || o.Dest == "" {
		return false
	}
	r := t.record(o.Size, o.Kind)
	r.Destination, r.User, r.TTL = o.Dest, o.User, time.Duration(o.TTL)
	if o.Client > 0 {
		r.Session = "nobody"
		if c := w.client(o.Client); c != nil && c.link != nil && c.link.session != "" {
			r.Session = c.link.session
		}
	}
	t.publish(r)
	return true
}

func (w *world) connect(o *op) bool {
	c := w.client(o.Client)
	if c == nil || c.link != nil || w.now < c.away {
		return false
	}
	return c.connect(o)
}

// maxSubs is below the limit of a session, which only simBreaks exceeds.
const maxSubs = 9

func (l *simLink) subscribe(o *op) bool {
	c := l.c
	all := slices.Concat(c.feeds, l.feeds)
	user := strings.HasPrefix(o.Dest, userPrefix+"/")
	switch {
	case len(c.feeds) >= maxSubs || len(l.feeds) >= maxSubs, user && c.user == "",
		slices.ContainsFunc(all, func(f *feed) bool { return f.id == o.ID }), // MESSAGEs could not be attributed
		o.ID == "" && (c.version != stomp.V10 || !user && destination.IsPattern(o.Dest)):
		return false
	}
	f := c.newFeed(o.Dest, o.ID)
	f.ack = session.AckMode(o.Ack)
	f.receipts = o.Receipt
	c.feeds = append(c.feeds, f)
	if l.narrow && f.denied() {
		l.blame(session.CodeForbidden)
	}
	if o.Resume == "invented" {
		text, claims := c.topic.invent()
		f.ask(l, text, claims, true)
	} else {
		f.ask(l, o.Resume, nil, o.Resume != "")
	}
	return true
}

func (l *simLink) unsubscribe(o *op) bool {
	if len(l.feeds) == 0 || o.ID != "" {
		l.send(stomp.Unsubscribe, "", nil, "id", "unknown")
		return true
	}
	f := l.feeds[o.Nth%len(l.feeds)]
	if f.stopping {
		return false
	}
	f.stopping = true
	var e *expect
	if o.Receipt {
		e = &expect{feed: f}
	}
	if f.id == "" {
		l.send(stomp.Unsubscribe, "", e, "destination", f.dest)
	} else {
		l.send(stomp.Unsubscribe, "", e, "id", f.id)
	}
	l.c.feeds = slices.DeleteFunc(slices.Clone(l.c.feeds), func(other *feed) bool { return other == f })
	return true
}

// subscribeTwice reuses the id of an existing subscription, which stays as it is.
func (l *simLink) subscribeTwice(*op) bool {
	for _, f := range l.feeds {
		if f.taken && !f.stopping && f.id != "" {
			e := &expect{}
			l.send(stomp.Subscribe, "", e, "destination", "/topic/c/d", "id", f.id)
			return true
		}
	}
	return false
}

func (l *simLink) subscribeInVain(*op) bool {
	e := &expect{}
	l.send(stomp.Subscribe, "", e, "destination", "/none/x", "id", "vain")
	return true
}

func (l *simLink) ackSome(o *op) bool {
	if o.Kind == "made up" {
		switch l.c.version {
		case stomp.V12:
			l.send(stomp.Ack, "", nil, "id", o.ID)
			l.acknowledged(o.ID)
		default:
			l.send(stomp.Ack, "", nil, "message-id", o.ID, "subscription", "sub-0")
		}
	}
	if len(l.feeds) == 0 {
		return o.Kind != ""
	}
	return l.feeds[o.Nth%len(l.feeds)].acknowledge(o.Count) || o.Kind != ""
}

// acknowledged notes the effect of an ACK whose id the client built itself. One that names a push but no subscription acknowledges
// it on all of them.
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

// body of a SEND, unique.
func (l *simLink) body() string {
	l.w.serial++
	b := l.c.topic.name + "|sent|" + strconv.Itoa(l.w.serial)
	l.w.senders[b] = l
	return b
}

func (l *simLink) sendSome(o *op) bool {
	b := l.body()
	published := strings.HasPrefix(o.Dest, "/topic/") || strings.HasPrefix(o.Dest, "/user/")
	answered := published || strings.HasPrefix(o.Dest, "/app/")
	var e *expect
	if o.Receipt {
		e = &expect{}
	}
	headers := []string{"destination", o.Dest}
	switch {
	case o.Tx > 0 && len(l.txs) > 0:
		tx := l.txs[(o.Tx-1)%len(l.txs)]
		if published {
			tx.bodies = append(tx.bodies, b)
		}
		if answered {
			tx.owes = append(tx.owes, b)
		}
		headers = append(headers, "transaction", tx.name)
	case answered:
		l.owed[b] = true
		if published && e != nil {
			e.bodies = []string{b}
		}
	}
	l.send(stomp.Send, b, e, headers...)
	return true
}

func (l *simLink) begin(*op) bool {
	if len(l.txs) == 4 {
		return false
	}
	l.w.serial++
	tx := &simTx{name: "tx" + strconv.Itoa(l.w.serial)}
	l.txs = append(l.txs, tx)
	l.send(stomp.Begin, "", nil, "transaction", tx.name)
	return true
}

func (l *simLink) commit(*op) bool { return l.transact(stomp.Commit) }

func (l *simLink) abortTransaction(*op) bool { return l.transact(stomp.Abort) }

// transact ends the oldest transaction.
func (l *simLink) transact(end stomp.Command) bool {
	if len(l.txs) == 0 {
		return false
	}
	w, tx := l.w, l.txs[0]
	l.txs = l.txs[1:]
	e := &expect{}
	if end == stomp.Abort {
		for _, b := range tx.bodies {
			w.senders[b] = nil
			w.aborted = append(w.aborted, aborted{l.c.topic, b})
		}
		for _, a := range slices.Backward(tx.acks) { // the oldest ends up first: an ACK covers all before it
			a.feed.tokens = slices.Concat(a.tokens, a.feed.tokens)
		}
	} else {
		e.bodies = tx.bodies
		for _, b := range tx.owes {
			l.owed[b] = true
		}
	}
	l.send(end, "", e, "transaction", tx.name)
	return true
}

// aborted is a SEND that must never be published.
type aborted struct {
	topic *simTopic
	body  string
}

// disconnect ends the session in order, with or without asking for a RECEIPT.
func (l *simLink) disconnect(receipt bool) {
	var e *expect
	if receipt {
		e = &expect{}
	}
	l.send(stomp.Disconnect, "", e)
	l.seal()
	l.leaving = true
	for _, f := range l.feeds {
		f.stopping = true
	}
	l.c.feeds = nil
}

func (l *simLink) disconnectNow(*op) bool {
	l.disconnect(l.w.chance(2))
	return true
}

// simBreaks are rules that a client can break.
var simBreaks = map[string]func(*simLink, *op){
	"forbidden subscribe": func(l *simLink, _ *op) {
		l.blame(session.CodeForbidden)
		l.send(stomp.Subscribe, "", nil, "destination", "/topic/forbidden", "id", "f")
	},
	"forbidden send": func(l *simLink, _ *op) {
		l.blame(session.CodeForbidden)
		l.send(stomp.Send, "x", nil, "destination", "/topic/forbidden")
	},
	"connect twice": func(l *simLink, _ *op) {
		l.blame(session.CodeProtocol)
		l.send(stomp.Connect, "", nil)
	},
	"no command": func(l *simLink, _ *op) {
		l.blame(session.CodeProtocol)
		l.held = append(l.held, "NONSENSE\n\n\x00"...)
	},
	"too much": func(l *simLink, o *op) {
		l.blame(session.CodeLimit)
		for range o.Count {
			l.send(stomp.Send, l.body(), nil, "destination", "/topic/b")
		}
		for i := range 12 {
			headers := []string{"destination", "/topic/a", "id", "more" + strconv.Itoa(i)}
			if l.w.chance(2) {
				headers = append(headers, "last-message-id", "2s-0-0")
			}
			l.send(stomp.Subscribe, "", &expect{}, headers...)
		}
	},
	"no WebSocket frame": func(l *simLink, _ *op) {
		l.blame(session.CodeProtocol)
		l.seal()
		l.out = append(l.out, 0xff, 0xff, 0xff, 0xff)
	},
}

func (l *simLink) breakRule(o *op) bool {
	do := simBreaks[o.Kind]
	if l.c.good || do == nil || o.Kind == "no WebSocket frame" && l.c.form == session.SockJSHTTP {
		return false
	}
	do(l, o)
	l.seal()
	return true
}

// closeNow closes the WebSocket in order.
func (l *simLink) closeNow(*op) bool {
	if l.c.form == session.SockJSHTTP {
		return false
	}
	l.seal()
	l.raw(ws.OpClose, []byte{3, 232})
	l.leaving = true
	return true
}

func (w *world) vanish(o *op) bool {
	c := w.client(o.Client)
	if c == nil || c.link == nil {
		return false
	}
	c.link.abort()
	return true
}

func (w *world) block(o *op) bool {
	c := w.client(o.Client)
	if c == nil || c.good {
		return false
	}
	c.blocked = w.now + int64(o.For)
	if c.link != nil && c.link.sock.window == 0 {
		c.link.sock.window = o.Kernel
	}
	w.tracef("%v: reads nothing for %v", c, time.Duration(o.For))
	return true
}

func (w *world) kick(o *op) bool {
	c := w.client(o.Client)
	if c == nil || c.link == nil || c.link.sock.gone || c.link.session == "" {
		return false
	}
	l := c.link
	sh := l.sock.sh
	if o.Kind == "user" && c.user != "" {
		sh.post(nil, func() {
			for _, k := range sh.sockets {
				if k.link.c.topic == c.topic && k.link.c.user == c.user {
					k.link.excuse("its user was kicked")
				}
			}
			for from, first := (Place{}), true; first || from.Slot != 0; first = false {
				var some []Ref
				some, from = sh.shard.UserSessions(c.topic.name, c.user, from)
				for len(some) > 0 {
					_, some = sh.shard.Kick(c.topic.name, "", some)
				}
			}
		})
		return true
	}
	l.excuse("it was kicked")
	_, ref, ok := ParseSessionID(l.session, sh.node.instance)
	if !ok {
		w.failf("%v: %q is no session of its node", l.sock, l.session)
	}
	sh.post(nil, func() { sh.shard.Kick(c.topic.name, "", []Ref{ref}) })
	return true
}

func (w *world) stall(o *op) bool {
	sh := w.shard(o)
	if sh == nil || w.now < sh.stalled+300*millisecond {
		return false // too long: clients may give up
	}
	sh.stalled = w.now + int64(o.For)
	w.tracef("%v: stalls for %v", sh, time.Duration(o.For))
	return true
}

func (w *world) lag(o *op) bool {
	n := of(w.nodes, o.Node)
	if n == nil {
		return false
	}
	n.lag = w.now + int64(o.For)
	w.tracef("node %d: lags for %v", n.index, time.Duration(o.For))
	return true
}

func (w *world) reload(o *op) bool {
	n, p := w.served(o)
	if p == nil || !p.served {
		return false
	}
	n.configure(p, o.Policy, time.Duration(o.For), o.Window)
	w.tracef("node %d: %s is configured: %+v", n.index, p.topic.name, *p.settings)
	return true
}

func (w *world) remove(o *op) bool {
	n, p := w.served(o)
	if p == nil || !p.served {
		return false
	}
	w.tracef("node %d: %s is removed", n.index, p.topic.name)
	n.remove(p)
	return true
}

func (w *world) serve(o *op) bool {
	n, p := w.served(o)
	if p == nil || p.served {
		return false
	}
	n.serve(p)
	w.tracef("node %d: %s is served again from %v on", n.index, p.topic.name, p.begin)
	return true
}

// drain closes all clients of a node, in chunks.
func (w *world) drain(o *op) bool {
	n := of(w.nodes, o.Node)
	if n == nil || n.closed {
		return false
	}
	w.tracef("node %d: drains", n.index)
	n.closed = true
	left := len(n.shards)
	for _, sh := range n.shards {
		var chunk func(slot uint32)
		life := n.life
		chunk = func(slot uint32) {
			sh.post(nil, func() {
				for _, k := range sh.sockets {
					k.link.excuse("the node drains")
				}
				_, next := sh.shard.EndSome(slot, 2, false, session.CloseServiceLeaves, "come back")
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
	return true
}

func (w *world) die(o *op) bool {
	n := of(w.nodes, o.Node)
	if n == nil {
		return false
	}
	w.tracef("node %d: dies", n.index)
	n.die()
	return true
}

func (w *world) restart(o *op) bool {
	n := of(w.nodes, o.Node)
	if n == nil {
		return false
	}
	w.tracef("node %d: is restarted", n.index)
	n.restart()
	return true
}

// newEpoch recreates a topic, once all nodes have read what was in it.
func (w *world) newEpoch(o *op) bool {
	t := of(w.topics, o.Project)
	if t == nil {
		return false
	}
	for _, n := range w.nodes {
		p := n.projects[t.number]
		if p.epoch != len(t.epochs)-1 {
			return false
		}
		for part := range t.parts {
			if p.served && (part >= len(p.read) || p.read[part] < len(t.parts[part])) {
				return false
			}
		}
	}
	t.begin()
	w.tracef("bus: %s is created anew", t.name)
	return true
}

// jump makes the bus lose pushes that a node has not read: the node continues after them.
func (w *world) jump(o *op) bool {
	n, p := w.served(o)
	if p == nil || !p.served || o.Part >= len(p.read) || o.Part >= w.profile.Partitions && w.profile.Growth > 1 {
		return false
	}
	left := n.end(p, o.Part) - p.read[o.Part]
	if left > 0 {
		n.jump(p, o.Part, p.read[o.Part]+1+o.Nth%left)
	}
	return left > 0
}

// readAgain makes a node read pushes a second time, as after its consumer was replaced: no client receives one twice.
func (w *world) readAgain(o *op) bool {
	n, p := w.served(o)
	if p == nil || n.w.now < n.lag || !p.served || p.epoch+1 < len(p.topic.epochs) || o.Part >= len(p.read) {
		return false
	}
	part := o.Part
	at := p.begin[part]
	if before := p.read[part] - at; before > 0 {
		at += o.Nth % before
	}
	w.tracef("node %d: %s reads partition %d again from %d to %d", n.index, p.topic.name, part, at, p.read[part])
	for ; at < p.read[part]; at++ {
		x := p.topic.parts[part][at]
		expired := x.expires != 0 && w.now >= x.expires // it is not checked
		if !expired {
			if _, taken := p.history.Append(history.NewEntry(x.pos, x.record, w.now, x.expires), len(n.shards)); taken {
				w.failf("node %d: history takes %v again", n.index, x.pos)
			}
		}
		if w.chance(3) {
			n.applied(p, x.pos)
		}
	}
	return true
}

// grow adds a partition to a topic: destinations move.
func (w *world) grow(o *op) bool {
	t := of(w.topics, o.Project)
	if t == nil || len(t.parts) == w.profile.Partitions+w.profile.Growth {
		return false
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
	return true
}

func (w *world) evict(o *op) bool {
	n := of(w.nodes, o.Node)
	if n == nil {
		return false
	}
	for _, p := range n.projects {
		p.history.EvictOlder(w.now)
	}
	return true
}

// query runs an operator's query on a shard.
func (w *world) query(o *op) bool {
	sh, t := w.shard(o), of(w.topics, o.Project)
	if sh == nil || t == nil {
		return false
	}
	sh.tasking = true
	defer func() { sh.tasking = false }()
	s := sh.shard
	q := SessionQuery{Project: t.name, User: o.User, Destination: o.Dest, Limit: max(1, o.Count)}
	found := map[string]SessionInfo{}
	for from := (Place{}); ; {
		page, next := s.Sessions(&q, from)
		for _, info := range page {
			if _, twice := found[info.ID]; twice || len(page) > q.Limit {
				w.failf("%v: query %+v answers %+v", sh, q, page)
			}
			found[info.ID] = info
		}
		if from = next; from.Slot == 0 {
			break
		}
	}
	sh.compare(t, &q, maps.Clone(found))
	if q.User != "" || q.Destination != "" {
		return true
	}
	byDestination, subscriptions := map[string]int{}, 0
	for _, info := range found {
		for _, sub := range info.Subscriptions {
			byDestination[sub.Destination]++
			subscriptions++
		}
	}
	if n := s.Counts(t.name); n.Sessions != len(found) || n.Subscriptions != subscriptions {
		w.failf("%v: of %s %d sessions with %d subscriptions are listed, %+v counted", sh, t.name, len(found), subscriptions, n)
	}
	d := DestinationQuery{Project: t.name, Limit: max(1, o.Count)}
	for more := true; more; {
		var page []DestinationInfo
		page, more = s.Destinations(&d)
		for _, one := range page {
			if one.Destination <= d.After || one.Subscriptions != byDestination[one.Destination] {
				w.failf("%v: after %q %+v of %s is listed, %d have it", sh, d.After, one, t.name, byDestination[one.Destination])
			}
			d.After = one.Destination
			delete(byDestination, one.Destination)
		}
	}
	if len(byDestination) > 0 {
		w.failf("%v: of %s there are subscriptions to %v, which is not listed", sh, t.name, byDestination)
	}
	return true
}

// compare checks the sessions that a query found against those that clients have.
func (sh *simShard) compare(t *simTopic, q *SessionQuery, found map[string]SessionInfo) {
	w := sh.w
	for _, k := range sh.sockets {
		l := k.link
		if l.c.topic != t || q.User != "" && l.c.user != q.User || !l.connected {
			continue
		}
		info, has := found[l.session]
		delete(found, l.session)
		if certain := l.certain(q.Destination); certain && !has {
			w.failf("%v: session %s is not found by %+v", k, l.session, *q)
		}
		if has {
			l.describe(info)
		}
	}
	for id, info := range found { // clients that have not read CONNECTED
		if !slices.ContainsFunc(sh.sockets, func(k *simSocket) bool {
			return k.link.c.topic == t && k.welcome && !k.link.connected && k.link.c.user == info.User
		}) {
			w.failf("%v: query %+v has found %s, which is nobody's: %+v", sh, *q, id, info)
		}
	}
}

// certain reports whether the server must have the session, with a subscription to dest ("": any or none).
func (l *simLink) certain(dest string) bool {
	if l.may() || l.c.topic.forgets() || l.closing || l.sock.gone {
		return false
	}
	return dest == "" || slices.ContainsFunc(l.feeds, func(f *feed) bool { return f.taken && !f.stopping && f.dest == dest })
}

// describe checks the description of a session.
func (l *simLink) describe(info SessionInfo) {
	w := l.w
	if info.User != l.c.user || info.Version != l.c.version.String() ||
		info.Buffered < len(l.sock.buffered) { // the rest of a large push is not counted here
		w.failf("%v: its session is described as %+v", l.sock, info)
	}
	for _, f := range l.feeds {
		has := slices.ContainsFunc(info.Subscriptions, func(s SubscriptionInfo) bool {
			return s.ID == f.id && s.Destination == f.dest && s.Ack == f.ack.String() && int(s.Dropped) >= 0
		})
		if has && !f.entered || !has && f.taken && !f.stopping && l.certain("") {
			w.failf("%v: its session has subscriptions %+v", f, info.Subscriptions)
		}
	}
	for _, s := range info.Subscriptions {
		if !strings.HasPrefix(s.ID, "more") && !slices.ContainsFunc(l.feeds, func(f *feed) bool { return f.id == s.ID && f.dest == s.Destination }) {
			w.failf("%v: its session has a subscription that it did not ask for: %+v", l.sock, s)
		}
	}
}
