package shard

import (
	"bytes"
	"fmt"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"stentor/engine/bus"
	"stentor/engine/destination"
	"stentor/engine/history"
	"stentor/engine/refusal"
	"stentor/engine/session"
	"stentor/engine/statefile"
	"stentor/engine/websocket"
)

// simNode is one process: its shards, and for each project a history of its own, filled from the bus at its own pace.
type simNode struct {
	w        *world
	index    int
	life     int // grows at each restart
	instance uint32
	shards   []*simShard
	projects []*simProject
	lag      int64          // nothing is read before this time
	closed   bool           // takes no new clients
	opened   int            // connections
	released int            // of them
	known    int            // of them
	strange  int            // of those released
	old      []*history.Log // of removed projects
	files    []simLeft      // by project, state files of the previous run

	budget    *Budget
	strangers *Share
}

// simProject is a project on a node.
type simProject struct {
	topic    *simTopic
	served   bool
	settings *Settings
	history  *history.Log
	share    *Share
	epoch    int              // that it reads
	begin    []int            // place where this node began, by partition
	known    []int            // from where on it knows the pushes, thanks to a previous run
	evicted  []int            // up to where previous runs may have evicted pushes that are read again
	read     []int            // place of the next push to read
	untold   []bus.Position   // that shards have not been told, since the push read there has no subscriber; Epoch 0: none
	reads    [][]simRead      // from begin on
	past     []*history.Entry // from before the last jumps, and before it was removed
	sum      int64            // of the bytes given to history, as it may count them
	reports  int64            // pushes to users among them
	frames   int              // MESSAGEs of it that were written
	sessions int
}

// simShard is an event loop.
type simShard struct {
	w       *world
	node    *simNode
	shard   *Shard
	woken   bool
	stalled int64 // does nothing before this time
	sockets []*simSocket
	intake  *intake
	idles   int         // times that it had nothing left to do
	tasking bool        // runs a task of the simulation, or its answer
	set     []*Settings // by project, as last configured
}

func newNode(w *world, index int) *simNode {
	n := &simNode{w: w, index: index}
	n.boot()
	return n
}

// boot starts the process. It does not read what is on the bus already.
func (n *simNode) boot() {
	w := n.w
	n.life++
	n.instance = uint32(n.index*1000 + n.life)
	n.shards, n.projects, n.closed, n.lag = nil, nil, false, 0
	n.opened, n.released, n.known, n.strange = 0, 0, 0, 0
	n.old = nil
	allowed := w.profile.allowed()
	n.budget = NewBudget(allowed.sessions)
	n.strangers = NewBudget(0).Share(0)
	for i := range w.profile.Shards {
		sh := &simShard{w: w, node: n, intake: newIntake(len(w.topics)), set: make([]*Settings, len(w.topics))}
		sh.shard = New(Config{
			Index: i, Instance: n.instance, Seed: w.rng.Uint64(),
			Session: allowed.machine, Limits: allowed.shard, Strangers: n.strangers,

			Now:    func() int64 { return w.now },
			Wall:   func() time.Time { return simWall.Add(time.Duration(w.now)) },
			Unsent: func(s Socket) int { return s.(*simSocket).unsent() },
			Offer:  func(s Socket, p []byte) (int, error) { return s.(*simSocket).offer(p) },
			Watch:  func(s Socket, r Ref) bool { return s.(*simSocket).watch(r) },
			Unwatch: func(s Socket) {
				if s.(*simSocket).gone {
					w.failf("%v: unwatched after it was closed", s)
				}
			},
		}, &simEnv{sh})
		sh.shard.entering = sh.entering
		n.shards = append(n.shards, sh)
		sh.tick(n.life)
	}
	for _, t := range w.topics {
		p := &simProject{topic: t}
		n.projects = append(n.projects, p)
		n.serve(p)
	}
}

// tick is due every 20 ms for as long as the process lives.
func (sh *simShard) tick(life int) {
	if sh.node.life != life {
		return
	}
	if sh.w.now >= sh.stalled {
		sh.shard.Tick()
		sh.run()
	}
	sh.w.after(tickTime, func() { sh.tick(life) })
}

