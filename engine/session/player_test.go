package session

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"stentor/engine/refusal"
	"stentor/engine/websocket"
	"stentor/stomp"
)

var testConfig = Config{
	HandshakeBytes: 1024, ConnectFrameBytes: 512, FrameBytes: 2048, Headers: 8, HeaderBytes: 600, IDBytes: 16,
	DestinationBytes: 64, Unanswered: 4, InputBytes: 1024, TransactionBytes: 4096, Sends: 10000, Receives: 20000,
}

// testCheck refuses one path, and allows compression on another, as an owner's check would.
func testCheck(r *websocket.Request) *websocket.Refusal {
	switch r.Path {
	case "/nowhere":
		return websocket.NotFound
	case "/compressed":
		r.Compress = websocket.CompressUnlessWebKit
	}
	return nil
}

// testPlain serves one path without a WebSocket, and refuses another in its own words.
func testPlain(r *websocket.Request, dst []byte) ([]byte, *websocket.Refusal) {
	switch r.Path {
	case "/plain":
		return websocket.AppendAnswer(dst, "text/plain", "", []byte("served")), websocket.Answered
	case "/busy":
		return dst, websocket.Unavailable
	}
	return dst, nil
}

// player owns a session as a shard does: it carries out the events and collects what is written. After each turn it
// spoils the input, and has another client use the Machine.
type player struct {
	t      testing.TB
	m      *Machine
	s      Session
	own    func(ev *Event) bool // carries an event out instead of the player; optional
	events []string             // but for Alive, of which there are more in smaller pieces
	out    []byte
	alone  bool // no other client
}

func newPlayer(t testing.TB, conf Config) *player {
	return &player{t: t, m: NewMachine(conf, testCheck, testPlain)}
}

// connected returns a player whose client has just been told CONNECTED.
func connected(t testing.TB, v stomp.Version) *player {
	p := newPlayer(t, testConfig)
	p.s = Session{Phase: Connected, Version: v}
	return p
}

// packedByOther is what the other client sends compressed.
var packedByOther = zip(ws.OpText, packed("SEND\ndestination:/topic/other\n\nhalf"), 0)

func (p *player) feed(in []byte) {
	p.t.Helper()
	in = bytes.Clone(in)
	p.turn(&p.s, in, p.carryOut)
	for i := range in {
		in[i] = 0xAA
	}
	p.flush()
	if p.alone {
		return
	}
	other := deflated(Connected)
	p.turn(&other, bytes.Clone(packedByOther), func(*Event) {})
	for _, frame := range []string{"SEND\ndestination:/topic/other\nreceipt:other\n\nhalf", "ACK\nid:\\c\nreceipt:other\n\n\x00"} {
		p.turn(&Session{Phase: Connected, Version: stomp.V12}, text(frame), func(*Event) {})
	}
	p.m.Out = p.m.Out[:0]
}

func (p *player) turn(s *Session, in []byte, carryOut func(*Event)) {
	p.t.Helper()
	p.m.Begin(s, in)
	for range 1000 + len(in) {
		ev := p.m.Next(s)
		if ev.Kind == More {
			p.m.End(s)
			return
		}
		carryOut(&ev)
	}
	p.t.Fatal("a turn does not end")
}

// settle gives the answer that token promised, outside a turn, and has the input go on that waited for it.
func (p *player) settle(token uint32, lines string) {
	p.t.Helper()
	if p.m.Settle(&p.s, token, lines) {
		p.turn(&p.s, nil, p.carryOut)
	}
	p.flush()
}

func (p *player) flush() {
	p.out = append(p.out, p.m.Out...)
	p.m.Out = p.m.Out[:0]
}

func (p *player) carryOut(ev *Event) {
	if ev.Kind == Commit {
		p.m.Parts(&p.s, func(part *Event) bool {
			p.events = append(p.events, describe(part, &p.m.Frame))
			return true
		})
	}
	if ev.Kind != Alive {
		p.events = append(p.events, describe(ev, &p.m.Frame))
	}
	if p.own != nil && p.own(ev) {
		return
	}
	switch ev.Kind {
	case Connect:
		p.m.Connected(&p.s, "id", "", 0, "")
	case Failed:
		p.m.Fail(&p.s, ev.Failure)
	default:
		if ev.HasReceipt {
			p.m.Receipt(&p.s, ev.Receipt, "")
		}
	}
	if ev.Kind == Disconnect && !p.s.Owes() {
		p.m.Close(&p.s, CloseNormal, "")
	}
}

