package session

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"stentor/stomp"
)

func TestFrames(t *testing.T) {
	const (
		all   = "1.0 1.1 1.2"
		newer = "1.1 1.2"
	)
	for _, c := range []struct {
		versions, frame, event string // an event that begins with ! is the text of a protocol failure
	}{
		{all, "SUBSCRIBE\nid:sub-0\ndestination:/topic/a\n\n\x00", "Subscribe destination=/topic/a id=sub-0"},
		{all, "SUBSCRIBE\nid:0\ndestination:/topic/a\nack:auto\nselector:x > 1\n\n\x00", "Subscribe destination=/topic/a id=0"},
		{all, "SUBSCRIBE\nid:0\ndestination:/topic/a\nack:client\n\n\x00", "Subscribe destination=/topic/a id=0 ack=client"},
		{all, "SUBSCRIBE\nid:0\ndestination:/topic/a\nack:client-individual\nlast-message-id:e-0-1\n\n\x00", "Subscribe destination=/topic/a id=0 ack=client-individual resume=e-0-1"},
		{all, "SUBSCRIBE\nid:0\nid:1\ndestination:/topic/a\ndestination:/topic/b\n\n\x00", "Subscribe destination=/topic/a id=0"},
		{all, "SUBSCRIBE\r\nid:0\r\ndestination:/topic/a\r\n\r\n\x00", "Subscribe destination=/topic/a id=0"},
		{newer, "SUBSCRIBE\nid:a\\cb\\\\\\n\ndestination:/topic/a\\cb\n\n\x00", "Subscribe destination=/topic/a:b id=a:b\\\n"},
		{"1.0", "SUBSCRIBE\nid:a\\cb\ndestination:/topic/a:b\n\n\x00", "Subscribe destination=/topic/a:b id=a\\cb"},
		{"1.0", "SUBSCRIBE\ndestination:/topic/a\n\n\x00", "Subscribe destination=/topic/a"},
		{"1.0", "SUBSCRIBE\nid:\ndestination:/topic/a\n\n\x00", "Subscribe destination=/topic/a"},
		{newer, "SUBSCRIBE\ndestination:/topic/a\n\n\x00", "!SUBSCRIBE needs the header id"},
		{newer, "SUBSCRIBE\nid:\ndestination:/topic/a\n\n\x00", "!SUBSCRIBE needs the header id"},
		{all, "SUBSCRIBE\nid:0\n\n\x00", "!the header destination is missing"},
		{all, "SUBSCRIBE\nid:0\ndestination:\n\n\x00", "!the header destination is missing"},
		{all, "SUBSCRIBE\nid:0\ndestination:/topic/a\nack:maybe\n\n\x00", "!ack must be auto, client or client-individual"},
		{all, "SUBSCRIBE\nid:0\ndestination:/topic/a\n\nbody\x00", "!Only SEND, MESSAGE and ERROR may have a body"},

		{all, "UNSUBSCRIBE\nid:0\n\n\x00", "Unsubscribe id=0"},
		{all, "UNSUBSCRIBE\nid:0\ndestination:/topic/a\n\n\x00", "Unsubscribe id=0"},
		{"1.0", "UNSUBSCRIBE\ndestination:/topic/a\n\n\x00", "Unsubscribe destination=/topic/a"},
		{"1.0", "UNSUBSCRIBE\n\n\x00", "!the header destination is missing"},
		{newer, "UNSUBSCRIBE\ndestination:/topic/a\n\n\x00", "!UNSUBSCRIBE needs the header id"},

		{all, "SEND\ndestination:/topic/a\n\n\x00", "Send destination=/topic/a"},
		{all, "SEND\ndestination:/topic/a\n\n{\"a\":1}\n\x00", "Send destination=/topic/a body={\"a\":1}\n"},
		{all, "SEND\ndestination:/topic/a\ncontent-length:3\n\na\x00b\x00", "Send destination=/topic/a body=a\x00b"},
		{all, "SEND\n\nbody\x00", "!the header destination is missing"},
		{all, "SEND\ndestination:/topic/a\ncontent-length:3\n\nabcd\x00", "!A NUL must follow the body of content-length bytes"},

		{"1.0", "ACK\nmessage-id:e-0-1\n\n\x00", "Ack id=e-0-1"},
		{"1.1", "ACK\nmessage-id:e-0-1\nsubscription:0\n\n\x00", "Ack id=e-0-1 sub=0"},
		{"1.2", "ACK\nid:e-0-1.0\nmessage-id:x\nsubscription:x\n\n\x00", "Ack id=e-0-1.0"},
		{"1.2", "ACK\nid:undefined\n\n\x00", "Ack id=undefined"},
		{all, "ACK\n\n\x00", "Ack"},
		{"1.0", "NACK\nmessage-id:1\n\n\x00", "!STOMP 1.0 has no NACK"},
		{"1.1", "NACK\nmessage-id:e-0-1\nsubscription:0\n\n\x00", "Nack id=e-0-1 sub=0"},
		{"1.2", "NACK\nid:e-0-1.0\n\n\x00", "Nack id=e-0-1.0"},

		{all, "BEGIN\n\n\x00", "!the header transaction is missing"},
		{all, "COMMIT\ntransaction:\n\n\x00", "!the header transaction is missing"},
		{all, "COMMIT\ntransaction:t\n\n\x00", "!no such transaction is open"},
		{all, "ABORT\ntransaction:t\n\n\x00", "!no such transaction is open"},
		{all, "SEND\ndestination:/topic/a\ntransaction:t\n\n\x00", "!no such transaction is open"},
		{all, "MESSAGE\ndestination:/topic/a\n\n\x00", "!only a server sends this command"},
		{all, "RECEIPT\nreceipt-id:1\n\n\x00", "!only a server sends this command"},
		{all, "ERROR\n\n\x00", "!only a server sends this command"},
		{all, "CONNECTED\n\n\x00", "!only a server sends this command"},
		{all, "STOMP\naccept-version:1.2\n\n\x00", "!CONNECT was already sent"},
		{all, "send\ndestination:/topic/a\n\n\x00", "!Unknown command"},
		{all, "SEND\ndestination\n\n\x00", "!A header line must be name, colon, value"},
		{newer, "SEND\ndestination:/topic\\ta\n\n\x00", "!Undefined escape in a header"},
		{"1.1", "SEND\ndestination:/topic\\ra\n\n\x00", "!Undefined escape in a header"},
		{"1.2", "SEND\ndestination:/topic\\ra\n\n\x00", "Send destination=/topic\ra"},
	} {
		for v, name := range versions {
			if !strings.Contains(c.versions, name) {
				continue
			}
			for _, asked := range []bool{false, true} {
				frame, event := c.frame, c.event
				if asked {
					line, rest, _ := strings.Cut(frame, "\n")
					frame = line + "\nreceipt:r-1\n" + rest
				}
				sc := script{
					name: fmt.Sprintf("%s %q", name, frame), session: Session{Phase: Connected, Version: v},
					send: text(frame, "\n"), phase: Connected,
				}
				if wrong, ok := strings.CutPrefix(event, "!"); ok {
					sc.events = []string{"Failed protocol: " + wrong}
					sc.phase = Closing
					var lines []string
					if asked && wellFormed(frame) {
						lines = []string{"receipt-id:r-1"}
					}
					sc.replies = []string{failure("protocol", wrong, lines...), "close 1002 " + wrong}
				} else {
					if asked {
						event = strings.Replace(event+" ", " body=", " receipt=r-1 body=", 1)
						event = strings.TrimSuffix(event, " ")
						if !strings.Contains(event, "receipt=") {
							event += " receipt=r-1"
						}
						sc.replies = []string{receipt("r-1")}
					}
					sc.events = []string{event}
				}
				sc.run(t)
			}
		}
	}
}

