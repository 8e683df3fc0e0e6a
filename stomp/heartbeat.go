package stomp

import (
	"bytes"
	"math"
)

// ParseHeartbeat reads a heart-beat header: cx is the interval in milliseconds that its sender can keep, cy the one
// that it wants, 0 for none. Without the header both are 0. A number too large for 32 bits becomes their maximum.
func ParseHeartbeat(value []byte, present bool) (cx, cy uint32, err error) {
	if !present {
		return 0, 0, nil
	}
	x, y, ok := bytes.Cut(value, comma)
	cx, okx := parseInterval(x)
	cy, oky := parseInterval(y)
	if !ok || !okx || !oky {
		return 0, 0, errHeartbeat
	}
	return cx, cy, nil
}

func parseInterval(b []byte) (uint32, bool) {
	n, ok := parseDigits(bytes.TrimSpace(b), math.MaxUint32)
	return uint32(n), ok
}

// NegotiateHeartbeat combines the server's sx,sy and the client's cx,cy: how often the server has to send and how often
// it may expect to receive, in milliseconds, 0 for never.
func NegotiateHeartbeat(sx, sy, cx, cy uint32) (send, receive uint32) {
	if sx != 0 && cy != 0 {
		send = max(sx, cy)
	}
	if cx != 0 && sy != 0 {
		receive = max(cx, sy)
	}
	return send, receive
}

// parseDigits reads a decimal number: digits only, at least one. A number beyond most becomes most.
func parseDigits(b []byte, most uint64) (n uint64, ok bool) {
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		if n <= most {
			n = n*10 + uint64(c-'0')
		}
	}
	return min(n, most), len(b) > 0
}
