package websocket

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

const noLimit = 1 << 62

var testMask = [4]byte{0x37, 0xFA, 0x21, 0x3D}

// frame builds any frame of a client, right or wrong.
func frame(first byte, payload string) []byte {
	b := AppendMasked(nil, ws.OpText, testMask, []byte(payload))
	b[0] = first
	return b
}

func text(payload string) []byte { return frame(0x81, payload) }
func ping(payload string) []byte { return frame(0x89, payload) }

func closing(code uint16, reason string) []byte {
	return frame(0x88, string(binary.BigEndian.AppendUint16(nil, code))+reason)
}

func concat(frames ...[]byte) []byte { return bytes.Join(frames, nil) }

// octets cuts each byte off on its own.
func octets(b []byte) [][]byte { return chop(b, 1) }

// chop cuts b into chunks of n bytes.
func chop(b []byte, n int) (chunks [][]byte) {
	for len(b) > n {
		chunks, b = append(chunks, b[:n]), b[n:]
	}
	return append(chunks, b)
}

type frameReader interface {
	Next(b []byte, maxFrame uint64) (Event, int, error)
	MidMessage() bool
}

// read feeds the chunks to r as a connection would, and returns what a session sees: messages whole, control frames
// where they come, an error at the end. done has the data of the message under way.
func read(t testing.TB, r frameReader, maxFrame uint64, chunks [][]byte) (events []string, under []byte) {
	t.Helper()
	var kept []byte
	for _, chunk := range chunks {
		b := append(kept, chunk...)
		for len(b) > 0 {
			size := len(b)
			ev, n, err := r.Next(b, maxFrame)
			if n < 0 || n > size {
				t.Fatalf("n = %d of %d", n, size)
			}
			if err != nil {
				var e *Error
				if !errors.As(err, &e) || n != 0 || ev.Kind != 0 {
					t.Fatalf("error %v with n = %d and event %v", err, n, ev)
				}
				if _, again, err := r.Next(b, maxFrame); again != size || err != nil || r.MidMessage() {
					t.Fatalf("after an error Next returns %d, %v", again, err)
				}
				return append(events, fmt.Sprint(uint16(e.Code))), under
			}
			if n == 0 {
				if size > 130 {
					t.Fatalf("wants more than %d bytes", size)
				}
				break
			}
			b = b[n:]
			switch ev.Kind {
			case Data:
				under = append(under, ev.Payload...)
				if ev.Final == r.MidMessage() {
					t.Fatalf("Final %v in the middle of a message", ev.Final)
				}
				if ev.Final {
					name := map[ws.OpCode]string{ws.OpText: "text", ws.OpBinary: "binary"}[ev.Op]
					if ev.Packed {
						name = "packed " + name
					}
					events = append(events, name+" "+abridge(under))
					under = nil
				}
			case Ping:
				events = append(events, "ping "+abridge(ev.Payload))
			case Pong:
				events = append(events, "pong "+abridge(ev.Payload))
			case Close:
				events = append(events, fmt.Sprintf("close %d %s", ev.Code, ev.Reason))
			default:
				if len(events) == 0 || !strings.HasPrefix(events[len(events)-1], "close") || n != size {
					t.Fatalf("%d bytes consumed without an event", n)
				}
			}
		}
		kept = bytes.Clone(b)
	}
	return events, under
}

// abridge keeps long payloads apart without printing them.
func abridge(p []byte) string {
	if len(p) <= 40 {
		return string(p)
	}
	var sum uint32
	for _, c := range p {
		sum = sum*31 + uint32(c)
	}
	return fmt.Sprintf("%s... %d %08x", p[:8], len(p), sum)
}
