package session

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

const bothVersions = "the supported versions are 1.0, 1.1 and 1.2"

func TestHandshake(t *testing.T) {
	protocols := func(list string) []byte { return request("/ws", "Sec-WebSocket-Protocol: "+list) }
	runAll(t, []script{
		{name: "bare", send: request("/ws?token=a"), events: []string{"Upgraded"}, replies: []string{"101"}, phase: Greeting},
		{name: "client's first", send: protocols("v10.stomp, v11.stomp, v12.stomp"), events: []string{"Upgraded"}, replies: []string{"101 v10.stomp"}, phase: Greeting},
		{name: "first known", send: protocols("mqtt,v12.stomp,v11.stomp"), events: []string{"Upgraded"}, replies: []string{"101 v12.stomp"}, phase: Greeting},
		{name: "none known", send: protocols("mqtt"), events: []string{"Upgraded"}, replies: []string{"101"}, phase: Greeting},
		{name: "refused by the owner", send: request("/nowhere"), events: []string{"Refused"}, replies: []string{"404"}, phase: Closing},
		{name: "frames behind a refusal", send: join(request("/nowhere"), text("CONNECT\n\n\x00")), events: []string{"Refused"}, replies: []string{"404"}, phase: Closing},
		{name: "not HTTP", send: []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and much more"), events: []string{"Refused"}, replies: []string{"400"}, phase: Closing},
		{name: "too large", send: request("/ws", "Cookie: "+strings.Repeat("a", 1024)), events: []string{"Refused"}, replies: []string{"431"}, phase: Closing},
		{name: "no WebSocket", send: []byte("GET /ws HTTP/1.1\r\nHost: a\r\n\r\n"), events: []string{"Refused"}, replies: []string{"426"}, phase: Closing},
		{name: "no WebSocket, served", send: []byte("GET /plain HTTP/1.1\r\nHost: a\r\n\r\nGET /plain"), events: []string{"Answered"}, replies: []string{"200"}, phase: Closing},
		{name: "no WebSocket, refused", send: []byte("GET /busy HTTP/1.1\r\nHost: a\r\n\r\n"), events: []string{"Refused"}, replies: []string{"503"}, phase: Closing},
		{name: "a WebSocket where something else is served", send: request("/plain"), events: []string{"Upgraded"}, replies: []string{"101"}, phase: Greeting},
		{
			name: "frames right behind", send: join(request("/ws"), masked(ws.OpPing, "a"), text("STOMP\naccept-version:1.2\nhost:x\n\n\x00")),
			events: []string{"Upgraded", "Connect"}, replies: []string{"101", "pong a", connectedReply("1.2")}, phase: Connected,
		},
	})
}

func TestConnect(t *testing.T) {
	greeting := Session{Phase: Greeting}
	accepted := func(v string) []string { return []string{connectedReply(v)} }
	var scripts []script
	for _, c := range []struct{ name, frame, version string }{
		{"no accept-version", "CONNECT\nlogin:\npasscode:\n\n\x00", "1.0"},
		{"1.0", "CONNECT\naccept-version:1.0\n\n\x00", "1.0"},
		{"1.1", "CONNECT\naccept-version:1.0,1.1\n\n\x00", "1.1"},
		{"1.2", "CONNECT\naccept-version:1.2,1.1,1.0\nheart-beat:10000,10000\n\n\x00", "1.2"},
		{"newer too", "CONNECT\naccept-version:1.2,1.3,2.0\n\n\x00", "1.2"},
		{"STOMP", "STOMP\naccept-version:1.1\nhost:push.example.com\n\n\x00", "1.1"},
		{"CRLF", "CONNECT\r\naccept-version:1.2\r\n\r\n\x00\r\n", "1.2"},
		{"EOLs and NULs before", "\n\r\n\x00\nCONNECT\naccept-version:1.2\n\n\x00", "1.2"},
		{"colons and backslashes are not escapes here", "CONNECT\naccept-version:1.2\ntoken:a:b\\x\n\n\x00", "1.2"},
	} {
		scripts = append(scripts,
			script{name: c.name, session: greeting, send: text(c.frame), events: []string{"Connect"}, replies: accepted(c.version), phase: Connected},
			script{name: c.name + "/binary", session: greeting, send: masked(ws.OpBinary, c.frame), events: []string{"Connect"}, replies: accepted(c.version), phase: Connected},
			script{name: c.name + "/fragments", session: greeting, send: fragments(strings.SplitAfter(c.frame, "")...), events: []string{"Connect"}, replies: accepted(c.version), phase: Connected})
	}
	for _, c := range []struct {
		name, frame, event string
		reply, closing     string
	}{
		{"unknown version", "CONNECT\naccept-version:2.0\nreceipt:1\n\n\x00", "protocol: " + bothVersions, failure("protocol", bothVersions, "version:1.0,1.1,1.2"), "close 1002 " + bothVersions},
		{"heart-beat of one number", "CONNECT\naccept-version:1.2\nheart-beat:10000\n\n\x00", "", "heart-beat must be two numbers of milliseconds, as in 10000,10000", ""},
		{"heart-beat of words", "CONNECT\nheart-beat:a,b\n\n\x00", "", "heart-beat must be two numbers of milliseconds, as in 10000,10000", ""},
		{"another frame first", "SUBSCRIBE\nid:1\ndestination:/topic/a\nreceipt:1\n\n\x00", "", "the first frame must be CONNECT or STOMP", ""},
		{"a server's frame first", "CONNECTED\nversion:1.2\n\n\x00", "", "the first frame must be CONNECT or STOMP", ""},
		{"not STOMP", "{\"type\":\"hello\"}", "", "Unknown command", ""},
		{"body", "CONNECT\naccept-version:1.2\ncontent-length:2\n\nab\x00", "", "Only SEND, MESSAGE and ERROR may have a body", ""},
	} {
		if c.event == "" {
			text := c.reply
			c.event, c.reply, c.closing = "protocol: "+text, failure("protocol", text), "close 1002 "+text
		}
		// What stands behind the mistake is of no interest any more.
		send := text(c.frame, "CONNECT\n\n\x00")
		scripts = append(scripts, script{name: c.name, session: greeting, send: send, events: []string{"Failed " + c.event}, replies: []string{c.reply, c.closing}, phase: Closing})
	}
	scripts = append(scripts, script{
		name: "twice", session: greeting, send: text("CONNECT\naccept-version:1.2\n\n\x00", "CONNECT\naccept-version:1.2\nreceipt:1\n\n\x00"),
		events:  []string{"Connect", "Failed protocol: CONNECT was already sent"},
		replies: []string{connectedReply("1.2"), failure("protocol", "CONNECT was already sent", "receipt-id:1"), "close 1002 CONNECT was already sent"}, phase: Closing,
	})
	runAll(t, scripts)
}

func TestConnectedNamesTheUser(t *testing.T) {
	p := newPlayer(t, testConfig)
	p.s.Phase = Greeting
	p.own = func(ev *Event) bool {
		p.m.Connected(&p.s, "0123abc", "u/1\nx", 0, "")
		return true
	}
	p.feed(text("CONNECT\naccept-version:1.1\n\n\x00"))
	p.expect([]string{"Connect"}, []string{"text CONNECTED\nversion:1.1\nheart-beat:10000,20000\nsession:0123abc\nuser-name:u/1 x\n\n\x00"})
}

func TestHeartbeatAgreement(t *testing.T) {
	for _, c := range []struct {
		header        string
		sends, wants  uint32 // the server's intervals
		least         uint32 // none of them shorter
		send, receive uint32
	}{
		{"", 10000, 20000, 0, 0, 0},
		{"0,0", 10000, 20000, 0, 0, 0},
		{"10000,10000", 10000, 20000, 0, 10000, 20000},
		{"30000,5000", 10000, 20000, 0, 10000, 30000},
		{"0,60000", 10000, 20000, 0, 60000, 0},
		{"4000,0", 10000, 20000, 0, 0, 20000},
		{"4000,4000", 0, 20000, 0, 0, 20000},
		{"4000,4000", 10000, 0, 0, 10000, 0},
		{" 4000 , 4000 ", 1, 1, 0, 4000, 4000},
		{"10000,10000", 10000, 20000, 15000, 15000, 20000},
		{"30000,10000", 10000, 0, 15000, 15000, 0},
		{"10000,10000", 0, 20000, 30000, 0, 30000},
		{"99999999999,1", 1, 1, 0, 1, 1<<32 - 1},
	} {
		conf := testConfig
		conf.Sends, conf.Receives = c.sends, c.wants
		p := newPlayer(t, conf)
		p.s.Phase = Greeting
		var got Greets
		p.own = func(ev *Event) bool {
			got = p.m.Greet(c.least)
			if ev.Kind == Connect {
				p.m.Connected(&p.s, "id", "", c.least, "")
			}
			return true
		}
		frame := "CONNECT\naccept-version:1.2\nheart-beat:" + c.header + "\n\n\x00"
		if c.header == "" {
			frame = "CONNECT\naccept-version:1.2\n\n\x00"
		}
		p.feed(text(frame))
		if want := (Greets{c.send, c.receive}); got != want {
			t.Errorf("%q, server %d,%d: %v, want %v", c.header, c.sends, c.wants, got, want)
		}
		offer := func(own uint32) uint32 {
			if own == 0 {
				return 0
			}
			return max(own, c.least)
		}
		if offer := fmt.Sprintf("heart-beat:%d,%d\n", offer(c.sends), offer(c.wants)); !strings.Contains(p.replies()[0], offer) {
			t.Errorf("%q lacks %q", p.replies(), offer)
		}
	}
}

// TestVersion10HasNoHeartbeats: its clients send none even when they offered some before they knew the version.
func TestVersion10HasNoHeartbeats(t *testing.T) {
	for _, accept := range []string{"", "accept-version:1.0\n"} {
		p := newPlayer(t, testConfig)
		p.s.Phase = Greeting
		got := Greets{1, 1}
		p.own = func(*Event) bool {
			got = p.m.Greet(0)
			return false
		}
		p.feed(text("CONNECT\n" + accept + "heart-beat:10000,10000\n\n\x00"))
		if got != (Greets{}) {
			t.Errorf("%q: %v is agreed on", accept, got)
		}
	}
}

// later lets CONNECTED wait until the test gives it.
func later(ev *Event) bool { return ev.Kind == Connect }

// answer is what a shard does when the answer of the authentication has come.
func (p *player) answer() {
	p.t.Helper()
	p.m.Connected(&p.s, "id", "", 0, "")
	p.feed(nil)
}

func TestInputWaitsForAuthentication(t *testing.T) {
	behind := text("SUBSCRIBE\nid:1\ndestination:/topic/a\nreceipt:r\\c1\n\n\x00\n\nSEND\ndestination:/topic/a\n\nbody\x00", "UNSUBSCRIBE\nid:1\nreceipt:2\n\n\x00")
	behind = append(behind, masked(ws.OpPing, "alive")...)
	connect := "CONNECT\naccept-version:1.2\n\n\x00"
	events := []string{"Connect", "Subscribe destination=/topic/a id=1 receipt=r:1", "Send destination=/topic/a body=body", "Unsubscribe id=1 receipt=2"}
	replies := []string{connectedReply("1.2"), receipt("r\\c1"), receipt("2"), "pong alive"}
	sends := map[string][]byte{
		"messages of their own": join(text(connect), behind),
		"in CONNECT's message":  join(text(connect+"SUBSCRIBE\nid:1\ndestination:/topic/a\nreceipt:r\\c1\n\n\x00\nSEND\ndestination:/topic/a\n\nbo"), text("dy\x00UNSUB", "SCRIBE\nid:1\nreceipt:2\n\n\x00"), masked(ws.OpPing, "alive")),
		"fragments":             join(fragments(connect[:7], connect[7:]+"SUBSCRIBE\nid:1\ndestination:/topic/a\nrec", "eipt:r\\c1\n\n\x00", "SEND\ndestination:/topic/a\n\nbody\x00"), text("UNSUBSCRIBE\nid:1\nreceipt:2\n\n\x00"), masked(ws.OpPing, "alive")),
	}
	for name, send := range sends {
		for how, chunks := range chunkings(send) {
			// The answer comes before, between or behind the pieces that wait.
			for when := range min(len(chunks)+1, 40) {
				t.Run(fmt.Sprint(name, "/", how, "/", when), func(t *testing.T) {
					p := newPlayer(t, testConfig)
					p.s.Phase = Greeting
					p.own = later
					answered := false
					for i, chunk := range chunks {
						p.feed(chunk)
						if p.s.Phase == Authenticating && i >= when {
							p.answer()
							answered = true
						}
					}
					if !answered {
						if len(p.events) != 1 || len(p.out) != 0 {
							t.Fatalf("before the answer: %q, %q", p.events, p.out)
						}
						p.answer()
					}
					p.expect(events, replies)
					if p.s.partial != nil {
						t.Error("input is still kept")
					}
				})
			}
		}
	}
}

func TestWaitingInputIsBounded(t *testing.T) {
	const tooMuch = "too much was sent before CONNECTED"
	for _, size := range []int{1, 100, 600} {
		p := newPlayer(t, testConfig)
		p.s.Phase = Greeting
		p.own = later
		p.feed(text("CONNECT\naccept-version:1.2\n\n\x00"))
		most := 0
		for sent := 0; sent <= testConfig.ConnectFrameBytes && p.s.Phase == Authenticating; sent += size {
			most = max(most, p.s.Buffered())
			p.feed(bytes.Repeat([]byte{0x82}, size))
		}
		if most > testConfig.ConnectFrameBytes {
			t.Errorf("by %d: %d bytes were kept", size, most)
		}
		p.expect([]string{"Connect", "Failed too-large: " + tooMuch + " (connect_frame_bytes)"}, []string{failure("too-large", tooMuch), "close 1009 " + tooMuch})
		if p.s.partial != nil || p.s.Phase != Closing {
			t.Errorf("by %d: phase %d, kept %v", size, p.s.Phase, p.s.partial)
		}
	}

	// What stands behind CONNECT in its own message counts as well.
	p := newPlayer(t, testConfig)
	p.s.Phase = Greeting
	p.own = later
	p.feed(text("CONNECT\n\n\x00" + strings.Repeat("\n", testConfig.ConnectFrameBytes+1)))
	p.expect([]string{"Connect", "Failed too-large: " + tooMuch + " (connect_frame_bytes)"}, []string{failure("too-large", tooMuch), "close 1009 " + tooMuch})
}

func TestAuthenticationFails(t *testing.T) {
	refused := &Failure{Code: CodeAuth, Text: "Failed to send message, the token is malformed", Close: CloseProtocol}
	for _, c := range []struct {
		failure *Failure
		want    []string
	}{
		{refused, []string{failure("auth", refused.Text), "close 1002 " + refused.Text}},
		{&Failure{Code: "unavailable", Text: "try later", Close: CloseTryLater, Silent: true}, []string{"close 1013 try later"}},
	} {
		p := newPlayer(t, testConfig)
		p.s.Phase = Greeting
		p.own = later
		p.feed(text("CONNECT\naccept-version:1.2\nreceipt:1\n\n\x00", "SUBSCRIBE\nid:1\ndestination:/topic/a\nreceipt:2\n\n\x00"))
		p.m.Fail(&p.s, c.failure)
		p.flush()
		p.feed(text("SEND\ndestination:/topic/a\n\n\x00"))
		p.expect([]string{"Connect"}, c.want)
		if p.s.partial != nil || p.s.owed != nil {
			t.Error("something is kept")
		}
	}
}
