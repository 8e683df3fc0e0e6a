package websocket

import (
	"encoding/binary"

	"github.com/gobwas/ws"
)

// AppendHeader appends the header of a server's frame: the only one of its message, with a payload of n bytes.
func AppendHeader(dst []byte, op ws.OpCode, n int) []byte {
	return appendHeader(dst, op, n, 0)
}

// AppendPackedHeader is AppendHeader for a compressed message, whose payload is that of RFC 7692.
func AppendPackedHeader(dst []byte, op ws.OpCode, n int) []byte {
	return appendHeader(dst, op|bitPacked, n, 0)
}

// AppendFrame appends a server's frame, the only one of its message.
func AppendFrame(dst []byte, op ws.OpCode, payload []byte) []byte {
	return append(AppendHeader(dst, op, len(payload)), payload...)
}

// AppendMasked appends a client's frame, the only one of its message. The payload is left as it is.
func AppendMasked(dst []byte, op ws.OpCode, mask [4]byte, payload []byte) []byte {
	dst = appendHeader(dst, op, len(payload), bitMasked)
	dst = append(dst, mask[:]...)
	dst = append(dst, payload...)
	ws.Cipher(dst[len(dst)-len(payload):], mask, 0)
	return dst
}

func appendHeader(dst []byte, op ws.OpCode, n int, masked byte) []byte {
	dst = append(dst, bitFinal|byte(op))
	switch {
	case n < length16:
		return append(dst, masked|byte(n))
	case n <= 0xFFFF:
		return binary.BigEndian.AppendUint16(append(dst, masked|length16), uint16(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, masked|length64), uint64(n))
	}
}