// wellFormed tells whether a frame can be decoded, so that its receipt header is known.
func wellFormed(frame string) bool {
	for _, wrong := range []string{"send\n", "destination\n", "\\t", "\\r", "abcd\x00", "\n\nbody\x00"} {
		if strings.Contains(frame, wrong) && !strings.HasPrefix(frame, "SEND\nreceipt:r-1\n\nbody") {
			return false
		}
	}
	return true
}

// TestFraming has one conversation in messages of all kinds.
func TestFraming(t *testing.T) {
	const (
		subscribe = "SUBSCRIBE\nid:0\ndestination:/topic/a\nreceipt:1\n\n\x00"
		send      = "SEND\ndestination:/topic/a\ncontent-length:4\nreceipt:2\n\n\x00\x01é\x00"
		ack       = "ACK\nid:1\nreceipt:3\n\n\x00"
	)
	stream := subscribe + "\n" + send + "\r\n\n" + ack + "\n"
	ping := masked(ws.OpPing, "p")
	pong := masked(ws.OpPong, "p")
	session := Session{Phase: Connected, Version: stomp.V12}
	events := []string{"Subscribe destination=/topic/a id=0 receipt=1", "Send destination=/topic/a receipt=2 body=\x00\x01é", "Ack id=1 receipt=3"}
	replies := []string{receipt("1"), receipt("2"), receipt("3")}
	runAll(t, []script{
		{name: "a message each", session: session, send: text(subscribe, send, ack), events: events, replies: replies, phase: Connected},
		{name: "one message", session: session, send: text(stream), events: events, replies: replies, phase: Connected},
		{name: "one binary message", session: session, send: masked(ws.OpBinary, stream), events: events, replies: replies, phase: Connected},
		{name: "a message a letter", session: session, send: messages(ws.OpBinary, stream, 1), events: events, replies: replies, phase: Connected},
		{name: "a message of 16", session: session, send: messages(ws.OpBinary, stream, 16), events: events, replies: replies, phase: Connected},
		{name: "a fragment a letter", session: session, send: fragments(strings.Split(stream, "")...), events: events, replies: replies, phase: Connected},
		{name: "empty fragments", session: session, send: fragments("", subscribe, "", send, ack, ""), events: events, replies: replies, phase: Connected},
		{name: "empty messages", session: session, send: text("", subscribe, "", send, ack, ""), events: events, replies: replies, phase: Connected},
		{name: "heart-beats between", session: session, send: text("\n", subscribe, "\r\n", send, "\n\n", ack, "\n"), events: events, replies: replies, phase: Connected},
		{
			name: "control frames between", session: session, send: join(between(fragments(subscribe[:5], subscribe[5:]+send[:40], send[40:], ack), ping, pong)...),
			events: events, replies: []string{"pong p", receipt("1"), "pong p", receipt("2"), "pong p", receipt("3"), "pong p"}, phase: Connected,
		},
	})
}

