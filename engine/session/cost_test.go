package session

import (
	"testing"
	"unsafe"

	"github.com/gobwas/ws"

	"stentor/engine/websocket"
	"stentor/stomp"
)

// TestSessionSize: each connection pays for this.
func TestSessionSize(t *testing.T) {
	if size := unsafe.Sizeof(Session{}); size > 56 {
		t.Errorf("a Session has %d bytes, 56 are allowed", size)
	}
}

// TestIdleSessionsKeepNothing checks a session after each whole message.
func TestIdleSessionsKeepNothing(t *testing.T) {
	p := newPlayer(t, testConfig)
	for _, in := range [][]byte{
		request("/ws"),
		text("CONNECT\naccept-version:1.2\n\n\x00"),
		text("\n"),
		text("SUBSCRIBE\nid:0\ndestination:/topic/a\nreceipt:1\n\n\x00"),
		text("BEGIN\ntransaction:t\n\n\x00SEND\ndestination:/topic/a\ntransaction:t\n\n\x00COMMIT\ntransaction:t\nreceipt:2\n\n\x00"),
		text("BEGIN\ntransaction:t\n\n\x00ABORT\ntransaction:t\n\n\x00"),
		fragments("SEND\n", "destination:/topic/a\n", "\nbody\x00"),
		masked(ws.OpPing, "p"),
	} {
		for _, chunk := range chop(in, 7) {
			p.feed(chunk)
		}
		if p.s.partial != nil || p.s.owed != nil {
			t.Errorf("after %q: partial %v, owed %v", in, p.s.partial, p.s.owed)
		}
	}
	if p.s.Phase != Connected {
		t.Errorf("phase %d: %q", p.s.Phase, p.events)
	}
}

func TestAllocations(t *testing.T) {
	m := NewMachine(testConfig, testCheck, nil)
	s := Session{Phase: Connected, Version: stomp.V12}
	run := func(in []byte) {
		m.Begin(&s, in)
		for {
			ev := m.Next(&s)
			switch {
			case ev.Kind == More:
				m.End(&s)
				m.Out = m.Out[:0]
				return
			case ev.Kind == Failed:
				t.Fatal(ev.Failure.Text)
			case ev.HasReceipt:
				m.Receipt(&s, ev.Receipt, "position:e-0-1\n")
			}
		}
	}
	for name, message := range map[string][]byte{
		"heart-beat":          text("\n"),
		"ping":                masked(ws.OpPing, "p"),
		"SEND":                text("SEND\ndestination:/topic/a\nreceipt:1\n\nbody\x00"),
		"SEND, fragments":     fragments("SEND\ndestination:/topic/a\nreceipt:1\n\nbody\x00", ""),
		"ACK":                 text("ACK\nid:e-0-1.sub-0\n\n\x00"),
		"SUBSCRIBE, escaped":  text("SUBSCRIBE\nid:\\c\ndestination:/topic/a\nreceipt:1\n\n\x00"),
		"three in a message":  text("ACK\nid:1\n\n\x00\nACK\nid:2\n\n\x00ACK\nid:3\n\n\x00"),
		"three messages":      text("\n", "ACK\nid:1\n\n\x00", "\n"),
		"UNSUBSCRIBE, binary": masked(ws.OpBinary, "UNSUBSCRIBE\nid:1\nreceipt:a\n\n\x00"),
	} {
		in := make([]byte, len(message))
		if n := testing.AllocsPerRun(100, func() { copy(in, message); run(in) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}

	// A CONNECT costs nothing either, but what its owner makes of it.
	hello := join(request("/ws", "Sec-WebSocket-Protocol: v12.stomp"), text("CONNECT\naccept-version:1.2\nheart-beat:10000,10000\n\n\x00"))
	in := make([]byte, len(hello))
	if n := testing.AllocsPerRun(100, func() {
		copy(in, hello)
		s = Session{}
		m.Begin(&s, in)
		for ev := m.Next(&s); ev.Kind != More; ev = m.Next(&s) {
			if ev.Kind == Connect {
				m.Greet(0)
				m.Connected(&s, "0123456789abcdef", "user", 0, "")
			}
		}
		m.End(&s)
		m.Out = m.Out[:0]
	}); n != 0 {
		t.Errorf("handshake and CONNECT: %v allocations", n)
	}
}

// TestHeartbeatFrames: PROTOCOL wants a text message of one EOL.
func TestHeartbeatFrames(t *testing.T) {
	if string(Plain.Heartbeat()) != "\x81\x01\n" || string(Plain.Ping()) != "\x89\x00" {
		t.Errorf("%q, %q", Plain.Heartbeat(), Plain.Ping())
	}
	if string(SockJS.Heartbeat()) != "\x81\x07a[\"\\n\"]" || string(SockJSHTTP.Heartbeat()) != "a[\"\\n\"]\n" || string(SockJSHTTP.Ping()) != "h\n" {
		t.Errorf("%q, %q, %q", SockJS.Heartbeat(), SockJSHTTP.Heartbeat(), SockJSHTTP.Ping())
	}
	var r websocket.ClientReader
	if ev, n, err := r.Next(Plain.Heartbeat(), 1); n != 3 || err != nil || string(ev.Payload) != "\n" || !ev.Final {
		t.Errorf("%v, %d, %v", ev, n, err)
	}
}