var kindNames = map[Kind]string{
	Upgraded: "Upgraded", Refused: "Refused", Answered: "Answered", Connect: "Connect", Subscribe: "Subscribe", Unsubscribe: "Unsubscribe",
	Send: "Send", Ack: "Ack", Nack: "Nack", Begin: "Begin", Commit: "Commit", Abort: "Abort", Disconnect: "Disconnect",
	Closed: "Closed", Failed: "Failed",
}

func describe(ev *Event, f *stomp.Frame) string {
	b := []byte(kindNames[ev.Kind])
	add := func(name string, value []byte) {
		if len(value) > 0 {
			b = fmt.Appendf(b, " %s=%s", name, value)
		}
	}
	add("destination", ev.Destination)
	add("id", ev.ID)
	add("sub", ev.Sub)
	if ev.Ack != AckAuto {
		add("ack", []byte(ev.Ack.String()))
	}
	add("resume", ev.Resume)
	if ev.HasReceipt {
		b = fmt.Appendf(b, " receipt=%s", ev.Receipt)
	}
	if ev.Kind == Send {
		add("body", f.Body)
	}
	if ev.Failure != nil {
		b = fmt.Appendf(b, " %s: %s", ev.Failure.Code, ev.Failure.Text)
		if limit := ev.Failure.Reason.Limit(); limit != refusal.None {
			b = fmt.Appendf(b, " (%s)", limit)
		}
	}
	return string(b)
}

const testKey = "dGhlIHNhbXBsZSBub25jZQ=="

// replies reads what a client gets: the status of the handshake's answer with the subprotocol, then the messages. Each
// has to be one whole STOMP frame, text if it is UTF-8.
func (p *player) replies() (all []string) {
	p.t.Helper()
	b := p.out
	if bytes.HasPrefix(b, []byte("HTTP/")) {
		n, protocol, err := websocket.ParseAnswer(b, testKey)
		if refused := new(websocket.AnswerError); errors.As(err, &refused) {
			return []string{fmt.Sprint(refused.Status)}
		}
		if n == 0 || err != nil {
			p.t.Fatalf("%q: %v", b, err)
		}
		all = append(all, strings.TrimSpace("101 "+string(protocol)))
		b = b[n:]
	}
	var r websocket.ClientReader
	for len(b) > 0 {
		ev, n, err := r.Next(b, 1<<20)
		if err != nil || n == 0 {
			p.t.Fatalf("%q: %d, %v", b, n, err)
		}
		b = b[n:]
		switch ev.Kind {
		case websocket.Data:
			op := "text"
			if ev.Op == ws.OpBinary {
				op = "binary"
			}
			if p.s.Form.Escaped() {
				if op != "text" {
					p.t.Fatalf("%q is %s", ev.Payload, op)
				}
				all = append(all, p.unwrapped(ev.Payload))
				break
			}
			all = append(all, op+" "+string(ev.Payload))
			p.wholeFrame(ev.Payload)
			if !ev.Final {
				p.t.Fatal("a fragment")
			}
		case websocket.Pong:
			all = append(all, "pong "+string(ev.Payload))
		case websocket.Close:
			all = append(all, strings.TrimSpace(fmt.Sprintf("close %d %s", ev.Code, ev.Reason)))
			if len(b) > 0 {
				p.t.Fatalf("%q behind a close frame", b)
			}
		default:
			p.t.Fatalf("%v", ev)
		}
	}
	return all
}

// unwrapped is a frame of SockJS: the message in it, if it has one, which is a whole STOMP frame.
func (p *player) unwrapped(frame []byte) string {
	p.t.Helper()
	if frame[0] != 'a' {
		return string(frame)
	}
	var messages []string
	if err := json.Unmarshal(frame[1:], &messages); err != nil || len(messages) != 1 {
		p.t.Fatalf("%q: %v", frame, err)
	}
	p.wholeFrame([]byte(messages[0]))
	return "text " + messages[0]
}

func (p *player) wholeFrame(b []byte) {
	p.t.Helper()
	var (
		d        stomp.Decoder
		f        stomp.Frame
		progress stomp.Progress
	)
	n, err := d.Decode(b, p.s.Version, &stomp.Limits{}, &progress, &f)
	if err != nil || n != len(b) || b[n-1] != 0 {
		p.t.Fatalf("%q is not one frame: %d, %v", b, n, err)
	}
	if length, ok := f.Get("content-length"); (f.Command == stomp.ErrorCommand) != ok || ok && string(length) != fmt.Sprint(len(f.Body)) {
		p.t.Fatalf("%q: content-length %s", b, length)
	}
}

