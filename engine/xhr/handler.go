package xhr

import (
	"bytes"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"stentor/engine/refusal"
	"stentor/engine/sockjs"
	"stentor/engine/websocket"
)

// exchange is one request for a session.
type exchange struct {
	all      *Sessions
	w        http.ResponseWriter
	r        *http.Request
	conn     Conn
	endpoint string
	target   sockjs.Target
	request  websocket.Request
	came     func() // is called once the request has come whole
}

// ServeHTTP implements http.Handler. A request that is not for a transport over HTTP, which may follow others on a
// connection, goes back to the loop with its connection: it may be for a WebSocket.
func (s *Sessions) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{all: s, w: w, r: r, conn: connOf(r)}
	defer x.recovered("sockjs")
	path, _, _ := strings.Cut(r.RequestURI, "?")
	var ok bool
	if x.endpoint, x.target, ok = s.conf.Host.Target(path); !ok {
		x.giveBack()
		return
	}
	x.request = handshakeOf(r, path)
	w.Header().Set("Cache-Control", "no-store, no-cache, no-transform, must-revalidate, max-age=0")
	w.Header().Set("Vary", "Origin")
	w.Header().Set("X-Content-Type-Options", "nosniff") // no page may run the answer to a GET as a script
	if x.doubtful() {
		w.Header().Set("Connection", "close")
	}
	refused := s.conf.Host.Allow(&x.request, x.conn.Peer())
	if x.request.Origin == "" && foreign[r.Header.Get("Sec-Fetch-Site")] {
		refused = websocket.Forbidden
	}
	if len(r.Header["Origin"]) > 1 || len(r.Header["Authorization"]) > 1 {
		refused = twice
	}
	if refused != nil {
		x.refuse(refused)
		return
	}
	client := x.client()
	if refused = s.conf.Host.Begin(client, x.conn.Peer()); refused != nil {
		x.refuse(refused)
		return
	}
	x.came = func() { s.conf.Host.End(client, x.conn.Peer()) }
	defer func() { x.came() }()
	x.lines(sockjs.Readable(x.request.Origin))
	allowed := http.MethodPost
	if x.target.Transport == sockjs.EventSource {
		allowed = http.MethodGet
	}
	switch {
	case r.Method == http.MethodOptions:
		x.options(allowed)
	case r.Method != allowed:
		w.Header().Set("Allow", "OPTIONS, "+allowed)
		w.Header()["Content-Type"] = nil
		x.rest()
		w.WriteHeader(http.StatusMethodNotAllowed)
	default:
		x.serve()
	}
}

// foreign are the pages for which a browser fetches without naming their origin: as an image, or as a script. No client of SockJS
// does that from another site.
var foreign = map[string]bool{"cross-site": true, "same-site": true}

// doubtful reports whether two parties could see the request's end at different places: with a transfer coding beside a length,
// or in HTTP/1.0, that is how requests are smuggled past proxies. It has to be the last of its connection (RFC 9112 section 6.1).
func (x *exchange) doubtful() bool { return len(x.r.TransferEncoding) > 0 || !x.r.ProtoAtLeast(1, 1) }

func (x *exchange) serve() {
	if n := len(x.target.ID); n < leastID || n > mostName || len(x.target.Server) > mostName {
		x.refuse(badID)
		return
	}
	k := x.all.key(x.endpoint, x.target, &x.request)
	if x.target.Transport == sockjs.XHRSend {
		x.send(k)
		return
	}
	x.receive(k)
}

// recovered counts a panic, which costs the connection.
func (x *exchange) recovered(where string) {
	if reason := recover(); reason != nil {
		if reason != http.ErrAbortHandler {
			x.all.conf.Host.Panicked(where, reason)
		}
		panic(http.ErrAbortHandler)
	}
}

// handshakeOf is a request as the checks of handshakes know it.
func handshakeOf(r *http.Request, path string) websocket.Request {
	list := func(name string) string { return strings.Join(r.Header.Values(name), ", ") }
	return websocket.Request{
		Path: path, Query: r.URL.RawQuery, Host: r.Host,
		Origin: r.Header.Get("Origin"), Authorization: r.Header.Get("Authorization"), Cookie: r.Header.Get("Cookie"),
		ForwardedFor: list("X-Forwarded-For"), ForwardedProto: list("X-Forwarded-Proto"),
		ForwardedHost: list("X-Forwarded-Host"), ForwardedPort: list("X-Forwarded-Port"),
	}
}

// lines sets header lines, each with its CR LF.
func (x *exchange) lines(all string) {
	for _, one := range strings.Split(all, "\r\n") {
		if name, value, ok := strings.Cut(one, ": "); ok {
			x.w.Header().Set(name, value)
		}
	}
}

// options answers what a browser asks before it sends a page's request.
func (x *exchange) options(allowed string) {
	x.lines(sockjs.Preflight(x.request.Origin, x.r.Header.Get("Access-Control-Request-Headers"), "OPTIONS, "+allowed))
	x.w.Header().Set("Expires", "Fri, 01 Jan 2500 00:00:00 GMT")
	x.w.WriteHeader(http.StatusNoContent)
}

// client is who has sent the request.
func (x *exchange) client() netip.AddrPort {
	return x.all.conf.Host.Client(&x.request, x.conn.Peer())
}

// rest gives up what has not come of a request, which net/http would wait for: some clients never send it.
func (x *exchange) rest() {
	if x.r.ContentLength != 0 {
		x.w.Header().Set("Connection", "close")
		_ = http.NewResponseController(x.w).SetReadDeadline(time.Now())
	}
}

// refuse answers a request that is refused.
func (x *exchange) refuse(why *websocket.Refusal) {
	x.rest()
	x.all.conf.Host.Refused(refusal.Record{Reason: why.Reason, Code: why.Status, Address: x.client(), Text: why.Text, Subject: x.request.Origin})
	x.lines(why.Header)
	x.answer(why.Status, why.Text+"\n")
}

func (x *exchange) answer(status int, text string) {
	x.w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	x.w.WriteHeader(status)
	_, _ = x.w.Write([]byte(text))
}

// giveBack gives the connection back to its loop, with the request as if it had just come.
func (x *exchange) giveBack() {
	if x.r.ContentLength != 0 {
		x.rest()
		x.answer(http.StatusMethodNotAllowed, "No request with a body is served here.\n")
		return
	}
	var again bytes.Buffer
	fmt.Fprintf(&again, "%s %s %s\r\nHost: %s\r\n", x.r.Method, x.r.RequestURI, x.r.Proto, x.r.Host)
	_ = x.r.Header.Write(&again)
	again.WriteString("\r\n")
	if behind, ok := x.hijack(); ok {
		again.Write(behind)
		x.all.server.release(x.conn)
		x.conn.GiveBack(again.Bytes())
	}
}

// hijack takes the connection from net/http, with what it has read behind the request.
func (x *exchange) hijack() (behind []byte, ok bool) {
	_, b, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		x.conn.Abort()
		return nil, false
	}
	behind, _ = b.Reader.Peek(b.Reader.Buffered())
	return behind, true
}
