package websocket

import (
	"net/http"
	"strconv"

	"stentor/engine/refusal"
)

// Refusal is an answer that ends a connection before it is a WebSocket. It must not be changed once it is in use.
type Refusal struct {
	Reason refusal.Reason
	Status int
	Text   string // what is wrong and what to change, for a person; one line
	Header string // further header lines, each with its CR LF; may be empty
}

// Refusals for Check, and for who did not get so far. They contain no names: an endpoint that can say more makes its own.
var (
	Forbidden = &Refusal{Reason: refusal.Origin, Status: http.StatusForbidden, Text: "Pages of this origin may not connect here. Add the origin to the endpoint's list of origins, or, if it is the node's own, its name to listen.names."}
	NotFound  = &Refusal{Reason: refusal.Path, Status: http.StatusNotFound, Text: "No endpoint has this path. Check the path of the WebSocket URL."}
	// TLSMissing answers plain HTTP on a port of TLS.
	TLSMissing  = &Refusal{Reason: refusal.TLSMissing, Status: http.StatusBadRequest, Text: "This port speaks TLS: connect with wss:// or https://."}
	Unavailable = &Refusal{Reason: refusal.Connections, Status: http.StatusServiceUnavailable, Text: "This node takes no new connections now. Try again later, or another node.", Header: "Retry-After: 5\r\n"}
)

// Answered is not a refusal: a request that was not for a WebSocket has its answer, and its connection ends like a refused
// one.
var Answered = &Refusal{}

// ElsewhereServed is not a refusal either: the request is for a path that Handshaker.Elsewhere names.
var ElsewhereServed = &Refusal{}

var (
	notGet       = &Refusal{Reason: refusal.HandshakeMethod, Status: http.StatusMethodNotAllowed, Text: "WebSocket connections are opened with GET. Pushes go to the API, at the address listen.api.", Header: "Allow: GET\r\n"}
	noUpgrade    = &Refusal{Reason: refusal.HandshakeUpgrade, Status: http.StatusUpgradeRequired, Text: "This is a WebSocket endpoint: connect with ws:// or wss://. A proxy in between has to pass the headers Upgrade and Connection on.", Header: upgradeHeader}
	tooOld       = malformed("WebSocket needs HTTP/1.1. A proxy in between has to speak it (nginx: proxy_http_version 1.1).")
	wrongVersion = &Refusal{Reason: refusal.HandshakeUpgrade, Status: http.StatusUpgradeRequired, Text: "Only version 13 of the WebSocket protocol is supported: send Sec-WebSocket-Version: 13.", Header: upgradeHeader + "Sec-WebSocket-Version: 13\r\n"}
	tooLarge     = &Refusal{Reason: refusal.HandshakeBytes, Status: http.StatusRequestHeaderFieldsTooLarge, Text: "The header of the request is too large. Send fewer and shorter header lines, cookies above all, and a shorter URL."}
	tooMany      = &Refusal{Reason: refusal.HandshakeHeaders, Status: http.StatusRequestHeaderFieldsTooLarge, Text: badAmount + " Send fewer."}
)

// upgradeHeader is obligatory in a 426 (RFC 9110 section 15.5.22).
const upgradeHeader = "Upgrade: websocket\r\n"

func malformed(text string) *Refusal {
	return &Refusal{Reason: refusal.HandshakeMalformed, Status: http.StatusBadRequest, Text: text}
}

// AppendTo appends the whole answer, after which the connection is closed.
func (r *Refusal) AppendTo(dst []byte) []byte {
	dst = r.appendHead(dst)
	dst = append(dst, r.Text...)
	return append(dst, '\n')
}

// appendHead appends the answer without its body.
func (r *Refusal) appendHead(dst []byte) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(r.Status), 10)
	dst = append(dst, ' ')
	dst = append(dst, http.StatusText(r.Status)...)
	dst = append(dst, "\r\nConnection: close"...)
	if r.Status == http.StatusUpgradeRequired {
		dst = append(dst, ", Upgrade"...) // an Upgrade header has to be named here (RFC 9110 section 7.8)
	}
	dst = append(dst, "\r\nContent-Type: text/plain; charset=utf-8"...)
	return appendRest(dst, len(r.Text)+1, r.Header)
}

// AppendAnswer appends an answer to a request that is not for a WebSocket, after which the connection is closed. header is
// further header lines, each with its CR LF; may be empty.
func AppendAnswer(dst []byte, contentType, header string, body []byte) []byte {
	dst = append(dst, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: "...)
	dst = append(dst, contentType...)
	return append(appendRest(dst, len(body), header), body...)
}

// AppendNoContent appends an answer without a body, after which the connection is closed.
func AppendNoContent(dst []byte, header string) []byte {
	dst = append(dst, "HTTP/1.1 204 No Content\r\nConnection: close\r\n"...)
	dst = append(dst, header...)
	return append(dst, "\r\n"...)
}

// appendRest ends a head.
func appendRest(dst []byte, length int, header string) []byte {
	dst = append(dst, "\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(length), 10)
	dst = append(dst, "\r\n"...)
	dst = append(dst, header...)
	return append(dst, "\r\n"...)
}
