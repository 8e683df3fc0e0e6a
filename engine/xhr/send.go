package xhr

import (
	"bytes"
	"io"
	"net/http"
	"unicode/utf8"

	"stentor/engine/sockjs"
	"stentor/engine/websocket"
)

// send hands what a client sends to its session.
func (x *exchange) send(k key) {
	one := x.all.find(k)
	if one == nil {
		x.unknown()
		return
	}
	body, refused := x.body()
	if refused != nil {
		x.refuse(refused)
		return
	}
	defer x.conn.Hold(0)
	if len(bytes.TrimSpace(body)) == 0 {
		x.answer(http.StatusInternalServerError, "Payload expected.\n")
		return
	}
	var d sockjs.Decoder
	stomp, err := d.Append(body[:0], body) // never longer than what it reads
	if err == nil {
		err = d.End()
	}
	if err != nil || !utf8.Valid(stomp) {
		x.answer(http.StatusInternalServerError, "Broken JSON encoding.\n")
		return
	}
	if len(stomp) > 0 && !one.input(stomp, x.conn.Gone()) {
		x.unknown()
		return
	}
	x.vouch(one)
	x.w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	x.w.WriteHeader(http.StatusNoContent)
}

// unknown answers a request for a session that does not exist.
func (x *exchange) unknown() {
	if !x.all.conf.Host.Guess(x.client()) {
		x.refuse(guessing)
		return
	}
	x.w.Header()["Content-Type"] = nil
	x.rest()
	x.w.WriteHeader(http.StatusNotFound)
}

// vouch tells the node that the connection works for a session that is authenticated.
func (x *exchange) vouch(one *Session) {
	if one.known.Load() {
		x.all.server.vouch(x.conn, one)
	}
}

// body reads the body of the request, as far as it is allowed and there is memory for it. The caller gives Hold back. net/http
// has the deadline.
func (x *exchange) body() ([]byte, *websocket.Refusal) {
	most := x.all.conf.BodyBytes
	if x.r.ContentLength > int64(most) {
		return nil, tooLarge
	}
	const first = 512
	size := first
	if n := x.r.ContentLength; n >= 0 {
		size = min(int(n)+1, 4<<10) // one more to see its end
	}
	buf := make([]byte, 0, size)
	for {
		n, err := x.r.Body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case len(buf) > most:
			return nil, tooLarge
		case err == io.EOF:
			return buf, nil
		case err != nil: // the client is gone, or too slow
			x.conn.Abort()
			panic(http.ErrAbortHandler)
		case len(buf) == cap(buf):
			more := min(2*cap(buf), most+1)
			if !x.conn.Hold(more) {
				return nil, tooMuch
			}
			buf = append(make([]byte, 0, more), buf...)
		}
	}
}
