package session

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"stentor/engine/refusal"
	"stentor/stomp"
)

func TestLimits(t *testing.T) {
	greeting := Session{Phase: Greeting}
	session := Session{Phase: Connected, Version: stomp.V12}
	fill := func(before string, size int, after string) string {
		return before + strings.Repeat("a", size-len(before)-len(after)) + after
	}
	headers := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "x%d:\n", i)
		}
		return b.String()
	}
	const (
		longHeader  = "A header is too long"
		longHeaders = "The headers are too long"
		manyHeaders = "Too many headers"
		longBody    = "The body is too long"
	)
	conf := testConfig
	// The limits are those of the header lines, without command and blank line.
	connect := func(size int) string { return "CONNECT\n" + fill("token:", size, "\n") + "\n\x00" }
	send := func(size int) string { return "SEND\n" + fill("destination:/topic/a\nx:", size, "\n") + "\n\x00" }
	body := func(size int) string { return "SEND\ndestination:/a\n\n" + strings.Repeat("b", size) + "\x00" }
	declared := func(size int) string {
		return fmt.Sprintf("SEND\ndestination:/a\ncontent-length:%d\n\n%s\x00", size, strings.Repeat("b", size))
	}

	scripts := []script{
		{name: "CONNECT", session: greeting, send: text(connect(conf.ConnectFrameBytes)), events: []string{"Connect"}, replies: []string{connectedReply("1.0")}, phase: Connected},
		{name: "headers of CONNECT", session: greeting, send: text("CONNECT\n" + headers(conf.Headers) + "\n\x00"), events: []string{"Connect"}, replies: []string{connectedReply("1.0")}, phase: Connected},
		{name: "header bytes", session: session, send: text(send(conf.HeaderBytes)), events: []string{"Send destination=/topic/a"}, phase: Connected},
		{name: "body", session: session, send: text(body(conf.FrameBytes)), events: []string{"Send destination=/a body=" + strings.Repeat("b", conf.FrameBytes)}, phase: Connected},
		{name: "declared body", session: session, send: text(declared(conf.FrameBytes)), events: []string{"Send destination=/a body=" + strings.Repeat("b", conf.FrameBytes)}, phase: Connected},
		{
			name: "id and destination", session: session, send: text("SUBSCRIBE\nid:" + strings.Repeat("i", conf.IDBytes) + "\ndestination:" + fill("/", conf.DestinationBytes, "") + "\n\n\x00"),
			events: []string{"Subscribe destination=" + fill("/", conf.DestinationBytes, "") + " id=" + strings.Repeat("i", conf.IDBytes)}, phase: Connected,
		},
	}
	for _, c := range []struct {
		name, frame, code, text string
		session                 Session
		limit                   refusal.Reason
	}{
		{"CONNECT", connect(conf.ConnectFrameBytes + 1), CodeTooLarge, longHeaders, greeting, refusal.ConnectFrameBytes},
		{"header of CONNECT", connect(conf.ConnectFrameBytes + 2), CodeTooLarge, longHeader, greeting, refusal.ConnectFrameBytes},
		{"headers of CONNECT", "CONNECT\n" + headers(conf.Headers+1) + "\n\x00", CodeTooLarge, manyHeaders, greeting, refusal.ConnectFrameBytes},
		{"never ending CONNECT", "CONNECT\ntoken:" + strings.Repeat("a", conf.ConnectFrameBytes), CodeTooLarge, longHeader, greeting, refusal.ConnectFrameBytes},
		{"header bytes", send(conf.HeaderBytes + 1), CodeTooLarge, longHeaders, session, refusal.FrameBytes},
		{"header line", "SEND\n" + fill("x:", conf.HeaderBytes+1, "") + "\n\n\x00", CodeTooLarge, longHeader, session, refusal.FrameBytes},
		{"headers", "SEND\n" + headers(conf.Headers+1) + "\n\x00", CodeTooLarge, manyHeaders, session, refusal.FrameBytes},
		{"body", body(conf.FrameBytes + 1), CodeTooLarge, longBody, session, refusal.FrameBytes},
		{"declared body", declared(conf.FrameBytes + 1), CodeTooLarge, longBody, session, refusal.FrameBytes},
		{"only declared", "SEND\ndestination:/a\ncontent-length:99999999999999999999\n\n", CodeTooLarge, longBody, session, refusal.FrameBytes},
		{"never ending body", body(conf.FrameBytes + 1)[:conf.FrameBytes+22], CodeTooLarge, longBody, session, refusal.FrameBytes},
		{"id", "SUBSCRIBE\nid:" + strings.Repeat("i", conf.IDBytes+1) + "\ndestination:/a\n\n\x00", CodeLimit, "the subscription's id is too long", session, refusal.IDBytes},
		{"destination of SUBSCRIBE", "SUBSCRIBE\nid:1\ndestination:" + fill("/", conf.DestinationBytes+1, "") + "\n\n\x00", CodeLimit, "the destination is too long", session, refusal.DestinationBytes},
		{"destination of SEND", "SEND\ndestination:" + fill("/", conf.DestinationBytes+1, "") + "\n\n\x00", CodeLimit, "the destination is too long", session, refusal.DestinationBytes},
	} {
		closing := "close 1009 "
		if c.code == CodeLimit {
			closing = "close 1008 "
		}
		scripts = append(scripts, script{
			name: c.name + ", too large", session: c.session, send: text(c.frame, "SEND\n"),
			events: []string{"Failed " + c.code + ": " + c.text + " (" + c.limit.String() + ")"}, replies: []string{failure(c.code, c.text), closing + c.text}, phase: Closing,
		})
	}
	const largeFrame = "frame is larger than the limit"
	huge := masked(ws.OpBinary, strings.Repeat("b", conf.FrameBytes+conf.HeaderBytes+frameSlack+1))[:100]
	for name, s := range map[string]Session{"before CONNECT": greeting, "connected": session} {
		scripts = append(scripts, script{
			name: "WebSocket frame " + name, session: s, send: huge,
			events: []string{"Failed too-large: " + largeFrame + " (client_frame_bytes)"}, replies: []string{failure("too-large", largeFrame), "close 1009 " + largeFrame}, phase: Closing,
		})
	}
	runAll(t, scripts)
}

