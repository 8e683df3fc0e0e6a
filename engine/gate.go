package engine

import (
	"net/netip"

	"stentor/engine/loop"
	"stentor/engine/refusal"
	"stentor/engine/websocket"
)

// gate is the node as the event loops see it: it decides who may connect, before anything of the handshake is read. It
// implements loop.Host.
type gate struct{ node *Node }

func (g gate) Arrive(peer netip.AddrPort, proxied bool) (answer []byte, ok bool) {
	n := g.node
	if proxied && !n.trusts(peer.Addr()) {
		g.Refused(peer, refusal.ProxyUntrusted, "not one of listen.trusted_proxies")
		return nil, false
	}
	refused := websocket.Unavailable
	if n.sockets.Add(1) <= int64(n.capacity)+loop.Headroom {
		refused = n.arrive(&n.addresses, peer)
	}
	if refused != nil {
		n.sockets.Add(-1)
		return n.turnAway(refused, peer), false
	}
	return nil, true
}

func (g gate) Lost(peer netip.AddrPort) {
	g.node.sockets.Add(-1)
	g.node.leave(&g.node.addresses, peer, true)
}

func (g gate) Short(peer netip.AddrPort) {
	g.node.refusals.Refuse(refusal.Record{Reason: refusal.Descriptors, Address: peer, Text: websocket.Unavailable.Text})
}

func (g gate) Identify(client netip.AddrPort) (answer []byte, ok bool) {
	if refused := g.node.identify(client.Addr()); refused != nil {
		return g.node.turnAway(refused, client), false
	}
	return nil, true
}

func (g gate) Refused(peer netip.AddrPort, why refusal.Reason, text string) {
	g.node.refusals.Refuse(refusal.Record{Reason: why, Address: peer, Text: text})
}

func (g gate) Handshake(client netip.AddrPort) bool {
	n := g.node
	refused := n.arrive(&n.shaking, client)
	if refused == nil {
		return true
	}
	why := refusal.Record{Reason: refusal.TLSHandshakesPerAddress, Address: client, Text: "too many handshakes of this address are under way"}
	if refused == greedy {
		why.Reason, why.Text = refusal.TLSHandshakes, "too many handshakes are under way (tls.handshakes)"
	}
	n.refusals.Refuse(why)
	return false
}

func (g gate) HandshakeOver(client netip.AddrPort) {
	g.node.leave(&g.node.shaking, client, true)
}

func (g gate) Panicked(where string, reason any) { g.node.panicked(where, reason) }

func (g gate) Gone() { g.node.sockets.Add(-1) }

// turnAway counts and logs a connection that is refused at accept, or before its handshake is read, and returns the answer.
func (n *Node) turnAway(r *websocket.Refusal, address netip.AddrPort) (answer []byte) {
	n.refusals.Refuse(refusal.Record{Reason: r.Reason, Code: r.Status, Address: address, Text: r.Text})
	return answers[r]
}

// answers are for connections that are refused before their handshake is read.
var answers = map[*websocket.Refusal][]byte{
	websocket.Unavailable: websocket.Unavailable.AppendTo(nil), greedy: greedy.AppendTo(nil), hasty: hasty.AppendTo(nil), crowded: crowded.AppendTo(nil),
}