// slack is by how much a slice may exceed its time: the work between two reads of the clock.
func (sh *simShard) slack() int64 { return 96*int64(sh.w.profile.WriteCost) + 500*microsecond }

// run is one slice.
func (sh *simShard) run() {
	if sh.w.now < sh.stalled {
		return
	}
	sh.woken = false
	start := sh.w.now
	more := sh.shard.Run()
	if took := sh.w.now - start; took > slice+sh.slack() {
		sh.w.failf("a slice took %v", time.Duration(took))
	}
	sh.woken = sh.woken || more
	if !more {
		sh.idles++
	}
	if !more && !sh.intake.held {
		sh.intake.took(sh.w)
		for _, k := range sh.sockets {
			for _, f := range k.link.feeds {
				f.settled()
			}
		}
	}
	sh.observe()
	sh.w.auditWhiteBox(sh)
}

// input is what a socket has read.
func (sh *simShard) input(k *simSocket, in []byte) {
	k.link.arrives(len(in))
	sh.shard.Input(k.conn, in)
	sh.observe()
	sh.w.auditWhiteBox(sh)
}

// observe notes which subscriptions the shard has taken.
func (sh *simShard) observe() {
	for _, k := range sh.sockets {
		k.link.observe()
	}
}

// serve starts serving a project: at the start, or after it was removed.
func (n *simNode) serve(p *simProject) {
	w, t := n.w, p.topic
	p.served = true
	p.epoch = len(t.epochs) - 1
	bounds := history.Bounds{Window: time.Hour, Bytes: 64 << 20}
	if w.profile.tight() {
		bounds = history.Bounds{Window: time.Duration(w.profile.HistoryTime), Bytes: w.profile.HistoryBytes}
	}
	p.history = history.NewLog(bounds)
	file, before := n.recall(p)
	p.share = n.budget.Share(Allowance)
	for _, reads := range p.reads {
		p.past = append(p.past, entriesOf(reads)...)
	}
	p.begin, p.known, p.evicted, p.read, p.reads, p.untold, p.sum, p.reports = nil, nil, nil, nil, nil, nil, 0, 0
	for part, pushes := range t.parts {
		begin, first := len(pushes), t.epoch().first[part]
		if part >= w.profile.Partitions && w.profile.Growth > 1 {
			begin = first
		} else if begin > first && w.chance(2) {
			begin -= w.rng.IntN(begin - first + 1)
		}
		n.add(p, begin)
	}
	p.restored(file, before)
	n.configure(p, w.profile.Policy, w.profile.allowed().slow, w.profile.Window)
}

// add makes n read another partition of p.
func (n *simNode) add(p *simProject, begin int) {
	p.begin = append(p.begin, begin)
	p.known = append(p.known, begin)
	p.evicted = append(p.evicted, begin)
	p.read = append(p.read, begin)
	p.reads = append(p.reads, nil)
	p.untold = append(p.untold, bus.Position{})
	n.place(p, len(p.begin)-1)
}

// place sets where p begins to read a partition.
func (n *simNode) place(p *simProject, part int) {
	begin := p.topic.position(part, p.begin[part])
	begin.Offset++
	p.untold[part] = bus.Position{}
	p.history.Begin(begin)
	for _, sh := range n.shards {
		first := len(sh.intake.handed[p.topic.number]) == 0
		sh.post(func(in *intake) { in.begin(p.topic, begin) }, func() {
			if !first {
				sh.begin(p.topic, begin)
			}
			sh.shard.Begin(p.topic.name, begin)
		})
	}
}

// begin notes which subscriptions have a gap when a shard that knows the project already is told that a partition begins at pos.
// While that waits behind a push, what the shard had of the partition is uncertain.
func (sh *simShard) begin(t *simTopic, pos bus.Position) {
	sure := sh.intake.sure[t.number]
	old, known := sure[int(pos.Partition)]
	if known && old.Epoch == pos.Epoch && old.Offset+1 == pos.Offset || !known && pos.Offset == 0 {
		return
	}
	for _, k := range sh.sockets {
		for _, f := range k.link.feeds {
			if k.link.c.topic == t {
				f.jumped(jump{part: int(pos.Partition), low: t.past(old), high: t.past(pos) - 1, begin: pos, waits: sh.intake.waits, may: !f.resolved || len(sure) == 0})
			}
		}
	}
}

