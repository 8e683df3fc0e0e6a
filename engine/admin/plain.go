package admin

import (
	"crypto/tls"
	"errors"
	"time"

	"stentor/engine/refusal"
	"stentor/engine/websocket"
)

// plainAnswer tells who sends HTTP to a port of TLS.
var plainAnswer = websocket.TLSMissing.AppendTo(nil)

// answersPlain answers plain HTTP that came instead of a handshake, of which err tells, so that a person can read it. net/http
// does it only for connections that are nothing but a tls.Conn. "PROXY" is a proxy's header, not HTTP: nobody would read the answer.
func (c *conn) answersPlain(err error) bool {
	var not tls.RecordHeaderError
	if !errors.As(err, &not) || not.Conn == nil {
		return false
	}
	begins := not.RecordHeader
	if begins[0] < 'A' || begins[0] > 'Z' || string(begins[:]) == "PROXY" {
		return false
	}
	c.home.mu.Lock()
	c.plain, c.unread = true, true
	c.home.mu.Unlock()
	if c.home.refusals != nil {
		c.home.refusals.Refuse(refusal.Record{Reason: refusal.TLSMissing, Address: peer(c.RemoteAddr().String()), Text: "plain HTTP came to the API's port, which has TLS"})
	}
	_ = c.raw.SetWriteDeadline(time.Now().Add(lingerTime))
	_, _ = c.raw.Write(plainAnswer) // fits the empty buffer of a new socket
	return true
}
