package shard

import (
	"fmt"
	"math"
	"slices"

	"stentor/engine/session"
	"stentor/engine/websocket"
	"stentor/stomp"
)

// simClient is a client that subscribes, and reconnects when its connection ends.
type simClient struct {
	w       *world
	number  int
	topic   *simTopic
	user    string
	version stomp.Version
	beats   string
	good    bool // reads and acknowledges at once, and breaks no rule: it must never be closed or miss a push
	mute    bool // sends no heart-beats and no pongs
	acks    bool // acknowledges at once
	reads   int  // bytes it reads at a time; 0 all
	form    session.Form
	packs   bool // accepts compressed messages, and sends some
	blocked int64

	link  *simLink
	away  int64
	feeds []*feed
}

// simTx is an open transaction.
type simTx struct {
	name   string
	bodies []string // to be published
	owes   []string // the same, and those forwarded to back ends
	acks   []simAck
}

// simAck is what an ACK in a transaction acknowledges, if it is carried out.
type simAck struct {
	feed   *feed
	tokens []string
}

// join adds a client.
func (w *world) join(o *op) bool {
	t := of(w.topics, o.Project)
	if t == nil || o.Client < 1 || w.client(o.Client) != nil || o.Version > int(stomp.V12) {
		return false
	}
	w.clients = append(w.clients, &simClient{
		w: w, number: o.Client, topic: t, user: o.User, version: stomp.Version(o.Version), beats: o.Beats,
		good: o.Good, mute: o.Mute, acks: o.Acks || o.Good, reads: o.Reads, form: simForms[o.SockJS], packs: o.Packs && o.SockJS == "",
	})
	return true
}

// client returns the client with this number, nil when there is none.
func (w *world) client(number int) *simClient {
	for _, c := range w.clients {
		if c.number == number {
			return c
		}
	}
	return nil
}

// prompt reports whether the client reads and answers at once.
func (c *simClient) prompt() bool { return c.good || c.w.calm }

// appetite returns how many bytes the client reads now.
func (c *simClient) appetite() int {
	switch {
	case c.prompt():
		return math.MaxInt
	case c.w.now < c.blocked:
		return 0
	case c.reads > 0:
		return c.reads
	}
	return math.MaxInt
}

// pump lets the client act.
func (c *simClient) pump() {
	if c.link == nil {
		if c.w.calm && !c.w.over && c.w.now >= c.away {
			c.connect(c.again())
		}
		return
	}
	l := c.link
	l.pump()
	for c.w.calm && c.link == l && l.live() && len(l.txs) > 0 {
		l.transact(pick(c.w, []stomp.Command{stomp.Commit, stomp.Commit, stomp.Abort}))
	}
	if c.link == l && l.live() && (c.acks || c.w.calm) {
		for _, f := range l.feeds {
			switch {
			case len(f.tokens) == 0:
			case l.hurried():
				l.excuse("it holds its ACKs back")
			default:
				f.acknowledge(len(f.tokens))
			}
		}
	}
}

// again reconnects the client after the faults have ended.
func (c *simClient) again() *op {
	n := pick(c.w, c.w.nodes)
	return &op{Client: c.number, Node: n.index, Shard: c.w.rng.IntN(len(n.shards)), Early: max(0, c.w.rng.IntN(6)-3)}
}

// connect opens a connection to a node.
func (c *simClient) connect(o *op) bool {
	w := c.w
	sh := w.shard(o)
	if sh == nil || sh.node.closed && !w.calm {
		return false
	}
	l := &simLink{w: w, c: c, key: websocket.NewKey(), owed: map[string]bool{}, free: true, ignores: o.Ignores, answer: o.Answer, late: o.Late}
	l.opened = c.form == session.SockJSHTTP
	l.sock = sh.connect(l)
	c.link = l
	l.sent = w.now
	w.tracef("%v: connects", l.sock)
	if n := w.profile.allowed().sessions; n > 0 && n < 1<<20 {
		l.risk("sessions hold too much")
	}
	l.sock.window, l.sock.failIn = o.Kernel, o.Fails
	l.sock.panicIn, l.sock.looks = o.Panics, o.Looks
	for _, p := range sh.node.projects {
		if p.topic == c.topic && !p.served {
			l.excuse("the project is not served")
		}
	}
	path := "/ws?token=t"
	if c.form == session.SockJS {
		path = simSockJS + "?token=t"
	}
	if o.Path != "" && !l.opened {
		path = o.Path
		l.blame("path")
	}
	if l.opened {
		if o.Early == 0 {
			l.greet()
		}
	} else {
		lines := []string{"Sec-WebSocket-Protocol: v12.stomp"}
		if c.packs {
			lines = append(lines, websocket.OfferCompression)
		}
		l.out = websocket.AppendRequest(l.out, "host", path, l.key, lines...)
	}
	if o.Early > 0 && l.guilt == "" {
		l.greet()
		if o.Early > 1 && l.greeted {
			c.resubscribe(l) // and does not wait for CONNECTED
		}
	}
	return true
}