// jump makes n continue at a later place of a partition.
func (n *simNode) jump(p *simProject, part, to int) {
	n.w.tracef("node %d: %s jumps from %d to %d in partition %d", n.index, p.topic.name, p.read[part], to, part)
	p.past = append(p.past, entriesOf(p.reads[part])...)
	p.begin[part], p.known[part], p.evicted[part], p.read[part], p.reads[part] = to, to, to, to, nil
	n.place(p, part)
}

// configure applies a project's settings, new or changed.
func (n *simNode) configure(p *simProject, slow Policy, timeout time.Duration, window int) {
	s := &Settings{
		Name: p.topic.name, History: p.history, Rights: simRights{}, Patterns: true,
		Slow: slow, SlowTimeout: timeout, AckWindow: window, Share: p.share,
	}
	p.settings = s
	for _, sh := range n.shards {
		sh.post(nil, func() {
			sh.set[p.topic.number] = s
			sh.shard.SetProject(s)
		})
	}
}

// remove ends the service of a project. A push may still be on its way.
func (n *simNode) remove(p *simProject) {
	for _, sh := range n.shards {
		sh.post(func(in *intake) { clear(in.handed[p.topic.number]) }, func() {
			for _, k := range sh.sockets {
				if k.link.c.topic == p.topic {
					k.link.excuse("the project was removed")
				}
			}
			sh.set[p.topic.number] = nil
			sh.shard.RemoveProject(p.topic.name)
		})
	}
	for part := range p.read {
		if n.w.chance(2) {
			n.read(p, part)
		}
	}
	p.served = false
	n.old = append(n.old, p.history)
}

// applied tells the shards that they have a partition up to pos.
func (n *simNode) applied(p *simProject, pos bus.Position) {
	p.history.Advance(pos)
	for _, sh := range n.shards {
		sh.post(func(in *intake) { in.hand(p.topic, pos) }, func() { sh.shard.Applied(p.topic.name, pos) })
	}
}

// pump reads some of the bus.
func (n *simNode) pump() {
	if n.w.now < n.lag {
		return
	}
	for _, p := range n.projects {
		if !p.served {
			continue
		}
		most := n.w.profile.allowed().pending
		for part := range p.read {
			few := 8
			if n.end(p, part)-p.read[part] > 50 {
				few = 100
			}
			for p.read[part] < n.end(p, part) && p.history.Pending() < most && (n.w.calm || n.w.rng.IntN(few) > 0) {
				n.read(p, part)
			}
			if pos := p.untold[part]; pos.Epoch != 0 && (n.w.calm || n.w.chance(3)) {
				p.untold[part] = bus.Position{}
				n.applied(p, pos)
			}
		}
		n.follow(p)
		if part := len(p.read); part < len(p.topic.parts) && p.epoch == len(p.topic.epochs)-1 && (n.w.calm || n.w.chance(8)) {
			n.w.tracef("node %d: %s has one more partition, %d", n.index, p.topic.name, part)
			n.add(p, p.topic.epoch().first[part])
		}
	}
}

// end is where p's epoch ends.
func (n *simNode) end(p *simProject, part int) int {
	if p.epoch+1 < len(p.topic.epochs) {
		return p.topic.epochs[p.epoch+1].first[part]
	}
	return len(p.topic.parts[part])
}

// follow continues with the next epoch when this one was read completely.
func (n *simNode) follow(p *simProject) {
	if p.epoch+1 == len(p.topic.epochs) {
		return
	}
	for part := range p.read {
		if p.read[part] < n.end(p, part) {
			return
		}
	}
	p.epoch = len(p.topic.epochs) - 1
	n.w.tracef("node %d: %s begins epoch %d", n.index, p.topic.name, p.epoch)
	for part := range p.read {
		p.begin[part] = p.topic.epoch().first[part]
		p.past = append(p.past, entriesOf(p.reads[part])...)
		p.known[part], p.evicted[part], p.read[part], p.reads[part] = p.begin[part], p.begin[part], p.begin[part], nil
		n.place(p, part)
	}
}

