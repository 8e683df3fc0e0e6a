package conformance

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"strings"
	"testing"

	"stentor/engine/websocket"
)

// deflated is what comes of text in a client's compressor, with a flush behind each part.
func deflated(level int, parts ...string) string {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, level)
	if err != nil {
		panic(err)
	}
	for _, p := range parts {
		_, _ = io.WriteString(w, p)
		_ = w.Flush()
	}
	return out.String()[:out.Len()-4]
}

// inflate is the content of a server's compressed message.
func (c *client) inflate(payload []byte) []byte {
	c.t.Helper()
	content, err := io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(payload), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff"))))
	if err != nil {
		c.t.Fatal(err)
	}
	return content
}

// offer opens a WebSocket with a client that offers extensions, and returns what the server answers to it.
func offer(t *testing.T, o over, extensions string) (c *client, agreed string) {
	t.Helper()
	address := serverOver(t, o)
	c = tcp(t, address)
	c.send(websocket.AppendRequest(nil, address, "/", websocket.NewKey(), "Sec-WebSocket-Extensions: "+extensions))
	for {
		if head, rest, whole := bytes.Cut(c.in, []byte("\r\n\r\n")); whole {
			if !bytes.HasPrefix(head, []byte("HTTP/1.1 101")) {
				t.Fatalf("%s", head)
			}
			_, agreed, _ = strings.Cut(string(head), "\r\nSec-WebSocket-Extensions: ")
			agreed, _, _ = strings.Cut(agreed, "\r\n")
			if c.in = bytes.Clone(rest); agreed != "" {
				c.r.Unpack()
			}
			return c, agreed
		}
		if err := c.fill(); err != nil {
			t.Fatalf("%v behind %q", err, c.in)
		}
	}
}

const (
	rsv1      = 0x40
	agreement = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
)

// prose is text of so many bytes that compresses as text does; JSON and HTML are like it.
func prose(n int) string {
	words := strings.Fields(`Da steh ich nun, ich armer Tor, und bin so klug als wie zuvor! {"id": 4711, "ok": true}, <p class="x">é</p> heiße Magister, heiße Doktor gar`)
	var b strings.Builder
	for seed := uint32(n); b.Len() < n; seed = seed*1664525 + 1013904223 {
		b.WriteString(words[seed>>16%uint32(len(words))])
		b.WriteByte(' ')
	}
	return strings.ToValidUTF8(b.String()[:n], "?")
}

// TestCompressedMessages is section 12: text and bytes of sizes from 16 bytes to 128 KiB come back, in one frame and in
// many, with and without TLS. The suite sends 1,000 of each, which takes a minute; some are enough here.
func TestCompressedMessages(t *testing.T) {
	for _, o := range []over{compressed, compressedTLS} {
		for _, size := range []int{16, 64, 256, 1 << 10, 4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10, 128 << 10} {
			for _, fragment := range []int{0, 256, 32 << 10} {
				t.Run(fmt.Sprintf("%s/%d by %d", o, size, fragment), func(t *testing.T) {
					t.Parallel()
					c, agreed := offer(t, o, "permessage-deflate; client_max_window_bits")
					if agreed != agreement {
						t.Fatal(agreed)
					}
					for op, content := range map[byte]string{opText: prose(size), opBinary: random(size)} {
						payload := deflated(6, content)
						parts := []string{payload}
						if fragment > 0 {
							parts = pieces(payload, fragment)
						}
						message := bytes.Join(fragments(rsv1|op, parts...), nil)
						want := text(content)
						if op == opBinary {
							want = blob(content)
						}
						for range min(20, 1<<20/size) {
							c.send(message)
							c.expect(want)
						}
					}
					c.bye()
				})
			}
		}
	}
}

// TestCompressionOffers is section 13: what clients offer. A window of less than 32 KiB is declined, and messages go plain.
func TestCompressionOffers(t *testing.T) {
	const window = "; server_max_window_bits=15"
	for id, test := range map[string]struct{ offer, want string }{
		"13.1": {"permessage-deflate; client_no_context_takeover; client_max_window_bits", agreement},
		"13.2": {"permessage-deflate; client_no_context_takeover; client_max_window_bits; server_no_context_takeover", agreement},
		"13.3": {"permessage-deflate; client_no_context_takeover; client_max_window_bits; server_max_window_bits=9", ""},
		"13.4": {"permessage-deflate; client_no_context_takeover; client_max_window_bits; server_max_window_bits=15", agreement + window},
		"13.5": {"permessage-deflate; client_no_context_takeover; client_max_window_bits; server_no_context_takeover; server_max_window_bits=9", ""},
		"13.6": {"permessage-deflate; client_no_context_takeover; client_max_window_bits; server_no_context_takeover; server_max_window_bits=15", agreement + window},
		"13.7": {"permessage-deflate; server_no_context_takeover; server_max_window_bits=9, permessage-deflate; server_no_context_takeover, permessage-deflate", agreement},
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			c, agreed := offer(t, compressed, test.offer)
			if agreed != test.want {
				t.Errorf("%q, want %q", agreed, test.want)
			}
			for _, size := range []int{16, 1 << 10, 64 << 10} {
				content := prose(size)
				if agreed == "" {
					c.send(message(content))
				} else {
					c.send(frame(fin|rsv1|opText, deflated(6, content)))
				}
				c.expect(text(content))
			}
			c.bye()
		})
	}
}