// messages is s in messages of n bytes.
func messages(op ws.OpCode, s string, n int) (b []byte) {
	for _, part := range chop([]byte(s), n) {
		b = append(b, masked(op, string(part))...)
	}
	return b
}

// between puts frames behind each frame of b, all of which are shorter than 126 bytes.
func between(b []byte, frames ...[]byte) (all [][]byte) {
	for len(b) > 0 {
		n := 6 + int(b[1]&127)
		all = append(append(all, b[:n]), frames...)
		b = b[n:]
	}
	return all
}

func TestDisconnect(t *testing.T) {
	session := Session{Phase: Connected, Version: stomp.V12}
	behind := text("SEND\ndestination:/topic/a\nreceipt:9\n\n\x00", "garbage")
	runAll(t, []script{
		{
			name: "receipt", session: session, send: join(text("DISCONNECT\nreceipt:bye\n\n\x00"), behind),
			events: []string{"Disconnect receipt=bye"}, replies: []string{receipt("bye"), "close 1000"}, phase: Closing,
		},
		{
			name: "no receipt", session: session, send: text("DISCONNECT\n\n\x00SEND\n\n\x00"),
			events: []string{"Disconnect"}, replies: []string{"close 1000"}, phase: Closing,
		},
		{
			name: "close frame", session: session, send: join(masked(ws.OpClose, "\x03\xE9bye"), behind),
			events: []string{"Closed"}, replies: []string{"close 1001"}, phase: Closing,
		},
		{
			name: "close frame without a code", session: session, send: masked(ws.OpClose, ""),
			events: []string{"Closed"}, replies: []string{"close 1000"}, phase: Closing,
		},
		{
			name: "close frame within a message", session: session, send: join(fragments("SEND\n", "")[:11], masked(ws.OpClose, "\x03\xE8")),
			events: []string{"Closed"}, replies: []string{"close 1000"}, phase: Closing,
		},
		{
			name: "close frame before CONNECT", session: Session{Phase: Greeting}, send: masked(ws.OpClose, "\x0B\xB8"),
			events: []string{"Closed"}, replies: []string{"close 3000"}, phase: Closing,
		},
	})
}

func TestWebSocketMistakes(t *testing.T) {
	unmasked := []byte{0x81, 0x01, '\n'}
	reserved := masked(ws.OpText, "\n")
	reserved[0] |= 0x40
	for _, c := range []struct {
		name    string
		send    []byte
		closing string
	}{
		{"unmasked", unmasked, "close 1002"},
		{"reserved bit", reserved, "close 1002"},
		{"reserved opcode", masked(3, ""), "close 1002"},
		{"continuation of nothing", masked(ws.OpContinuation, "\n"), "close 1002"},
		{"long ping", masked(ws.OpPing, strings.Repeat("p", 126)), "close 1002"},
		{"text that is not UTF-8", masked(ws.OpText, "\xff"), "close 1007"},
		{"close code", masked(ws.OpClose, "\x03\xED"), "close 1002"},
	} {
		for _, phase := range []Phase{Greeting, Connected} {
			for how, chunks := range chunkings(join(text("\n"), c.send, text("SEND\n\n\x00"))) {
				p := newPlayer(t, testConfig)
				p.s.Phase = phase
				for _, chunk := range chunks {
					p.feed(chunk)
				}
				got := p.replies()
				if len(p.events) != 1 || len(got) != 1 || !strings.HasPrefix(got[0], c.closing+" ") || p.s.Phase != Closing {
					t.Errorf("%s, %s: %q, %q, phase %d", c.name, how, p.events, got, p.s.Phase)
				}
			}
		}
	}
}
