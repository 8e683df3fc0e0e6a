package websocket

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// NewKey returns a random key for AppendRequest and ParseAnswer.
func NewKey() string {
	var raw [16]byte
	rand.Read(raw[:]) // never fails
	return base64.StdEncoding.EncodeToString(raw[:])
}

// AppendRequest appends a client's opening handshake (RFC 6455 section 4.1). path may have a query. header has further
// lines as "Name: value", the subprotocols for example.
func AppendRequest(dst []byte, host, path, key string, header ...string) []byte {
	dst = append(dst, "GET "...)
	dst = append(dst, path...)
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, host...)
	dst = append(dst, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "...)
	dst = append(dst, key...)
	dst = append(dst, "\r\n"...)
	for _, line := range header {
		dst = append(dst, line...)
		dst = append(dst, "\r\n"...)
	}
	return append(dst, "\r\n"...)
}

// AnswerError says why a server's answer does not open the connection.
type AnswerError struct {
	Status int    // of the answer, 0 when it is not HTTP
	Text   string // what the server says, or what is wrong with its answer
}

// Error returns status and text.
func (e *AnswerError) Error() string {
	if e.Status == 0 {
		return e.Text
	}
	return strings.TrimSuffix(fmt.Sprintf("%d %s: %s", e.Status, http.StatusText(e.Status), e.Text), ": ")
}

// maxAnswer bounds the header block of an answer, and the body of one that refuses.
const maxAnswer = 16 << 10

// ParseAnswer looks for a server's whole answer to the request with this key at the start of b. n == 0 without an
// error means that more is needed; else n bytes are consumed, frames may follow in b[n:], and protocol, which aliases
// b, is the subprotocol that the server chose: the caller compares it with what it offered. An error is an
// *AnswerError; of a refusal with a body it comes when the body is complete. An accepted answer costs no allocation.
func ParseAnswer(b []byte, key string) (n int, protocol []byte, err error) {
	n, protocol, _, err = parseAnswer(b, key, false)
	return n, protocol, err
}

// OfferCompression is a line of a request whose answer is for ParsePackedAnswer: the offer of Chromium.
const OfferCompression = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"

// ParsePackedAnswer is ParseAnswer for a request with OfferCompression. packed: the server may compress, each message with an
// empty window. An answer that agrees on anything else is refused.
func ParsePackedAnswer(b []byte, key string) (n int, packed bool, err error) {
	n, _, packed, err = parseAnswer(b, key, true)
	return n, packed, err
}

func parseAnswer(b []byte, key string, offered bool) (n int, protocol []byte, packed bool, err error) {
	end := blockEnd(b, 0)
	switch {
	case end == 0 && len(b) >= maxAnswer:
		return 0, nil, false, errAnswerTooBig
	case end == 0:
		return 0, nil, false, nil
	}
	line, rest, wrong := cutLine(b[:end])
	status := parseStatus(line)
	if wrong != "" || status == 0 {
		return 0, nil, false, &AnswerError{Text: "the server does not answer in HTTP/1.1"}
	}
	var hasUpgrade, hasConnect, hasAccept, hasExtension bool
	length := len(b) - end // without Content-Length: what there is
	f := fields{rest: rest, left: maxFields}
	for {
		ok, wrong := f.next()
		if wrong != "" {
			return 0, nil, false, &AnswerError{status, wrong}
		}
		if !ok {
			break
		}
		switch string(f.name()) {
		case "upgrade":
			hasUpgrade = hasUpgrade || hasToken(f.value, "websocket")
		case "connection":
			hasConnect = hasConnect || hasToken(f.value, "upgrade")
		case "sec-websocket-accept":
			var accept [28]byte
			hasAccept = string(f.value) == string(appendAccept(accept[:0], key))
		case "sec-websocket-extensions":
			packed = offered && isPacked(string(f.value))
			hasExtension = len(f.value) > 0 && !packed
		case "sec-websocket-protocol":
			protocol = f.value
		case "content-length":
			length, _ = strconv.Atoi(alias(f.value))
		}
	}
	switch {
	case status != http.StatusSwitchingProtocols:
		length = min(max(length, 0), maxAnswer)
		if len(b)-end < length {
			return 0, nil, false, nil
		}
		return 0, nil, false, &AnswerError{status, string(bytes.TrimSpace(b[end : end+length]))}
	case !hasUpgrade, !hasConnect:
		return 0, nil, false, &AnswerError{status, "the answer does not upgrade to websocket"}
	case !hasAccept:
		return 0, nil, false, &AnswerError{status, "the answer's Sec-WebSocket-Accept does not fit the key"}
	case hasExtension:
		return 0, nil, false, &AnswerError{status, "the answer names an extension that was not asked for, or with parameters that were not"}
	}
	return end, protocol, packed, nil
}

// isPacked reports whether an answer agrees on permessage-deflate so that each message of the server has an empty window.
func isPacked(value string) bool {
	list := offers{rest: value}
	found, ok := list.next()
	if !ok || found == nil || found.name != "permessage-deflate" || found.bad || found.seen&1 == 0 {
		return false
	}
	more, ok := list.next()
	return ok && more == nil
}

// parseStatus reads the status of a line as "HTTP/1.1 101 Switching Protocols". A proxy may refuse in HTTP/1.0.
func parseStatus(line []byte) int {
	const before, size = len("HTTP/1.1 "), 3
	if len(line) < before+size || !bytes.HasPrefix(line, []byte("HTTP/1.")) || line[before-1] != ' ' {
		return 0
	}
	status, _ := strconv.Atoi(alias(line[before : before+size]))
	return status
}
