package engine

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"

	"stentor/engine/shard"
	"stentor/engine/ws"
)

// refusals of the node itself, beside those of package ws.
var (
	leaving = &ws.Refusal{Status: http.StatusServiceUnavailable, Text: "This node is stopping. Connect to another one.", Header: "Retry-After: 1\r\n"}
	early   = &ws.Refusal{Status: http.StatusServiceUnavailable, Text: "This node is not ready yet. Connect to another one.", Header: "Retry-After: 1\r\n"}
	crowded = &ws.Refusal{Status: http.StatusServiceUnavailable, Text: "Your address has as many connections as one address may have (limits.connections_per_address).", Header: "Retry-After: 30\r\n"}
	greedy  = &ws.Refusal{Status: http.StatusServiceUnavailable, Text: "Too many connections are waiting for their CONNECT (limits.unauthenticated). Try again soon.", Header: "Retry-After: 2\r\n"}
)

// refusals counts handshakes that met a bound of the node.
type refusals struct{ full, greedy, crowded atomic.Uint64 }

// admit decides over a handshake: is the node open and ready, does it serve the path, may the page's origin connect, are there
// too many. Any loop calls it.
func (n *Node) admit(r *ws.Request, peer shard.Peer) (shard.Admission, *ws.Refusal) {
	if n.draining.Load() {
		return shard.Admission{}, leaving
	}
	if n.bus.Ready() != nil { // it has nothing to resume from yet: clients would be told of gaps that are none
		return shard.Admission{}, early
	}
	endpoint := n.endpoint(r.Path)
	if endpoint == nil {
		return shard.Admission{}, ws.NotFound
	}
	// X-Forwarded-Proto and -Host count when a trusted proxy is at the other end, X-Forwarded-For when the client that
	// is known so far is one: the PROXY protocol may have told of another, and may come from a proxy that passes headers
	// on as it got them.
	trusted := n.trusts(peer.Address.Addr())
	host, secure := r.Target(trusted || peer.Proxied)
	if !endpoint.Origins.Allows(r.Origin, host, secure) {
		return shard.Admission{}, ws.Forbidden
	}
	if n.sockets.Load() > int64(n.capacity) {
		n.refusals.full.Add(1)
		return shard.Admission{}, ws.Unavailable
	}
	if n.greeting() > int64(n.opts.Limits.Unauthenticated) {
		n.refusals.greedy.Add(1)
		return shard.Admission{}, greedy
	}
	a := shard.Admission{Address: peer.Address, Endpoint: endpoint.Project}
	if trusted && r.ForwardedFor != "" {
		if real := ws.ClientAddr(peer.Address.Addr(), r.ForwardedFor, n.opts.TrustedProxies); real != peer.Address.Addr() {
			a.Address = netip.AddrPortFrom(real, 0)
		}
	}
	if n.opts.Limits.PerAddress > 0 {
		if !n.addresses.enter(a.Address.Addr(), n.opts.Limits.PerAddress) {
			n.refusals.crowded.Add(1)
			return shard.Admission{}, crowded
		}
		a.Counted = true
	}
	n.credentials(r, &a)
	return a, nil
}

func (n *Node) endpoint(path string) *Endpoint {
	for i := range n.opts.Endpoints {
		if n.opts.Endpoints[i].Path == path {
			return &n.opts.Endpoints[i]
		}
	}
	return nil
}

func (n *Node) trusts(a netip.Addr) bool {
	a = a.Unmap()
	for _, p := range n.opts.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// greeting is how many sockets have yet to prove who they are.
func (n *Node) greeting() (all int64) {
	for _, l := range n.loops {
		all += l.shard.Stats().Greeting.Load()
	}
	return all
}

// credentials keeps what the handshake says about the client, for its CONNECT: browsers cannot see the answer to a
// handshake that fails.
func (n *Node) credentials(r *ws.Request, a *shard.Admission) {
	if token, ok := bearer(r.Authorization); ok {
		a.Token = strings.Clone(token)
	}
	if r.Query == "" {
		return
	}
	// The error is about pairs that are no pairs, such as note=50%. The good ones are in query all the same.
	query, _ := url.ParseQuery(r.Query)
	// What has nothing to unescape is still a part of the read buffer.
	if token := query.Get(n.opts.TokenHeader); token != "" {
		a.Token = strings.Clone(token)
	}
	a.Project = strings.Clone(query.Get(n.opts.ProjectHeader))
}

func bearer(authorization string) (token string, ok bool) {
	scheme, token, ok := strings.Cut(authorization, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	return strings.TrimSpace(token), true
}

// addresses counts connections by client address; of IPv6 a /64 is one client. It is used only with a limit set, and
// only at the beginning and end of connections.
type addresses struct {
	mu    sync.Mutex
	count map[netip.Addr]int
}

func client(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		p, _ := a.Prefix(64)
		return p.Addr()
	}
	return a
}

func (c *addresses) enter(a netip.Addr, limit int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count == nil {
		c.count = map[netip.Addr]int{}
	}
	a = client(a)
	if c.count[a] >= limit {
		return false
	}
	c.count[a]++
	return true
}

func (c *addresses) leave(a netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a = client(a)
	if c.count[a]--; c.count[a] <= 0 {
		delete(c.count, a)
	}
}
