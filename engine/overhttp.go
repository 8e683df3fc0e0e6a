package engine

import (
	"cmp"
	"net/http"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"stentor/engine/directory"
	"stentor/engine/loop"
	"stentor/engine/refusal"
	"stentor/engine/session"
	"stentor/engine/shard"
	"stentor/engine/sockjs"
	"stentor/engine/websocket"
	"stentor/engine/xhr"
)

// overHTTP is what a node has for SockJS's transports over HTTP: loops lend the connections of such requests to net/http. It
// implements xhr.Host.
type overHTTP struct {
	node     *Node
	server   *xhr.Server
	sessions *xhr.Sessions
	conns    addresses // whose connections are lent
	places   addresses // whose the sessions are
	requests addresses // of clients behind trusted proxies, until they have come whole
	all      atomic.Int64
	guesses  *directory.Limiter
}

// How long clients may take. A session's receiver gives itself more time.
const (
	idleTime   = 30 * time.Second // between two requests of a connection
	bodyTime   = 10 * time.Second // for a whole request
	answerTime = 30 * time.Second // to read an answer that is ready
	expiry     = 5 * time.Second  // without a receiver, as SockJS has it
)

// streamBytes is what one response carries, as SockJS has it: browsers keep all of it.
const streamBytes = 128 << 10

// How often an address may ask for sessions that do not exist, a second and at once. All clients of a node that is gone do so
// once.
const (
	guessRate  = 5
	guessBurst = 100
)

// openHTTP makes what serves SockJS over HTTP, if an endpoint has it.
func (n *Node) openHTTP() {
	if n.opts.Limits.SockJS == 0 || !slices.ContainsFunc(n.opts.Endpoints, func(e Endpoint) bool { return e.SockJS }) {
		return
	}
	most := n.opts.Limits.SockJS
	h := &overHTTP{
		node: n, guesses: directory.NewLimiter(guessRate, guessBurst),
		places: newAddresses(Limits{Unauthenticated: most}), conns: newAddresses(Limits{Unauthenticated: connsEach * most}),
		requests: newAddresses(Limits{Unauthenticated: connsEach * most}),
	}
	shards := make([]xhr.Shard, len(n.shards))
	for i, s := range n.shards {
		shards[i] = s
	}
	h.sessions = xhr.NewSessions(xhr.Config{
		Host: h, Shards: shards, BodyBytes: n.opts.bodyBytes(), AnswerTime: answerTime, Expiry: cmp.Or(n.opts.expiry, expiry), StreamBytes: streamBytes,
	})
	h.server = xhr.NewServer(xhr.ServerConfig{
		Handler: h.sessions, Conns: connsEach * most, HeaderBytes: n.opts.Session.HandshakeBytes,
		HeaderTime: n.opts.Shard.HandshakeTimeout, Idle: idleTime, BodyTime: bodyTime, AnswerTime: answerTime,
		Known:    func(c xhr.Conn) { n.known(&h.conns, c.Peer().Address) },
		Stranger: func(c xhr.Conn) { n.again(&h.conns, c.Peer().Address) },
		Gone:     func(c xhr.Conn, known bool) { n.leave(&h.conns, c.Peer().Address, !known) },
		Log:      n.log,
	})
	h.sessions.Serve(h.server)
	n.http = h
}

// connsEach is how many connections there may be for a session: a client receives on one, and sends on another.
const connsEach = 2

// overHTTP is the endpoint of a transport over HTTP, and what a path asks for there; nil when it is for none.
func (n *Node) overHTTP(path string) (*Endpoint, sockjs.Target) {
	e, at := n.sockJS(path)
	if e == nil || !e.SockJS || n.opts.Limits.SockJS == 0 || at.Kind != sockjs.Session || at.Transport == sockjs.WebSocket {
		return nil, sockjs.Target{}
	}
	return e, at
}

// elsewhere reports whether requests of a path are net/http's.
func (n *Node) elsewhere(path string) bool {
	e, _ := n.overHTTP(path)
	return e != nil
}

// endpointHTTP is what overHTTP finds, for check.
func (n *Node) endpointHTTP(path string) (*Endpoint, session.Form, *websocket.Refusal) {
	if e, _ := n.overHTTP(path); e != nil {
		return e, session.SockJSHTTP, nil
	}
	return nil, 0, websocket.NotFound
}

// restHTTP lets connections over HTTP end with their requests, or lets them stay open again.
func (n *Node) restHTTP(rest bool) {
	if n.http != nil {
		n.http.server.Rest(rest)
	}
}

// closeHTTP is called when the loops have ended.
func (n *Node) closeHTTP() {
	if n.http != nil {
		n.http.server.Stop()
		n.http.sessions.Stop()
	}
}

