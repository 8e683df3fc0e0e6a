package loop

import (
	"bytes"

	"github.com/panjf2000/gnet/v2"

	"stentor/engine/certs"
	"stentor/engine/websocket"
)

// helloMost is the most that a ClientHello may take, with the heads of its records. Browsers send some 1,800 bytes with a
// post-quantum key.
const helloMost = 16 << 10

// hello waits for a complete ClientHello: until then a connection costs its bytes, and no cryptography.
func (l *Loop) hello(t *secure, in []byte) gnet.Action {
	s := t.rare()
	s.part = appendPart(s.part, in)
	whole, ok := helloEnd(s.part)
	switch {
	case !ok && plainHTTP(s.part):
		return l.answerPlain(t)
	case !ok:
		l.failed(t, certs.NotTLS)
		return gnet.Close
	case whole:
		return l.shake(t)
	case len(s.part) > helloMost:
		l.failed(t, certs.HelloSize)
		return gnet.Close
	}
	l.above.Recount(t.conn)
	return gnet.None
}

// helloEnd reports whether b has a whole ClientHello, which may be in several records. It is not ok when b cannot be one.
func helloEnd(b []byte) (whole, ok bool) {
	const clientHello = 1
	have, need := 0, 4 // of the handshake message
	var head [4]byte
	for len(b) > 0 {
		size, ok := recordSize(b)
		if !ok || b[0] != typeHandshake || size == recordHead {
			return false, false
		}
		if size == 0 {
			return false, true
		}
		body := b[recordHead:min(size, len(b))]
		if have < len(head) {
			copy(head[have:], body)
		}
		if have += len(body); have > 0 && head[0] != clientHello {
			return false, false
		}
		if have >= len(head) {
			need = len(head) + int(head[1])<<16 + int(head[2])<<8 + int(head[3])
		}
		if need > helloMost {
			return false, false
		}
		if size > len(b) {
			return false, true
		}
		if have >= need {
			return true, true
		}
		b = b[size:]
	}
	return false, true
}

// plainHTTP reports whether a request without TLS begins like this.
func plainHTTP(b []byte) bool { return len(b) > 0 && b[0] >= 'A' && b[0] <= 'Z' }

// plainAnswer tells who sends HTTP to a port of TLS.
var plainAnswer = websocket.TLSMissing.AppendTo(nil)

// plainProxy tells a proxy that sends the PROXY protocol to a port without it. It is not answered: it would not read it.
var plainProxy = []byte("PROXY ")

// answerPlain answers plain HTTP so that a person can read it.
func (l *Loop) answerPlain(t *secure) gnet.Action {
	if bytes.HasPrefix(t.some.part, plainProxy) {
		l.failed(t, certs.NotTLS)
		return gnet.Close
	}
	l.failed(t, certs.PlainHTTP)
	t.some = nil
	if _, err := write(t.Conn, plainAnswer); err == nil {
		l.above.Hangup(t.conn)
	}
	return gnet.None
}
