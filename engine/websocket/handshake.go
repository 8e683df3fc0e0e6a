package websocket

import (
	"bytes"
	"crypto/fips140"
	"crypto/sha1"
	"encoding/base64"
)

// Handshaker reads opening handshakes (RFC 6455 section 4.2). One serves all connections of an event loop; it keeps
// nothing of a connection. It is stricter than gobwas.Upgrader, which takes bare LF, folded lines and repeated headers.
type Handshaker struct {
	// Check decides on a request that is valid otherwise: nil accepts it. Optional.
	Check func(*Request) *Refusal
	// Plain decides on a valid GET, HEAD or OPTIONS that is not for a WebSocket. Answered means that the whole answer to a GET is
	// behind dst; another refusal is sent to the client; nil refuses it as if there were no Plain. Optional.
	Plain func(r *Request, dst []byte) (resp []byte, refusal *Refusal)
	// Elsewhere reports whether requests of this path, as sent, are served elsewhere, whatever their method. Optional.
	Elsewhere func(path string) bool
	// Protocols are the supported subprotocols. The first of the client's that is among them is chosen.
	Protocols []string
	// MaxHeader is how many bytes a header block may have, its empty line included; 0 is 8192.
	MaxHeader int

	request handshake // here, so that Check's argument does not allocate
	agreed  Compression
	window  bool // the answer confirms the server's window
}

// Compression is what became of permessage-deflate in the last handshake that Next accepted.
func (h *Handshaker) Compression() Compression { return h.agreed }

const defaultMaxHeader = 8192

// Next looks for a whole request at the start of b, of which an earlier call has seen the first scanned bytes. There
// are three outcomes:
//   - n > 0: accepted. n bytes are consumed, frames may follow in b[n:]. resp is dst with the answer (101) behind it,
//     protocol is the chosen subprotocol, empty when the client offered none or none that is spoken.
//   - refusal != nil: resp is dst with the whole answer behind it, to be written before closing. Answered is no refusal:
//     Plain has answered. Nor is ElsewhereServed: resp is dst, and all of b belongs to who serves it.
//   - neither: more bytes are needed, resp is dst. The caller keeps b.
//
// What is wrong is said as soon as it is certain: something that is not HTTP within its first bytes, a header block
// that is too large when it passes MaxHeader. Next does not change b; dst must not overlap it.
func (h *Handshaker) Next(b []byte, scanned int, dst []byte) (n int, protocol string, resp []byte, refusal *Refusal) {
	n, refusal = h.read(b, scanned)
	if refusal == noUpgrade {
		if resp, refusal = h.plain(dst); refusal == Answered {
			return 0, "", resp, Answered
		}
	}
	switch {
	case refusal == ElsewhereServed:
		return 0, "", dst, refusal
	case refusal != nil:
		if isHead(b) {
			return 0, "", refusal.appendHead(dst), refusal
		}
		return 0, "", refusal.AppendTo(dst), refusal
	case n == 0:
		return 0, "", dst, nil
	}
	return n, h.request.protocol, h.appendAnswer(dst), nil
}

// plain answers a request that is not for a WebSocket, or returns why it is refused.
func (h *Handshaker) plain(dst []byte) (resp []byte, refusal *Refusal) {
	if h.Plain != nil {
		resp, refusal = h.Plain(&h.request.Request, dst)
	}
	switch {
	case refusal == nil && h.request.old:
		return dst, tooOld
	case refusal == nil && (h.request.head || h.request.Options):
		return dst, notGet
	case refusal == nil:
		return dst, noUpgrade
	case refusal == Answered && h.request.head:
		return resp[:len(dst)+headLength(resp[len(dst):])], Answered
	}
	return resp, refusal
}

// headLength is the length of an answer's head, with its empty line.
func headLength(answer []byte) int { return bytes.Index(answer, emptyLines) + len(emptyLines) }

var emptyLines = []byte("\r\n\r\n")

