package session

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"stentor/stomp"
)

// quoted is what sockjs-client sends for these messages.
func quoted(t testing.TB, messages ...string) string {
	array, err := json.Marshal(messages)
	if err != nil {
		t.Fatal(err)
	}
	return string(array)
}

// sockJS is a client that has opened its WebSocket, and one whose CONNECT was answered.
var (
	sockJS  = Session{Phase: Greeting, Form: SockJS}
	greeted = Session{Phase: Connected, Version: stomp.V12, Form: SockJS}
)

func TestSockJS(t *testing.T) {
	send := "SEND\ndestination:/a\nreceipt:1\n\nü\"\u2028😀\x00"
	sent := []string{"Send destination=/a receipt=1 body=ü\"\u2028😀"}
	connect := "CONNECT\naccept-version:1.2\n\n\x00"
	const broken = "a message of SockJS is an array of strings or a string, in JSON"
	fails := func(name, text string) script {
		return script{
			name: name, session: greeted, send: masked(ws.OpText, text), phase: Closing,
			events: []string{"Failed protocol: " + broken}, replies: []string{failure("protocol", broken), `c[1002,"` + broken + `"]`, "close 1002 " + broken},
		}
	}
	runAll(t, []script{
		{name: "handshake", session: Session{Form: SockJS}, send: join(request("/ws/000/abc/websocket"), text(quoted(t, connect))), phase: Connected,
			events: []string{"Upgraded", "Connect"}, replies: []string{"101", "o", connectedReply("1.2")}},
		{name: "connect", session: sockJS, send: text(quoted(t, connect)), phase: Connected, events: []string{"Connect"}, replies: []string{connectedReply("1.2")}},
		{name: "frame", session: greeted, send: text(quoted(t, send)), phase: Connected, events: sent, replies: []string{receipt("1")}},
		{name: "one string", session: greeted, send: text(strings.Trim(quoted(t, send), "[]")), phase: Connected, events: sent, replies: []string{receipt("1")}},
		{name: "two frames", session: greeted, send: text(quoted(t, send, send)), phase: Connected, events: append(sent, sent...), replies: []string{receipt("1"), receipt("1")}},
		{name: "a frame in parts", session: greeted, send: text(quoted(t, send[:9]), quoted(t, send[9:15], send[15:])), phase: Connected, events: sent, replies: []string{receipt("1")}},
		{name: "fragments", session: greeted, send: fragments(`["SEND\nde`, `stination:/a\nreceipt:1\n\nü\"\u20`, `28\ud83d`, `\ude00\u0000"]`), phase: Connected, events: sent, replies: []string{receipt("1")}},
		{name: "heart-beats", session: greeted, send: text(`["\n"]`, `"\n"`, ``, `[]`, `[""]`), phase: Connected, replies: nil},
		{name: "ping", session: greeted, send: masked(ws.OpPing, "p"), phase: Connected, replies: []string{"pong p"}},
		{name: "leaves", session: greeted, send: text(quoted(t, "DISCONNECT\nreceipt:1\n\n\x00")), phase: Closing,
			events: []string{"Disconnect receipt=1"}, replies: []string{receipt("1"), `c[1000,""]`, "close 1000"}},
		{name: "closes", session: greeted, send: masked(ws.OpClose, "\x03\xE8"), phase: Closing, events: []string{"Closed"}, replies: []string{"close 1000"}},
		fails("not JSON", "SEND\n\n\x00"), fails("half an array", `["a`), fails("an array of arrays", `[["a"]]`), fails("numbers", `[1]`), fails("an object", `{"a":"b"}`),
		{name: "binary", session: greeted, send: masked(ws.OpBinary, `["a"]`), phase: Closing, events: []string{"Failed protocol: a message of SockJS is text"},
			replies: []string{failure("protocol", "a message of SockJS is text"), `c[1002,"a message of SockJS is text"]`, "close 1002 a message of SockJS is text"}},
		{name: "too large", session: greeted, send: text(quoted(t, "SEND\ndestination:/a\n\n"+strings.Repeat("x", testConfig.FrameBytes+1))), phase: Closing,
			events: []string{"Failed too-large: The body is too long (client_frame_bytes)"}, replies: []string{failure("too-large", "The body is too long"), `c[1009,"The body is too long"]`, "close 1009 The body is too long"}},
	})
}

// What escapes make longer counts as what it stands for.
func TestSockJSTakesAFrameOfEscapes(t *testing.T) {
	body := strings.Repeat("\x01", 100<<10)
	conf := testConfig
	conf.FrameBytes = len(body)
	p := newPlayer(t, conf)
	p.s = greeted
	p.alone = true
	for _, chunk := range chop(text(quoted(t, "SEND\ndestination:/a\n\n"+body+"\x00")), 4<<10) {
		p.feed(chunk)
		if held := p.s.Held(); held > 2*len(body) {
			t.Fatalf("%d bytes are held", held)
		}
	}
	if p.expect([]string{"Send destination=/a body=" + body}, nil); p.s.partial != nil {
		t.Error("input is kept")
	}
}

// Over HTTP the owner hands STOMP over, and gets a line for each frame.
func TestSockJSOverHTTP(t *testing.T) {
	for name, chunks := range chunkings([]byte("CONNECT\naccept-version:1.2\n\n\x00\nSEND\ndestination:/a\nreceipt:1\n\nx\x00DISCONNECT\nreceipt:2\n\n\x00")) {
		p := newPlayer(t, testConfig)
		p.m.Open(&p.s, SockJSHTTP)
		p.flush()
		for _, chunk := range chunks {
			p.feed(chunk)
		}
		want := `o
a["CONNECTED\nversion:1.2\nheart-beat:10000,20000\nsession:id\n\n\u0000"]
a["RECEIPT\nreceipt-id:1\n\n\u0000"]
a["RECEIPT\nreceipt-id:2\n\n\u0000"]
c[1000,""]
`
		if string(p.out) != want || strings.Join(p.events, ", ") != "Connect, Send destination=/a receipt=1 body=x, Disconnect receipt=2" {
			t.Errorf("%s: %q, %s", name, p.events, p.out)
		}
	}
}

// A whole message is decoded where it arrived.
func TestSockJSAllocates(t *testing.T) {
	p := newPlayer(t, testConfig)
	p.s = greeted
	send := text(quoted(t, "SEND\ndestination:/a\n\n{}\x00"))
	in := bytes.Clone(send)
	if n := testing.AllocsPerRun(100, func() {
		copy(in, send)
		p.m.Begin(&p.s, in)
		for ev := p.m.Next(&p.s); ev.Kind != More; ev = p.m.Next(&p.s) {
			if ev.Kind != Send {
				t.Fatal(ev.Kind)
			}
		}
		p.m.End(&p.s)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