// TestLimitsAreEarly refuses a body by what its header declares.
func TestLimitsAreEarly(t *testing.T) {
	p := connected(t, stomp.V12)
	frame := fmt.Sprintf("SEND\ndestination:/a\ncontent-length:%d\n\n", testConfig.FrameBytes+1)
	p.feed(text(frame[:len(frame)-1]))
	if p.s.Phase != Connected {
		t.Fatal("refused before the headers have ended")
	}
	p.feed(text(frame[len(frame)-1:]))
	if p.s.Phase != Closing || p.s.partial != nil {
		t.Errorf("phase %d", p.s.Phase)
	}
}

// TestBufferedIsBounded drips input that never becomes a frame.
func TestBufferedIsBounded(t *testing.T) {
	for _, c := range []struct {
		name  string
		phase Phase
		most  int
		begin string
	}{
		{"CONNECT", Greeting, testConfig.ConnectFrameBytes + 16, "CONNECT\na:"},
		{"many lines", Connected, testConfig.HeaderBytes + 16, "SEND\n"},
		{"one line", Connected, testConfig.HeaderBytes + 16, "SEND\na:"},
		{"body", Connected, testConfig.FrameBytes + 32, "SEND\ndestination:/a\n\n"},
		{"declared body", Connected, testConfig.FrameBytes + 64, fmt.Sprintf("SEND\ndestination:/a\ncontent-length:%d\n\n", testConfig.FrameBytes)},
		{"command", Connected, 16, "UNSUBSCRI"},
	} {
		for _, drip := range []string{"a", "aaaaaaaaaaaaaaaaaaaaaaa", "aaa:\n"} {
			p := newPlayer(t, testConfig)
			p.s = Session{Phase: c.phase, Version: stomp.V12}
			p.feed(text(c.begin))
			most, room := 0, 0
			for range 4 * testConfig.FrameBytes {
				p.feed(masked(ws.OpBinary, drip))
				if p.s.partial == nil {
					break
				}
				most, room = max(most, p.s.Buffered()), max(room, cap(p.s.partial.frame)+cap(p.s.partial.raw))
			}
			if p.s.Phase != Closing || most > c.most || room > c.most*5/4+64 {
				t.Errorf("%s, %q: phase %d, %d bytes in %d were kept", c.name, drip, p.s.Phase, most, room)
			}
		}
	}
	p := newPlayer(t, testConfig)
	for range 2 * testConfig.HandshakeBytes {
		p.feed([]byte("GET /"))
		if p.s.Buffered() > testConfig.HandshakeBytes {
			t.Fatalf("%d bytes of a handshake were kept", p.s.Buffered())
		}
	}
	if p.s.Phase != Closing {
		t.Errorf("phase %d", p.s.Phase)
	}
}

// TestKeptAtOnce has one slice for a frame whose length is known.
func TestKeptAtOnce(t *testing.T) {
	p := connected(t, stomp.V12)
	body := strings.Repeat("b", 1500)
	frame := fmt.Sprintf("SEND\ndestination:/a\ncontent-length:%d\n\n%s\x00", len(body), body)
	p.feed(text(frame[:100]))
	first := &p.s.partial.frame[:1][0]
	for _, part := range chop([]byte(frame[100:]), 9) {
		if room := cap(p.s.partial.frame); room != len(frame) || &p.s.partial.frame[0] != first {
			t.Fatalf("%d bytes for a frame of %d, perhaps moved", room, len(frame))
		}
		p.feed(masked(ws.OpText, string(part)))
	}
	p.expect([]string{"Send destination=/a body=" + body}, nil)
	if p.s.partial != nil {
		t.Error("it is still kept")
	}
}

// TestLargeInputIsLetGo has one client send much, and counts what the Machine keeps for all others.
func TestLargeInputIsLetGo(t *testing.T) {
	conf := testConfig
	conf.FrameBytes = 4 << 20
	p := newPlayer(t, conf)
	p.s = Session{Phase: Connected, Version: stomp.V12}
	p.feed([]byte{0x82})
	p.feed(text("SEND\ndestination:/a\n\n" + strings.Repeat("b", 1<<20) + "\x00")[1:])
	if len(p.events) != 1 {
		t.Fatalf("%d events", len(p.events))
	}
	if kept := cap(p.m.joined); kept > 256<<10 {
		t.Errorf("the Machine keeps %d bytes", kept)
	}
	if !bytes.Equal(p.m.Frame.Body, nil) || p.s.partial != nil {
		t.Error("the frame is kept")
	}
}