// read returns the length of the header block once it is complete and acceptable.
func (h *Handshaker) read(b []byte, scanned int) (int, *Refusal) {
	limit := h.MaxHeader
	if limit == 0 {
		limit = defaultMaxHeader
	}
	empty := emptyLine(b)
	if scanned <= empty+maxMethod && !plausibleMethod(b[empty:]) {
		return 0, malformed("This is not an HTTP request. For wss:// connect to the port that terminates TLS.")
	}
	end := blockEnd(b[:min(len(b), limit)], scanned)
	switch {
	case end == 0 && len(b) >= limit:
		return 0, tooLarge
	case end == 0:
		return 0, nil
	}
	if h.Elsewhere != nil && h.Elsewhere(pathOf(b[empty:end])) {
		return 0, ElsewhereServed
	}
	h.request = handshake{}
	if refusal := h.request.parse(b[empty:end], h.Protocols); refusal != nil {
		return 0, refusal
	}
	if h.Check != nil {
		if refusal := h.Check(&h.request.Request); refusal != nil {
			return 0, refusal
		}
	}
	var wrong bool
	if h.agreed, h.window, wrong = h.request.negotiate(); wrong {
		return 0, malformed("The header Sec-WebSocket-Extensions is not a list of extensions with their parameters.")
	}
	return end, nil
}

// emptyLine is the length of what b has of one empty line before its request line, which is skipped (RFC 9112 section
// 2.2).
func emptyLine(b []byte) int {
	if bytes.HasPrefix(b, crlf) || bytes.HasPrefix(crlf, b) {
		return min(len(b), len(crlf))
	}
	return 0
}

var crlf = []byte("\r\n")

// pathOf is the path of a request, as sent; empty when its target is not in origin form.
func pathOf(block []byte) string {
	line, _, _ := bytes.Cut(block, crlf)
	_, target, _ := bytes.Cut(line, space)
	target, _, _ = bytes.Cut(target, space)
	path, _, _ := bytes.Cut(target, question)
	if !bytes.HasPrefix(path, slash) {
		return ""
	}
	return alias(path)
}

var space = []byte{' '}

// isHead reports whether b begins with a HEAD request, whose answer has no body (RFC 9110 section 9.3.2).
func isHead(b []byte) bool { return bytes.HasPrefix(b[emptyLine(b):], headMethod) }

var headMethod = []byte("HEAD ")

// maxMethod is longer than any registered method.
const maxMethod = 32

// plausibleMethod reports whether b may be the beginning of an HTTP request: a token and a space.
func plausibleMethod(b []byte) bool {
	for i, c := range b[:min(len(b), maxMethod+1)] {
		if c == ' ' {
			return i > 0
		}
		if lower[c] == 0 {
			return false
		}
	}
	return len(b) <= maxMethod
}

func (h *Handshaker) appendAnswer(dst []byte) []byte {
	dst = append(dst, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	dst = appendAccept(dst, h.request.key)
	if p := h.request.protocol; p != "" {
		dst = append(dst, "\r\nSec-WebSocket-Protocol: "...)
		dst = append(dst, p...)
	}
	if h.agreed == CompressionAgreed {
		dst = append(dst, "\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover"...)
		if h.window {
			dst = append(dst, "; server_max_window_bits=15"...)
		}
	}
	return append(dst, "\r\n\r\n"...)
}

// appendAccept appends the proof that the server has read the key (RFC 6455 section 4.2.2 number 5.4). SHA-1 protects nothing here,
// so that it is no use of cryptography for GODEBUG=fips140=only, which forbids it.
func appendAccept(dst []byte, key string) []byte {
	const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	var proof [keySize + len(guid)]byte
	copy(proof[copy(proof[:], key):], guid)
	var sum [sha1.Size]byte
	fips140.WithoutEnforcement(func() { sum = sha1.Sum(proof[:]) })
	return base64.StdEncoding.AppendEncode(dst, sum[:])
}
