package engine

import (
	"net/netip"
	"time"

	"stentor/engine/loop"
	"stentor/engine/refusal"
	"stentor/engine/shard"
	"stentor/engine/websocket"
)

// env is the node as a loop's shard sees it; the loop implements a part of it.
type env struct {
	*loop.Loop
	node *Node
}

func (e *env) Refused(r refusal.Record) { e.node.refusals.Refuse(r) }

func (e *env) Panicked(where string, reason any) { e.node.panicked(where, reason) }

func (e *env) Admit(r *websocket.Request, peer shard.Peer) (shard.Admission, *websocket.Refusal) {
	return e.node.admit(r, peer)
}

func (e *env) Plain(r *websocket.Request, peer shard.Peer, dst []byte) ([]byte, netip.AddrPort, *websocket.Refusal) {
	return e.node.plain(r, peer, dst)
}

func (e *env) Patience(quiet time.Duration) time.Duration { return e.node.addresses.patience(quiet) }

func (e *env) Known(address netip.AddrPort) {
	e.node.known(&e.node.addresses, address)
}

func (e *env) Stranger(address netip.AddrPort) {
	e.node.again(&e.node.addresses, address)
}

func (e *env) Release(address netip.AddrPort, stranger bool) {
	e.node.leave(&e.node.addresses, address, stranger)
}