// read takes the next push of a partition from the bus: encode, keep, hand to every shard.
func (n *simNode) read(p *simProject, part int) {
	if p.read[part] >= n.end(p, part) {
		return
	}
	x := p.topic.parts[part][p.read[part]]
	p.read[part]++
	if x.expires != 0 && n.w.now >= x.expires {
		p.keep(part, nil, x.record, n.w.now)
		p.untold[part] = x.pos
		return
	}
	p.untold[part] = bus.Position{}
	e := history.NewPackedEntry(x.pos, x.record, packedBySim(x), n.w.now, x.expires)
	e.Report = &history.Report{}
	p.keep(part, e, x.record, n.w.now)
	if _, taken := p.history.Append(e, len(n.shards)); !taken {
		n.w.failf("node %d: history does not take %v", n.index, x.pos)
		return
	}
	for _, sh := range n.shards {
		sh.shard.Hand(p.topic.name, e)
		sh.intake.hand(p.topic, x.pos)
		sh.intake.waits, sh.intake.held = true, true
	}
	if n.w.chance(3) { // the reader continues with records that are available
		n.w.after(n.w.rng.Int64N(2*millisecond), n.flush)
		return
	}
	n.flush()
}

func (n *simNode) flush() {
	for _, sh := range n.shards {
		sh.intake.held = false
		sh.shard.Flush()
	}
}

// simLeft is the state file of a project, left by a run.
type simLeft struct {
	text    []byte // empty: nothing
	evicted []int
}

// restart is die, but keeps the state files of the histories.
func (n *simNode) restart() {
	n.files = make([]simLeft, len(n.projects))
	for i, p := range n.projects {
		var b bytes.Buffer
		if !p.served {
			continue
		}
		if saved, err := p.history.Save(&b); err != nil {
			n.w.failf("node %d: what is known of %s cannot be saved: %v", n.index, p.topic.name, err)
		} else if saved {
			n.files[i] = simLeft{b.Bytes(), p.evicted}
		}
	}
	n.die()
	n.files = nil
}

// recall makes p continue from the previous run's state file.
func (n *simNode) recall(p *simProject) (state *statefile.State, evicted []int) {
	file := of(n.files, p.topic.number)
	if len(file.text) == 0 {
		return nil, nil
	}
	state, err := statefile.Decode(file.text)
	if err != nil {
		n.w.failf("node %d: what was saved of %s cannot be read: %v", n.index, p.topic.name, err)
		return nil, nil
	}
	p.history.Recall(state)
	return state, file.evicted
}

// restored notes from where on the node knows the pushes. before is what the previous run may have evicted.
func (p *simProject) restored(file *statefile.State, before []int) {
	e := p.topic.epoch()
	if file == nil || file.Epoch != e.number {
		return
	}
	for _, known := range file.Partitions {
		part := int(known.Number)
		if first := e.first[part]; known.Covers(int64(p.begin[part] - first)) {
			p.known[part], p.evicted[part] = first+int(known.Begin), max(before[part], p.begin[part])
			if p.topic.w.profile.tight() {
				p.evicted[part] = first + int(known.Next)
			}
		}
	}
}

// die ends the process without notice to its shards.
func (n *simNode) die() {
	for _, sh := range n.shards {
		for _, k := range sh.sockets {
			k.gone = true
			k.link.excuse("the node died")
			k.link.lost()
		}
		sh.sockets = nil
	}
	n.boot()
}

// simEnv is the node that a shard sees.
type simEnv struct{ sh *simShard }

func (e *simEnv) Wake() { e.sh.woken = true }

func (e *simEnv) Plain(_ *websocket.Request, peer Peer, dst []byte) ([]byte, netip.AddrPort, *websocket.Refusal) {
	return dst, peer.Address, nil
}

func (e *simEnv) Admit(r *websocket.Request, peer Peer) (Admission, *websocket.Refusal) {
	form := session.Plain
	switch r.Path {
	case "/ws":
		r.Compress = websocket.CompressAlways
	case simSockJS:
		form = session.SockJS
	default:
		return Admission{}, websocket.NotFound
	}
	return Admission{Address: peer.Address, Token: strings.Clone(r.Query), Form: form}, nil
}

