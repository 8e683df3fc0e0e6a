package engine

import (
	"net/http"
	"net/netip"
	"strings"

	"stentor/engine/refusal"
	"stentor/engine/session"
	"stentor/engine/shard"
	"stentor/engine/sockjs"
	"stentor/engine/websocket"
)

// refusals of the node itself, beside those of package websocket.
var (
	leaving = &websocket.Refusal{Reason: refusal.Stopping, Status: http.StatusServiceUnavailable, Text: "This node is stopping. Connect to another one.", Header: "Retry-After: 1\r\n"}
	early   = &websocket.Refusal{Reason: refusal.NotReady, Status: http.StatusServiceUnavailable, Text: "This node is not ready yet. Connect to another one.", Header: "Retry-After: 1\r\n"}
)

// admit decides on a handshake: is the node open and ready, does it serve the path, may the page's origin connect, are
// there too many. The connection was counted at accept, except for the client of a proxy that X-Forwarded-For names. Any
// loop calls it.
func (n *Node) admit(r *websocket.Request, peer shard.Peer) (shard.Admission, *websocket.Refusal) {
	a, refused := n.check(r, peer, n.endpoint)
	if refused == nil && a.Address != peer.Address { // it counts as another client from now on
		refused = n.identify(a.Address.Addr())
	}
	return a, refused
}

// check is admit without counting. find is the endpoint of a path.
func (n *Node) check(r *websocket.Request, peer shard.Peer, find func(path string) (*Endpoint, session.Form, *websocket.Refusal)) (shard.Admission, *websocket.Refusal) {
	a := shard.Admission{Address: n.clientOf(r, peer)}
	if n.Draining() {
		return a, leaving
	}
	if n.bus.Ready() != nil { // it has nothing to resume from yet: clients would be told of gaps that do not exist
		return a, early
	}
	endpoint, form, refused := find(r.Path)
	if refused != nil {
		return a, refused
	}
	a.Form = form
	if form == session.Plain { // the handshake may make it Deflated
		r.Compress = endpoint.Compress
	}
	switch {
	case !n.welcomes(endpoint, r, peer):
		return a, websocket.Forbidden
	case n.sockets.Load() > int64(n.capacity):
		return a, websocket.Unavailable
	}
	a.Endpoint = endpoint.Project
	n.credentials(r, &a)
	return a, nil
}

// endpoint is the one to which a path leads a WebSocket, and the form of a session there.
func (n *Node) endpoint(path string) (*Endpoint, session.Form, *websocket.Refusal) {
	endpoint, at := n.sockJS(path)
	switch {
	case endpoint == nil:
		return nil, 0, websocket.NotFound
	case endpoint.Path == path:
		return endpoint, session.Plain, nil
	case !endpoint.SockJS && at.Kind != sockjs.Greeting:
		return nil, 0, sockJSOff
	case at.Kind == sockjs.Raw:
		return endpoint, session.Plain, nil
	case at.Kind == sockjs.Session && at.Transport == sockjs.WebSocket:
		return endpoint, session.SockJS, nil
	case at.Kind == sockjs.NotBuilt:
		return nil, 0, notBuilt
	}
	return nil, 0, websocket.NotFound
}

// target is where a client went, and whether over TLS. X-Forwarded-Proto, -Host and -Port count when a trusted proxy is at the
// other end, X-Forwarded-For when the client that is known so far is one: the PROXY protocol may have named another client, and
// may come from a proxy that passes headers on unchanged.
func (n *Node) target(r *websocket.Request, peer shard.Peer) (host string, secure bool) {
	host, secure = r.Target(n.trusts(peer.Address.Addr()) || peer.Proxied)
	return host, secure || peer.Secure
}

// welcomes reports whether a page of the request's origin may connect to an endpoint.
func (n *Node) welcomes(endpoint *Endpoint, r *websocket.Request, peer shard.Peer) bool {
	host, secure := n.target(r, peer)
	return endpoint.Origins.Allows(r.Origin, host, secure, &n.opts.Names)
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

// clientOf is the client that sent a request: the one in X-Forwarded-For when a trusted proxy is at the other end.
func (n *Node) clientOf(r *websocket.Request, peer shard.Peer) netip.AddrPort {
	if r.ForwardedFor == "" || !n.trusts(peer.Address.Addr()) {
		return peer.Address
	}
	if real := websocket.ClientAddr(peer.Address.Addr(), r.ForwardedFor, n.opts.TrustedProxies); real != peer.Address.Addr() {
		return netip.AddrPortFrom(real, 0)
	}
	return peer.Address
}

// arrive, known, again and leave count a client among those of its address, for which trusted proxies have none.
func (n *Node) arrive(of *addresses, client netip.AddrPort) *websocket.Refusal {
	return of.arrive(client.Addr(), !n.trusts(client.Addr()))
}

func (n *Node) known(of *addresses, client netip.AddrPort) {
	of.known(client.Addr(), !n.trusts(client.Addr()))
}

func (n *Node) again(of *addresses, client netip.AddrPort) {
	of.again(client.Addr(), !n.trusts(client.Addr()))
}

func (n *Node) leave(of *addresses, client netip.AddrPort, stranger bool) {
	of.leave(client.Addr(), !n.trusts(client.Addr()), stranger)
}

// identify counts a connection of a trusted proxy for the client that it turns out to be.
func (n *Node) identify(client netip.Addr) *websocket.Refusal {
	if n.trusts(client) {
		return nil // another proxy
	}
	return n.addresses.identify(client)
}

// credentials keeps what the handshake says about the client, for its CONNECT: browsers cannot see the answer to a failed
// handshake.
func (n *Node) credentials(r *websocket.Request, a *shard.Admission) {
	if token, ok := bearer(r.Authorization); ok {
		a.Token = strings.Clone(token)
	}
	// A value without escapes is still a part of the read buffer.
	if token := websocket.Parameter(r.Query, n.opts.TokenHeader); token != "" {
		a.Token = strings.Clone(token)
	}
	a.Project = strings.Clone(websocket.Parameter(r.Query, n.opts.ProjectHeader))
}

func bearer(authorization string) (token string, ok bool) {
	scheme, token, ok := strings.Cut(authorization, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	return strings.TrimSpace(token), true
}
