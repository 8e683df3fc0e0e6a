package websocket

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// maxReason is what a close frame's 125 bytes leave for the reason.
const maxReason = ws.MaxControlFramePayloadSize - 2

// parseClose reads the payload of a close frame (RFC 6455 section 5.5.1).
func parseClose(p []byte) (ws.StatusCode, []byte, *Error) {
	switch len(p) {
	case 0:
		return ws.StatusNoStatusRcvd, nil, nil
	case 1:
		return 0, nil, errCloseLength
	}
	code, reason := ws.StatusCode(binary.BigEndian.Uint16(p)), p[2:]
	if !sendable(code) {
		return 0, nil, errCloseCode
	}
	if !utf8.Valid(reason) {
		return 0, nil, errCloseReason
	}
	return code, reason, nil
}

// sendable reports whether a close frame may carry the code: RFC 6455 section 7.4 and IANA's registry, which has 1012
// to 1014 since. gobwas.CheckCloseFrameData refuses these three and lets those above 4999 pass.
func sendable(code ws.StatusCode) bool {
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014, code >= 3000 && code <= 4999:
		return true
	}
	return false
}

// AppendClose appends a server's close frame. The reason is UTF-8 and cut to 123 bytes, at the end of a code point. A
// code that may not be sent (0; 1005, which a Close event without a code carries) makes a frame without code and
// reason, so that AppendClose(dst, ev.Code, "") answers any close frame.
func AppendClose(dst []byte, code ws.StatusCode, reason string) []byte {
	if !sendable(code) {
		return AppendHeader(dst, ws.OpClose, 0)
	}
	if n := maxReason; len(reason) > n {
		for n > 0 && !utf8.RuneStart(reason[n]) {
			n--
		}
		reason = reason[:n]
	}
	dst = AppendHeader(dst, ws.OpClose, 2+len(reason))
	dst = binary.BigEndian.AppendUint16(dst, uint16(code))
	return append(dst, reason...)
}
