package engine

import (
	"net/http"
	"net/netip"
	"time"

	"stentor/engine/directory"
	"stentor/engine/refusal"
	"stentor/engine/shard"
	"stentor/engine/websocket"
)

// discoveryPath is where clients ask which node to connect to. The API's port serves it too.
const discoveryPath = "/v1/endpoints"

// discoveryHeader lets every page read the answer, and no cache keep it.
const discoveryHeader = "Cache-Control: no-store\r\nAccess-Control-Allow-Origin: *\r\n"

var (
	nowhere    = &websocket.Refusal{Reason: refusal.DiscoveryEmpty, Status: http.StatusServiceUnavailable, Text: "No node takes clients now. Try again soon.", Header: "Retry-After: 2\r\n" + discoveryHeader}
	curious    = &websocket.Refusal{Reason: refusal.DiscoveryRate, Status: http.StatusTooManyRequests, Text: "Your address asks for endpoints more often than one address may. Try again soon.", Header: "Retry-After: 1\r\n" + discoveryHeader}
	miscounted = &websocket.Refusal{Reason: refusal.HandshakeMalformed, Status: http.StatusBadRequest, Text: "The parameter n is how many nodes are asked for, a number from 1 to 10.", Header: discoveryHeader}
)

// plain decides on a request that is not for a WebSocket: it serves discoveryPath, if the node has a directory, and SockJS. A node that
// is stopping, full or not ready names the others. Any loop calls it.
func (n *Node) plain(r *websocket.Request, peer shard.Peer, dst []byte) (answer []byte, client netip.AddrPort, refused *websocket.Refusal) {
	if r.Path != discoveryPath || n.opts.Directory == nil {
		return n.plainSockJS(r, peer, dst)
	}
	if r.Options {
		return dst, peer.Address, nil
	}
	now := time.Now()
	client = n.clientOf(r, peer)
	if !n.opts.Discovery.Allow(client.Addr(), now) {
		return dst, client, curious
	}
	most, ok := directory.ParseCount(websocket.Parameter(r.Query, "n"))
	if !ok {
		return dst, client, miscounted
	}
	var scratch [1024]byte
	body, ok := n.opts.Directory.Answer(scratch[:0], most, now)
	if !ok {
		return dst, client, nowhere
	}
	return websocket.AppendAnswer(dst, "application/json", discoveryHeader, body), client, websocket.Answered
}
