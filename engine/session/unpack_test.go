package session

import (
	"bytes"
	"compress/flate"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"

	"stentor/engine/websocket"
	"stentor/stomp"
)

// deflated is a session that may receive compressed messages.
func deflated(phase Phase) Session {
	s := Session{Phase: phase, Version: stomp.V12, Form: Deflated}
	s.reader.Unpack()
	return s
}

// packed compresses content as a client with gobwas/ws does, with a flush behind each part.
func packed(parts ...string) []byte {
	var out bytes.Buffer
	w := wsflate.NewWriter(&out, func(w io.Writer) wsflate.Compressor {
		compressor.Reset(w)
		return compressor
	})
	for _, p := range parts {
		_, _ = io.WriteString(w, p)
		_ = w.Flush()
	}
	return out.Bytes()
}

// compressor is one for all, since it is 800 KB.
var compressor, _ = flate.NewWriter(nil, flate.BestSpeed)

// zip is a message whose payload is p, in frames of n bytes; 0: in one.
func zip(op ws.OpCode, p []byte, n int) (b []byte) {
	chunks := [][]byte{p}
	if n > 0 {
		chunks = chop(p, n)
	}
	for i, chunk := range chunks {
		frame := websocket.AppendMasked(nil, op, [4]byte{1, 2, 3, 4}, chunk)
		if i == 0 {
			frame[0] |= 0x40
		}
		if i < len(chunks)-1 {
			frame[0] &^= 0x80
		}
		b = append(b, frame...)
		op = ws.OpContinuation
	}
	return b
}

// The handshake decides on the session's form.
func TestCompressionIsAgreedOn(t *testing.T) {
	p := newPlayer(t, testConfig)
	p.feed(join(request("/compressed", "Sec-WebSocket-Extensions: permessage-deflate"), zip(ws.OpText, packed("CONNECT\naccept-version:1.2\n\n\x00"), 0)))
	head, rest, _ := bytes.Cut(p.out, []byte("\r\n\r\n"))
	p.out = rest
	p.expect([]string{"Upgraded", "Connect"}, []string{connectedReply("1.2")})
	if !bytes.Contains(head, []byte("Sec-WebSocket-Extensions: permessage-deflate")) || p.s.Form != Deflated {
		t.Errorf("%s, form %d", head, p.s.Form)
	}
	for _, in := range [][]byte{request("/compressed"), request("/ws", "Sec-WebSocket-Extensions: permessage-deflate")} {
		p := newPlayer(t, testConfig)
		if p.feed(in); p.s.Form != Plain || p.s.Phase != Greeting {
			t.Errorf("%s: form %d", in, p.s.Form)
		}
	}
}

func TestUnpack(t *testing.T) {
	const send, sent = "SEND\ndestination:/topic/a\n\nhellohello hellohello\x00", "Send destination=/topic/a body=hellohello hellohello"
	session := deflated(Connected)
	final := func() []byte {
		var out bytes.Buffer
		w, _ := flate.NewWriter(&out, 6)
		_, _ = io.WriteString(w, send)
		_ = w.Close()
		return append(out.Bytes(), 0)
	}()
	big := "SEND\ndestination:/topic/a\n\n" + strings.Repeat("b", testConfig.FrameBytes)
	runAll(t, []script{
		{
			name: "not agreed on", send: join(request("/ws", "Sec-WebSocket-Extensions: permessage-deflate"), zip(ws.OpText, packed("CONNECT\n\n\x00"), 0)),
			events:  []string{"Upgraded", "Failed protocol: non-zero rsv bits with no extension negotiated"},
			replies: []string{"101", "close 1002 non-zero rsv bits with no extension negotiated"}, phase: Closing,
		},
		{name: "one frame", session: session, send: zip(ws.OpText, packed(send), 0), events: []string{sent}, phase: Connected},
		{name: "binary", session: session, send: zip(ws.OpBinary, packed(send), 0), events: []string{sent}, phase: Connected},
		{name: "fragments", session: session, send: zip(ws.OpText, packed(send), 5), events: []string{sent}, phase: Connected},
		{name: "several blocks", session: session, send: zip(ws.OpText, packed(send[:9], send[9:20], send[20:]), 7), events: []string{sent}, phase: Connected},
		{name: "a stored block", session: session, send: zip(ws.OpText, append(append([]byte{0, byte(len(send)), 0, ^byte(len(send)), 0xff}, send...), 0), 0), events: []string{sent}, phase: Connected},
		{name: "final bit", session: session, send: zip(ws.OpText, final, 0), events: []string{sent}, phase: Connected},
		{name: "empty messages", session: session, send: join(zip(ws.OpText, nil, 0), zip(ws.OpText, []byte{0}, 0), zip(ws.OpText, packed(send), 0)), events: []string{sent}, phase: Connected},
		{name: "three frames in a message", session: session, send: zip(ws.OpText, packed(send+"\n"+send, send), 0), events: []string{sent, sent, sent}, phase: Connected},
		{name: "a frame in two messages", session: session, send: join(zip(ws.OpText, packed(send[:20]), 0), zip(ws.OpText, packed(send[20:]), 0)), events: []string{sent}, phase: Connected},
		{name: "plain and compressed", session: session, send: join(text(send), zip(ws.OpText, packed(send), 0), text(send)), events: []string{sent, sent, sent}, phase: Connected},
		{
			name: "pings between", session: session, send: bytes.Join(between(zip(ws.OpText, packed(send), 9), masked(ws.OpPing, "p")), nil), events: []string{sent},
			replies: slices.Repeat([]string{"pong p"}, (len(packed(send))+8)/9), phase: Connected,
		},
		{
			name: "text that is not UTF-8", session: session, send: zip(ws.OpText, packed("SEND\ndestination:/topic/a\n\n\xff\x00"), 0),
			events:  []string{"Failed protocol: compressed text message is not valid UTF-8"},
			replies: []string{"close 1007 compressed text message is not valid UTF-8"}, phase: Closing,
		},
		{
			name: "text that ends within a character", session: session, send: zip(ws.OpText, packed("SEND\ndestination:/topic/a\n\nx\x00\xe2\x82"), 0),
			events:  []string{"Failed protocol: compressed text message is not valid UTF-8"},
			replies: []string{"close 1007 compressed text message is not valid UTF-8"}, phase: Closing,
		},
		{
			name: "not DEFLATE", session: session, send: zip(ws.OpBinary, []byte("hello"), 2),
			events:  []string{"Failed protocol: compressed message cannot be inflated"},
			replies: []string{"close 1007 compressed message cannot be inflated"}, phase: Closing,
		},
		{
			name: "as much as is allowed", session: session, send: zip(ws.OpText, packed(big+"\x00"), 0),
			events: []string{"Send destination=/topic/a body=" + strings.Repeat("b", testConfig.FrameBytes)}, phase: Connected,
		},
		{
			name: "a bomb", session: session, send: zip(ws.OpText, packed(strings.Repeat("\n", 1<<20)), 0),
			events:  []string{"Failed too-large: compressed message is larger than the limit (client_frame_bytes)"},
			replies: []string{failure("too-large", "compressed message is larger than the limit"), "close 1009 compressed message is larger than the limit"}, phase: Closing,
		},
		{
			name: "a bomb for a CONNECT", session: deflated(Greeting), send: zip(ws.OpText, packed(strings.Repeat("\n", testConfig.ConnectFrameBytes+1)), 0),
			events:  []string{"Failed too-large: compressed message is larger than the limit (connect_frame_bytes)"},
			replies: []string{failure("too-large", "compressed message is larger than the limit"), "close 1009 compressed message is larger than the limit"}, phase: Closing,
		},
	})
}