// refusals of connections and sessions over HTTP.
var (
	manyHTTP  = &websocket.Refusal{Reason: refusal.SockJSConnections, Status: http.StatusServiceUnavailable, Text: "Too many clients are connected over HTTP (sockjs.connections). Try again later, or another node.", Header: "Retry-After: 5\r\n"}
	hastyHTTP = &websocket.Refusal{Reason: refusal.SockJSConnectionsPerAddress, Status: http.StatusServiceUnavailable, Text: "Too many clients of your address are connected over HTTP and have not sent CONNECT yet (sockjs.connections). Try again soon.", Header: "Retry-After: 2\r\n"}
)

// enterHTTP counts a client among those over HTTP, or refuses it.
func (n *Node) enterHTTP(of *addresses, client netip.AddrPort) *websocket.Refusal {
	switch n.arrive(of, client) {
	case nil:
		return nil
	case greedy:
		return manyHTTP
	default:
		return hastyHTTP
	}
}

func (g gate) Serve(c *loop.Lent) (answer []byte, ok bool) {
	n, client := g.node, c.Peer().Address
	if !n.trusts(client.Addr()) {
		c.Charge(client.Addr())
	}
	refused := n.enterHTTP(&n.http.conns, client)
	if refused == nil && !n.http.server.Take(c) {
		n.leave(&n.http.conns, client, true)
		refused = manyHTTP
	}
	if refused == nil {
		return nil, true
	}
	n.refusals.Refuse(refusal.Record{Reason: refused.Reason, Code: refused.Status, Address: client, Text: refused.Text})
	return refused.AppendTo(nil), false
}

// Target implements xhr.Host.
func (h *overHTTP) Target(path string) (endpoint string, t sockjs.Target, ok bool) {
	e, t := h.node.overHTTP(path)
	if e == nil {
		return "", t, false
	}
	return e.Path, t, true
}

// Allow implements xhr.Host.
func (h *overHTTP) Allow(r *websocket.Request, peer shard.Peer) *websocket.Refusal {
	e, _, refused := h.node.endpointHTTP(r.Path)
	if refused == nil && !h.node.welcomes(e, r, peer) {
		refused = websocket.Forbidden
	}
	return refused
}

// Admit implements xhr.Host.
func (h *overHTTP) Admit(r *websocket.Request, peer shard.Peer) (shard.Admission, *websocket.Refusal) {
	return h.node.check(r, peer, h.node.endpointHTTP)
}

// Credentials implements xhr.Host.
func (h *overHTTP) Credentials(r *websocket.Request) (token, project string) {
	var a shard.Admission
	h.node.credentials(r, &a)
	return a.Token, a.Project
}

// Client implements xhr.Host.
func (h *overHTTP) Client(r *websocket.Request, peer shard.Peer) netip.AddrPort {
	return h.node.clientOf(r, peer)
}

// Begin implements xhr.Host. A connection of a client's own is counted already.
func (h *overHTTP) Begin(client netip.AddrPort, peer shard.Peer) *websocket.Refusal {
	if client == peer.Address {
		return nil
	}
	return h.node.enterHTTP(&h.requests, client)
}

// End implements xhr.Host.
func (h *overHTTP) End(client netip.AddrPort, peer shard.Peer) {
	if client != peer.Address {
		h.node.leave(&h.requests, client, true)
	}
}

// Enter implements xhr.Host.
func (h *overHTTP) Enter(client netip.AddrPort) *websocket.Refusal {
	n := h.node
	if h.all.Add(1) > int64(n.opts.Limits.SockJS) {
		h.all.Add(-1)
		return manyHTTP
	}
	refused := n.enterHTTP(&h.places, client)
	if refused == nil {
		if refused = n.arrive(&n.addresses, client); refused == nil {
			return nil
		}
		n.leave(&h.places, client, true)
	}
	h.all.Add(-1)
	return refused
}

// Withdraw implements xhr.Host.
func (h *overHTTP) Withdraw(client netip.AddrPort) {
	h.node.leave(&h.node.addresses, client, true)
	h.Leave(client, true)
}

// Known implements xhr.Host.
func (h *overHTTP) Known(client netip.AddrPort) { h.node.known(&h.places, client) }

// Leave implements xhr.Host.
func (h *overHTTP) Leave(client netip.AddrPort, stranger bool) {
	h.node.leave(&h.places, client, stranger)
	h.all.Add(-1)
}

// Guess implements xhr.Host.
func (h *overHTTP) Guess(client netip.AddrPort) bool {
	return h.guesses.Allow(client.Addr(), time.Now())
}

// Refused implements xhr.Host.
func (h *overHTTP) Refused(r refusal.Record) { h.node.refusals.Refuse(r) }

// Panicked implements xhr.Host.
func (h *overHTTP) Panicked(where string, reason any) { h.node.panicked(where, reason) }