// TestCompressedFrames has what RFC 7692 allows and forbids, and the suite does not try.
func TestCompressedFrames(t *testing.T) {
	hello := "\xf2\x48\xcd\xc9\xc9\x07\x00" // RFC 7692 section 7.2.3
	bomb := deflated(9, strings.Repeat("\x00", maxMessage+1))
	for _, c := range []conversation{
		{"one frame", [][]byte{frame(fin|rsv1|opText, hello)}, []string{text("Hello")}},
		{"two fragments", fragments(rsv1|opText, hello[:3], hello[3:]), []string{text("Hello")}},
		{"a byte each", fragments(rsv1|opText, pieces(hello, 1)...), []string{text("Hello")}},
		{"empty fragments", fragments(rsv1|opText, "", hello, "", ""), []string{text("Hello")}},
		{"no compression", [][]byte{frame(fin|rsv1|opText, "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00")}, []string{text("Hello")}},
		{"final block", [][]byte{frame(fin|rsv1|opText, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00")}, []string{text("Hello")}},
		{"two blocks", [][]byte{frame(fin|rsv1|opText, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00")}, []string{text("Hello")}},
		{"an empty message", [][]byte{frame(fin|rsv1|opText, "\x00")}, []string{text("")}},
		{"an empty payload", [][]byte{frame(fin|rsv1|opBinary, "")}, []string{blob("")}},
		{"plain between", [][]byte{frame(fin|rsv1|opText, hello), message("plain"), frame(fin|rsv1|opText, hello)}, []string{text("Hello"), text("plain"), text("Hello")}},
		{"pings between", [][]byte{frame(rsv1|opText, hello[:3]), ping("1"), frame(opContinue, ""), ping("2"), frame(fin|opContinue, hello[3:])}, []string{"pong 1", "pong 2", text("Hello")}},
		failing("context of an earlier message", 1007, []string{text("Hello")}, frame(fin|rsv1|opText, hello), frame(fin|rsv1|opText, "\xf2\x00\x11\x00\x00")),
		failing("RSV1 on a continuation", 1002, nil, frame(rsv1|opText, hello[:3]), frame(fin|rsv1|opContinue, hello[3:])),
		failing("RSV1 on the last fragment alone", 1002, nil, frame(opText, "Hel"), frame(fin|rsv1|opContinue, hello[3:])),
		failing("RSV1 on a ping", 1002, nil, frame(fin|rsv1|opPing, "")),
		failing("RSV1 on a close frame", 1002, nil, frame(fin|rsv1|opClose, "")),
		failing("RSV2", 1002, nil, frame(fin|rsv1|0x20|opText, hello)),
		failing("RSV3", 1002, nil, frame(fin|0x10|opText, "Hello")),
		failing("not DEFLATE", 1007, nil, frame(fin|rsv1|opText, "Hello")),
		failing("not complete", 1007, nil, frame(fin|rsv1|opText, hello[:4])),
		failing("text that is not UTF-8", 1007, nil, frame(fin|rsv1|opText, deflated(6, "a\xffb"))),
		failing("half a character", 1007, nil, frame(fin|rsv1|opText, deflated(6, "a\xe2\x82"))),
		failing("a bomb", 1009, nil, frame(fin|rsv1|opBinary, bomb)),
		failing("a bomb in fragments", 1009, nil, fragments(rsv1|opBinary, pieces(bomb, 100)...)...),
	} {
		for _, o := range []over{compressed, compressedTLS} {
			t.Run(string(o)+"/"+c.id, func(t *testing.T) {
				t.Parallel()
				client, _ := offer(t, o, "permessage-deflate")
				client.send(bytes.Join(c.send, nil))
				client.expect(c.want...)
				if !c.closes() {
					client.send(frame(fin|rsv1|opText, hello))
					client.expect(text("Hello"))
					client.bye()
				}
			})
		}
	}
}