// greet sends CONNECT.
func (l *simLink) greet() {
	c := l.c
	if l.greeted || l.late {
		return
	}
	l.greeted = true
	headers := []string{"host", "host", "project", c.topic.name, "user", c.user}
	if c.version > stomp.V10 {
		headers = append(headers, "accept-version", []string{"1.1,1.0", "1.2,1.1,1.0"}[c.version-1])
	}
	if c.beats != "" {
		headers = append(headers, "heart-beat", c.beats)
		if c.version > stomp.V10 { // 1.0 has none
			allowed := c.w.profile.allowed().machine
			cx, cy, _ := stomp.ParseHeartbeat([]byte(c.beats), true)
			sends, receives := stomp.NegotiateHeartbeat(allowed.Sends, allowed.Receives, cx, cy)
			l.sends, l.receives = int64(sends)*millisecond, int64(receives)*millisecond
		}
	}
	switch {
	case l.answer == "wrong":
		l.blame(session.CodeAuth)
	case l.answer == "later":
		l.excuse("come later")
	case l.answer != "":
		l.excuse("the token expires")
		l.end = l.endOf(l.answer)
	}
	headers = append(headers, "answer", l.answer)
	l.send(stomp.Connect, "", nil, headers...)
	l.seal()
}

// resubscribe repeats the subscriptions of an earlier connection.
func (c *simClient) resubscribe(l *simLink) {
	for _, f := range c.feeds {
		if f.link != nil || l.guilt != "" {
			continue
		}
		if c.w.chance(8) {
			f.ask(l, "", nil, false)
		} else {
			f.resume(l)
		}
	}
}

// acknowledge sends ACK or NACK for n of the oldest pushes of f.
func (f *feed) acknowledge(n int) bool {
	n = min(n, len(f.tokens))
	l := f.link
	if n == 0 || l == nil {
		return false
	}
	var tx *simTx
	if !f.c.good && !f.c.w.calm && len(l.txs) > 0 {
		tx = l.txs[0]
	}
	if f.ack == session.AckClient {
		f.answer(l, stomp.Ack, f.tokens[n-1], f.tokens[:n:n], tx)
		f.tokens = f.tokens[n:]
		return true
	}
	for range n {
		at := f.c.w.rng.IntN(len(f.tokens))
		cmd := stomp.Ack
		if f.c.w.chance(5) && f.c.version != stomp.V10 {
			cmd = stomp.Nack
		}
		f.answer(l, cmd, f.tokens[at], f.tokens[at:at+1:at+1], tx)
		f.tokens = slices.Concat(f.tokens[:at], f.tokens[at+1:])
	}
	return true
}

func (f *feed) answer(l *simLink, cmd stomp.Command, token string, all []string, tx *simTx) {
	headers := []string{"id", token}
	if f.c.version != stomp.V12 {
		headers = []string{"message-id", token}
		if f.c.version == stomp.V11 {
			headers = append(headers, "subscription", f.id)
		}
	}
	if tx != nil {
		tx.acks = append(tx.acks, simAck{f, all})
		headers = append(headers, "transaction", tx.name)
	}
	var e *expect
	if f.c.w.chance(10) {
		e = &expect{}
	}
	l.send(cmd, "", e, headers...)
}

func (c *simClient) String() string {
	kind := "client"
	if c.good {
		kind = "good client"
	}
	return fmt.Sprintf("%s %d of %s", kind, c.number, c.topic.name)
}
