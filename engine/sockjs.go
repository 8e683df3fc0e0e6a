package engine

import (
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strings"

	"stentor/engine/refusal"
	"stentor/engine/shard"
	"stentor/engine/sockjs"
	"stentor/engine/websocket"
)

var (
	sockJSOff = &websocket.Refusal{Reason: refusal.Path, Status: http.StatusNotFound, Text: "This endpoint does not serve SockJS: its key sockjs in the configuration is not true. Or connect to it with a WebSocket, without SockJS."}
	notBuilt  = &websocket.Refusal{Reason: refusal.Path, Status: http.StatusNotFound, Text: "The transports jsonp, htmlfile and iframe of SockJS are not served. Served are websocket, xhr, xhr_streaming and eventsource."}
)

// sockJS is the endpoint that a path is of, or below in the way of SockJS, whether it serves SockJS or not, and what the path
// asks for there; nil when there is none.
func (n *Node) sockJS(path string) (*Endpoint, sockjs.Target) {
	for i := range n.opts.Endpoints {
		if e := &n.opts.Endpoints[i]; e.Path == path {
			return e, sockjs.Target{Kind: sockjs.Greeting}
		}
	}
	for i := range n.opts.Endpoints {
		e := &n.opts.Endpoints[i]
		if at := sockjs.Parse(e.Path, path); at.Kind != sockjs.Nothing {
			return e, at
		}
	}
	return nil, sockjs.Target{}
}

// plainSockJS decides on a request that is not for a WebSocket: it answers what SockJS asks for before it connects. Any loop
// calls it.
func (n *Node) plainSockJS(r *websocket.Request, peer shard.Peer, dst []byte) (answer []byte, client netip.AddrPort, refused *websocket.Refusal) {
	endpoint, at := n.sockJS(r.Path)
	switch {
	case endpoint == nil && n.belowSockJS(r.Path):
		return dst, peer.Address, websocket.NotFound
	case endpoint == nil, !endpoint.SockJS && at.Kind == sockjs.Greeting:
		return dst, peer.Address, nil
	}
	client = n.clientOf(r, peer)
	switch {
	case !endpoint.SockJS:
		return dst, client, sockJSOff
	case at.Kind == sockjs.NotBuilt:
		return dst, client, notBuilt
	case at.Kind == sockjs.Greeting && !r.Options:
		return websocket.AppendAnswer(dst, "text/plain; charset=UTF-8", "", []byte(sockjs.GreetingText)), client, websocket.Answered
	case at.Kind != sockjs.Info:
		return dst, client, nil
	case n.Draining():
		return dst, client, leaving
	case n.bus.Ready() != nil:
		return dst, client, early
	case !n.welcomes(endpoint, r, peer):
		return dst, client, websocket.Forbidden
	}
	if r.Options {
		return websocket.AppendNoContent(dst, sockjs.Preflight(r.Origin, r.AskedHeaders, "OPTIONS, GET")), client, websocket.Answered
	}
	var scratch [1024]byte
	body := sockjs.AppendInfo(scratch[:0], n.baseURL(endpoint, r, peer), rand.Uint32())
	return websocket.AppendAnswer(dst, "application/json; charset=UTF-8", neverKept+sockjs.Readable(r.Origin), body), client, websocket.Answered
}

// belowSockJS reports whether a path is below an endpoint with SockJS.
func (n *Node) belowSockJS(path string) bool {
	for i := range n.opts.Endpoints {
		if e := &n.opts.Endpoints[i]; e.SockJS && strings.HasPrefix(path, strings.TrimSuffix(e.Path, "/")+"/") {
			return true
		}
	}
	return false
}

// neverKept are the header lines with which no cache keeps an answer.
const neverKept = "Cache-Control: no-store, no-cache, must-revalidate, max-age=0\r\n"

// paths are those of all endpoints.
func (n *Node) paths() (all []string) {
	for _, e := range n.opts.Endpoints {
		all = append(all, e.Path)
	}
	return all
}

// baseURL is where a client is to open its transports: at this node, so that nothing before it has to know which node has a
// session. It is empty for where the client asked: when the node advertises no URL of the endpoint, or only one without TLS to
// a page that came with it, from which no browser would go there. The query is the request's, since clients drop their own.
func (n *Node) baseURL(endpoint *Endpoint, r *websocket.Request, peer shard.Peer) string {
	_, secure := n.target(r, peer)
	all := n.paths()
	for _, url := range n.opts.AdvertisedURLs {
		if secure && !strings.HasPrefix(url, "wss://") || !sockjs.Leads(url, endpoint.Path, all) {
			continue
		}
		base := "http" + strings.TrimPrefix(url, "ws") // wss becomes https
		if r.Query != "" {
			base += "?" + r.Query
		}
		return base
	}
	return ""
}