func (p *player) expect(events, replies []string) {
	p.t.Helper()
	if !slices.Equal(p.events, events) {
		p.t.Errorf("events\n got %q\nwant %q", p.events, events)
	}
	if got := p.replies(); !slices.Equal(got, replies) {
		p.t.Errorf("replies\n got %q\nwant %q", got, replies)
	}
}

// script is one client's bytes, what they mean and what comes back, however they arrive.
type script struct {
	name    string
	conf    func(*Config) // changes testConfig; optional
	session Session       // where it begins
	own     func(p *player, ev *Event) bool
	send    []byte
	events  []string
	replies []string
	phase   Phase
}

func (c *script) run(t *testing.T) {
	for name, chunks := range chunkings(c.send) {
		t.Run(c.name+"/"+name, func(t *testing.T) {
			conf := testConfig
			if c.conf != nil {
				c.conf(&conf)
			}
			p := newPlayer(t, conf)
			p.s = c.session
			if c.own != nil {
				p.own = func(ev *Event) bool { return c.own(p, ev) }
			}
			for _, chunk := range chunks {
				p.feed(chunk)
			}
			p.expect(c.events, c.replies)
			if p.s.Phase != c.phase {
				t.Errorf("phase %d, want %d", p.s.Phase, c.phase)
			}
			if p.s.Buffered() != 0 || p.s.partial != nil {
				t.Errorf("%d bytes are still kept", p.s.Buffered())
			}
		})
	}
}

func runAll(t *testing.T, scripts []script) {
	for i := range scripts {
		scripts[i].run(t)
	}
}

func chunkings(b []byte) map[string][][]byte {
	all := map[string][][]byte{"whole": {b}, "halves": {b[:len(b)/2], b[len(b)/2:]}, "octets": chop(b, 1), "13": chop(b, 13)}
	r := rand.New(rand.NewPCG(1, uint64(len(b))))
	for i := range 4 {
		all[fmt.Sprint("random ", i)] = scatter(r, b)
	}
	return all
}

func chop(b []byte, n int) (chunks [][]byte) {
	for len(b) > n {
		chunks, b = append(chunks, b[:n]), b[n:]
	}
	return append(chunks, b)
}

func scatter(r *rand.Rand, b []byte) (chunks [][]byte) {
	for len(b) > 0 {
		n := 1 + r.IntN(min(len(b), 1+r.IntN(90)))
		chunks, b = append(chunks, b[:n]), b[n:]
	}
	return chunks
}

// What clients send.

func request(path string, lines ...string) []byte {
	return websocket.AppendRequest(nil, "push.example.com", path, testKey, lines...)
}

func masked(op ws.OpCode, payload string) []byte {
	return websocket.AppendMasked(nil, op, [4]byte{0x37, 0xFA, 0x21, 0x3D}, []byte(payload))
}

// text is a message for each frame.
func text(frames ...string) []byte {
	var b []byte
	for _, f := range frames {
		b = append(b, masked(ws.OpText, f)...)
	}
	return b
}

// fragments is one text message in as many WebSocket frames.
func fragments(parts ...string) []byte {
	var b []byte
	for i, part := range parts {
		op := ws.OpContinuation
		if i == 0 {
			op = ws.OpText
		}
		f := masked(op, part)
		if i < len(parts)-1 {
			f[0] &^= 0x80
		}
		b = append(b, f...)
	}
	return b
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// What servers answer.

func receipt(id string) string { return "text RECEIPT\nreceipt-id:" + id + "\n\n\x00" }

func failure(code, message string, lines ...string) string {
	more := ""
	for _, line := range lines {
		more += line + "\n"
	}
	return fmt.Sprintf("text ERROR\nmessage:%s\ncode:%s\n%scontent-type:text/plain\ncontent-length:%d\n\n%s\x00", message, code, more, len(message), message)
}

// connectedReply has the offer of testConfig, except in 1.0, which has no heart-beats.
func connectedReply(version string) string {
	offer := "10000,20000"
	if version == "1.0" {
		offer = "0,0"
	}
	return fmt.Sprintf("text CONNECTED\nversion:%s\nheart-beat:%s\nsession:id\n\n\x00", version, offer)
}

var versions = map[stomp.Version]string{stomp.V10: "1.0", stomp.V11: "1.1", stomp.V12: "1.2"}

func eachVersion(t *testing.T, f func(t *testing.T, v stomp.Version)) {
	for _, v := range slices.Sorted(maps.Keys(versions)) {
		t.Run(versions[v], func(t *testing.T) { f(t, v) })
	}
}
