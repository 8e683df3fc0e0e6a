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

// wire has what the client says, ready but for masks and CONNECT headers. It does not change.
type wire struct {
	key        string // of all handshakes
	request    []byte
	connect    []byte   // start of CONNECT, without the headers of one connection
	subscribes [][]byte // start of each SUBSCRIBE
	millis     uint32   // the heart-beat interval that is offered and wanted
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
		if o.Receipts && (o.Resume || i == len(o.Subscriptions)-1) {
			b = stomp.AppendHeader(b, version, "receipt", strconv.Itoa(i))
		}
		w.subscribes = append(w.subscribes, b)
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

// appendSubscribe appends the SUBSCRIBE of a subscription, which goes on behind last unless that is empty.
func (w *wire) appendSubscribe(dst []byte, i int, last []byte) []byte {
	dst = append(dst, w.subscribes[i]...)
	if len(last) > 0 {
		dst = stomp.AppendHeader(dst, version, "last-message-id", last)
	}
	return stomp.AppendBody(dst, nil)
}

// appendFrame appends a client's WebSocket frame.
func appendFrame(dst []byte, op gobwas.OpCode, payload []byte) []byte {
	m := rand.Uint32()
	return ws.AppendMasked(dst, op, [4]byte{byte(m), byte(m >> 8), byte(m >> 16), byte(m >> 24)}, payload)
}
