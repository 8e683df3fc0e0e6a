package client

import (
	"math/rand/v2"
	"strconv"

	gobwas "github.com/gobwas/ws"

	"stentor/engine/ws"
	"stentor/stomp"
)

// version is what the client speaks.
const version = stomp.V12

// receipt is the id of the only receipt that is ever asked for.
const receipt = "open"

// wire has what the client says, ready but for masks and CONNECT headers. It does not change.
type wire struct {
	key        string // of all handshakes
	request    []byte
	connect    []byte // start of CONNECT, without the headers of one connection
	subscribes [][]byte
	millis     uint32 // the heart-beat interval that is offered and wanted
}

func newWire(o *Options, key string) wire {
	host := o.Address.String()
	w := wire{
		key:     key,
		request: ws.AppendRequest(nil, host, o.Path, key, "Sec-WebSocket-Protocol: "+version.Subprotocol()),
		millis:  uint32(o.Heartbeat.Milliseconds()),
	}
	millis := strconv.Itoa(int(w.millis))
	w.connect = stomp.AppendCommand(nil, stomp.Connect)
	w.connect = stomp.AppendHeader(w.connect, stomp.V10, "accept-version", version.String())
	w.connect = stomp.AppendHeader(w.connect, stomp.V10, "host", host)
	w.connect = stomp.AppendHeader(w.connect, stomp.V10, "heart-beat", millis+","+millis)
	for i, destination := range o.Subscriptions {
		b := stomp.AppendCommand(nil, stomp.Subscribe)
		b = stomp.AppendHeader(b, version, "id", strconv.Itoa(i))
		b = stomp.AppendHeader(b, version, "destination", destination)
		if o.Receipts && i == len(o.Subscriptions)-1 {
			b = stomp.AppendHeader(b, version, "receipt", receipt)
		}
		w.subscribes = append(w.subscribes, stomp.AppendBody(b, nil))
	}
	return w
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
func appendFrame(dst []byte, op gobwas.OpCode, payload []byte) []byte {
	m := rand.Uint32()
	return ws.AppendMasked(dst, op, [4]byte{byte(m), byte(m >> 8), byte(m >> 16), byte(m >> 24)}, payload)
}