func (e *simEnv) Patience(quiet time.Duration) time.Duration { return quiet }

func (e *simEnv) Known(netip.AddrPort) { e.sh.node.known++ }

func (e *simEnv) Stranger(netip.AddrPort) { e.sh.node.known-- }

func (e *simEnv) Lend(*Conn, Socket, Peer, []byte) { panic("no path is served elsewhere") }

func (e *simEnv) Release(_ netip.AddrPort, stranger bool) {
	e.sh.node.released++
	if stranger {
		e.sh.node.strange++
	}
}

// Authenticate accepts what CONNECT says: "project", "user", and the outcome that the schedule wants.
func (e *simEnv) Authenticate(c Credentials, done func(Identity, *session.Failure)) (Identity, *session.Failure, bool) {
	w := e.sh.w
	if c.Admission == nil {
		w.failf("no admission at CONNECT")
	}
	name, _ := c.Header("project")
	user, _ := c.Header("user")
	answer, _ := c.Header("answer")
	return e.verify(name, user, answer, done)
}

// verify delivers the outcome that answer names, now or a moment later.
func (e *simEnv) verify(project, user, answer string, done func(Identity, *session.Failure)) (Identity, *session.Failure, bool) {
	w := e.sh.w
	decide := func() (Identity, *session.Failure) {
		switch answer {
		case "wrong":
			return Identity{}, &session.Failure{Code: session.CodeAuth, Text: "Failed to send message: no", Close: session.CloseProtocol}
		case "later":
			return Identity{}, &session.Failure{Code: "unavailable", Text: "later", Close: session.CloseTryLater, Silent: true}
		}
		id := Identity{User: user}
		for _, p := range e.sh.node.projects {
			if p.topic.name == project {
				id.Project = p.settings
			}
		}
		switch left, ok := strings.CutPrefix(answer, "expires"); {
		case ok:
			n, _ := strconv.Atoi(left)
			id.Expires = simWall.Unix() + w.now/second + int64(n)
		case answer == "narrow":
			id.Rights = narrow(simDenied)
		case answer == "another":
			id.User += "x"
		}
		return id, nil
	}
	if w.chance(2) {
		id, failure := decide()
		return id, failure, true
	}
	w.after(w.rng.Int64N(50*millisecond), func() { done(decide()) })
	return Identity{}, nil, false
}

func (e *simEnv) Token(header func(string) (string, bool)) string {
	token, _ := header("token")
	return token
}

// Renew accepts what a token says: its user, and the outcome that the schedule wants.
func (e *simEnv) Renew(project, token string, _ netip.AddrPort, done func(Identity, *session.Failure)) (Identity, *session.Failure, bool) {
	answer, user, _ := strings.Cut(token, " ")
	return e.verify(project, user, answer, done)
}

// Forward takes a client's SEND for the back ends, after a moment, or refuses it.
func (e *simEnv) Forward(m *bus.Inbound, done func(error)) {
	w := e.sh.w
	var err error
	if l := w.senders[string(m.Body)]; l == nil {
		w.failf("%q is forwarded, which nobody has sent", m.Body)
	} else if w.chance(30) && !w.calm {
		err = bus.ErrBusy
		l.excuse("the bus was busy")
	}
	answer := func() {
		done(err)
		e.answered(m.Body)
		delete(w.senders, string(m.Body)) // once only
	}
	if w.chance(2) {
		answer()
		return
	}
	w.after(w.rng.Int64N(50*millisecond), answer)
}

// Allow always allows: Publish and Forward refuse now and then.
func (e *simEnv) Allow(*Settings, Holder, int, int) error { return nil }

// answered notes that the bus has answered a SEND: once the shard has handled the answer, nothing waits for it.
func (e *simEnv) answered(body []byte) {
	if l := e.sh.w.senders[string(body)]; l != nil {
		e.sh.post(nil, func() { delete(l.owed, string(body)) })
	}
}