// What is kept of a message is bounded before it is complete, and all of it is counted.
func TestUnpackKeepsLittle(t *testing.T) {
	for phase, most := range map[Phase]int{Greeting: testConfig.ConnectFrameBytes, Connected: testConfig.FrameBytes + testConfig.HeaderBytes + frameSlack} {
		p := newPlayer(t, testConfig)
		p.s = deflated(phase)
		frames := zip(ws.OpText, bytes.Repeat([]byte{0, 0, 0, 0xff, 0xff}, 50_000), 50)
		fed := 0
		for _, chunk := range chop(frames, 56) {
			p.feed(chunk)
			fed += 50
			if len(p.events) > 0 {
				break
			}
			if held := p.s.Held(); held < p.s.Buffered() || p.s.Buffered() < fed || held > fed*5/4+1000 {
				t.Fatalf("phase %d: %d bytes were sent, %d are kept, %d counted", phase, fed, p.s.Buffered(), held)
			}
		}
		if fed > most+50 || len(p.events) != 1 || !strings.Contains(p.events[0], "too-large") || p.s.Held() > 0 {
			t.Errorf("phase %d: %d of %d bytes, %q, %d are held", phase, fed, most, p.events, p.s.Held())
		}
	}
}

func TestUnpackCounts(t *testing.T) {
	p := newPlayer(t, testConfig)
	p.s, p.alone = deflated(Connected), true
	content := strings.Repeat("\n", 1000)
	payload := packed(content)
	p.feed(zip(ws.OpText, payload, 3))
	p.feed(zip(ws.OpText, payload, 0))
	if want := (Unpacked{Messages: 2, Packed: 2 * len(payload), Bytes: 2000, Blocks: 2}); p.m.Unpacked != want {
		t.Errorf("%+v, want %+v", p.m.Unpacked, want)
	}
	message := zip(ws.OpText, packed("SEND\ndestination:/topic/a\n\nbody\x00"), 0)
	in := make([]byte, len(message))
	if n := testing.AllocsPerRun(100, func() {
		copy(in, message)
		p.m.Begin(&p.s, in)
		for p.m.Next(&p.s).Kind != More {
		}
		p.m.End(&p.s)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if p.s.partial != nil {
		t.Error("something is kept of a whole message")
	}
}

// FuzzUnpack: a stream means the same when it is compressed, whatever the messages, blocks and fragments.
func FuzzUnpack(f *testing.F) {
	f.Add("CONNECT\naccept-version:1.2\n\n\x00SUBSCRIBE\nid:0\ndestination:/topic/a\nreceipt:1\n\n\x00\n\nSEND\ndestination:/topic/a\n\nbody\x00", uint64(1))
	f.Add("CONNECT\n\n\x00SEND\ndestination:/a\ncontent-length:3\n\na\x00b\x00DISCONNECT\nreceipt:3\n\n\x00", uint64(2))
	f.Add("SEND\n\n\x00", uint64(3))
	f.Fuzz(func(t *testing.T, stream string, seed uint64) {
		if len(stream) > testConfig.ConnectFrameBytes {
			return
		}
		r := rand.New(rand.NewPCG(seed, 0))
		want := play(t, deflated(Greeting), [][]byte{masked(ws.OpBinary, stream)})
		var send []byte
		for _, message := range scatter(r, []byte(stream)) {
			cut := r.IntN(len(message) + 1)
			send = append(send, zip(ws.OpBinary, packed(string(message[:cut]), string(message[cut:])), r.IntN(9))...)
		}
		if got := play(t, deflated(Greeting), scatter(r, send)); !slices.Equal(got.events, want.events) || !slices.Equal(got.replies, want.replies) || got.phase != want.phase || got.kept != want.kept {
			t.Fatalf("compressed:\n got %+v\nwant %+v", got, want)
		}
	})
}
