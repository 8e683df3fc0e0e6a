package client

import (
	"math/rand/v2"
	"net/netip"
	"strconv"

	"github.com/gobwas/ws"

	"stentor/engine/websocket"
	"stentor/stomp"
)

// version is what the client speaks.
const version = stomp.V12

// wire has what the client says, ready but for masks and CONNECT headers. It does not change.
type wire struct {
	key      string   // of all handshakes
	requests [][]byte // one for each server
	connect  []byte   // start of CONNECT, without the headers of one connection
	millis   uint32   // the heart-beat interval that is offered and wanted
}

func newWire(o *Options, key string) wire {
	w := wire{key: key, millis: uint32(o.Heartbeat.Milliseconds())}
	var lines []string
	if o.Form == Deflated {
		lines = append(lines, websocket.OfferCompression)
	}
	path := o.Path
	if o.Form == SockJS {
		path += sockjsPath
	} else if !o.Bare {
		lines = append(lines, "Sec-WebSocket-Protocol: "+version.Subprotocol())
	}
	for _, a := range o.Addresses {
		host := o.Host
		if host == "" {
			host = hostOf(a)
		}
		w.requests = append(w.requests, websocket.AppendRequest(nil, host, path, key, lines...))
	}
	host := o.Host
	if host == "" {
		host = hostOf(o.Addresses[0])
	}
	millis := strconv.Itoa(int(w.millis))
	w.connect = stomp.AppendCommand(nil, stomp.Connect)
	w.connect = stomp.AppendHeader(w.connect, stomp.V10, "accept-version", version.String())
	w.connect = stomp.AppendHeader(w.connect, stomp.V10, "host", host)
	w.connect = stomp.AppendHeader(w.connect, stomp.V10, "heart-beat", millis+","+millis)
	return w
}

// hostOf is a in a Host header, which has no zone (RFC 6874).
func hostOf(a netip.AddrPort) string {
	return netip.AddrPortFrom(a.Addr().WithZone(""), a.Port()).String()
}

// request is the handshake of a connection.
func (w *wire) request(number int) []byte { return w.requests[number%len(w.requests)] }

// appendSubscribe appends the SUBSCRIBE of a subscription, which goes on behind last unless that is empty. Its receipt
// has its id.
func appendSubscribe(dst []byte, i int, destination string, receipt bool, last []byte) []byte {
	id := strconv.Itoa(i)
	dst = stomp.AppendCommand(dst, stomp.Subscribe)
	dst = stomp.AppendHeader(dst, version, "id", id)
	dst = stomp.AppendHeader(dst, version, "destination", destination)
	if len(last) > 0 {
		dst = stomp.AppendHeader(dst, version, "last-message-id", last)
	}
	if receipt {
		dst = stomp.AppendHeader(dst, version, "receipt", id)
	}
	return stomp.AppendBody(dst, nil)
}

// appendConnect appends the CONNECT of a connection with these headers.
func (w *wire) appendConnect(dst []byte, headers []stomp.Header) []byte {
	dst = append(dst, w.connect...)
	for _, h := range headers {
		dst = stomp.AppendHeader(dst, stomp.V10, string(h.Name), h.Value)
	}
	return stomp.AppendBody(dst, nil)
}

// appendFrame appends a client's WebSocket frame.
func appendFrame(dst []byte, op ws.OpCode, payload []byte) []byte {
	m := rand.Uint32()
	return websocket.AppendMasked(dst, op, [4]byte{byte(m), byte(m >> 8), byte(m >> 16), byte(m >> 24)}, payload)
}