// Publish takes a client's SEND, after a moment, or refuses it.
func (e *simEnv) Publish(r *bus.Record, done func(bus.Position, error)) {
	w := e.sh.w
	var topic *simTopic
	for _, t := range w.topics {
		if t.name == r.Project {
			topic = t
		}
	}
	publish := func() {
		p := topic.publish(r)
		if topic.bodies[string(r.Body)] != nil {
			w.failf("%q was published twice", r.Body)
		}
		topic.bodies[string(r.Body)] = p
		answer := func() {
			done(p.pos, nil)
			e.answered(r.Body)
		}
		if w.chance(2) {
			answer()
			return
		}
		w.after(w.rng.Int64N(20*millisecond), answer)
	}
	switch {
	case w.chance(30) && !w.calm:
		if l := w.senders[string(r.Body)]; l != nil {
			l.excuse("the bus was busy")
		}
		w.after(w.rng.Int64N(5*millisecond), func() { done(bus.Position{}, bus.ErrBusy) })
	case w.chance(2):
		publish()
	default:
		w.after(w.rng.Int64N(100*millisecond), publish)
	}
}

func (e *simEnv) project(s *Settings) *simProject {
	for _, p := range e.sh.node.projects {
		if p.topic.name == s.Name {
			return p
		}
	}
	panic("no such project")
}

func (e *simEnv) Join(s *Settings, _ string) refusal.Reason {
	p := e.project(s)
	if !p.served {
		for _, k := range e.sh.sockets {
			if k.link.c.topic == p.topic && !k.link.connected {
				k.link.excuse("the project is not served any more")
			}
		}
		return refusal.ProjectGone
	}
	p.sessions++
	return refusal.None
}

func (e *simEnv) Leave(s *Settings, _ string) {
	p := e.project(s)
	if p.sessions--; p.sessions < 0 {
		e.sh.w.failf("more sessions of %s left than came", s.Name)
	}
}

func (e *simEnv) CloseWrite(socket Socket) {
	k := socket.(*simSocket)
	switch {
	case k.gone:
		e.sh.w.failf("%v: FIN after the socket was closed", k)
	case k.finned:
		e.sh.w.failf("%v: FIN twice", k)
	}
	k.finned = true
	e.sh.w.tracef("%v: FIN", k)
}

func (e *simEnv) Close(socket Socket, _ refusal.Reason) {
	k := socket.(*simSocket)
	if k.gone {
		e.sh.w.failf("%v: closed twice", k)
		return
	}
	e.sh.w.tracef("%v: closed by the server", k)
	k.close(true)
}

// Refused is not checked by the simulation.
func (e *simEnv) Refused(refusal.Record) {}

// Panicked may report only panics that the schedule injected.
func (e *simEnv) Panicked(where string, reason any) {
	w := e.sh.w
	w.tracef("panic in %s: %v", where, reason)
	if w.panics == 0 || reason != errSimPanic {
		w.failf("panic in %s: %v\n%s", where, reason, debug.Stack())
		return
	}
	w.panics--
}

// simRights allow every destination but those whose names ask for a refusal.
type simRights struct{}

func (r simRights) Subscribe(user, dest string) Verdict {
	switch {
	case strings.HasPrefix(dest, "/user/"):
		if user == "" {
			return Forbidden
		}
		return Allowed
	case strings.HasPrefix(dest, "/none"):
		return Unserved
	case strings.Contains(dest, "forbidden"):
		return Forbidden
	}
	return Allowed
}

func (r simRights) SubscribePattern(user string, p *destination.Pattern) Verdict {
	return r.Subscribe(user, p.String())
}

// Bytes are charged to nobody.
func (r simRights) Bytes() int { return 0 }

func (r simRights) Send(user, dest string) SendAction {
	switch {
	case strings.Contains(dest, "forbidden"):
		return SendDeny
	case strings.HasPrefix(dest, "/none"):
		return SendIgnore
	case strings.HasPrefix(dest, "/app/"):
		return SendForward
	}
	return SendPush
}

func (sh *simShard) String() string {
	return fmt.Sprintf("node %d shard %d", sh.node.index, sh.shard.conf.Index)
}
