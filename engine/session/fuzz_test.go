package session

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"stentor/stomp"
)

// FuzzMachine plays a client's bytes whole and in pieces: what happens must be the same. With raw they are what comes
// behind the handshake, else STOMP that is put into messages of some size. SENDs are answered once everything has come.
func FuzzMachine(f *testing.F) {
	connect := "CONNECT\naccept-version:1.2\nheart-beat:1,1\n\n\x00"
	for i, stream := range []string{
		connect + "SUBSCRIBE\nid:0\ndestination:/topic/a\nreceipt:1\n\n\x00\n\nSEND\ndestination:/topic/a\ncontent-length:3\n\na\x00b\x00UNSUBSCRIBE\nid:0\nreceipt:2\n\n\x00DISCONNECT\nreceipt:3\n\n\x00",
		connect + "BEGIN\ntransaction:t\n\n\x00SEND\ndestination:/a\\c\ntransaction:t\nreceipt:1\n\nbody\x00ACK\nid:1\ntransaction:t\n\n\x00COMMIT\ntransaction:t\nreceipt:2\n\n\x00BEGIN\ntransaction:u\n\n\x00ABORT\ntransaction:u\n\n\x00",
		"CONNECT\naccept-version:1.1\n\n\x00NACK\nmessage-id:1\nsubscription:0\n\n\x00CONNECT\n\n\x00",
		"CONNECT\n\n\x00SUBSCRIBE\ndestination:/topic/a\n\n\x00SUBSCRIBE\n\n\x00",
		"CONNECT\naccept-version:3\n\n\x00", "SEND\n\n\x00", "\r\n\n\x00STOMP\r\n\r\n\x00\rx",
		connect + strings.Repeat(sendFrame("1"), 12) + "DISCONNECT\nreceipt:2\n\n\x00", connect + strings.Repeat(sendFrame("1"), 88),
		connect + "SEND\ndestination:/a\n" + strings.Repeat("x:", 400), connect + "SEND\nb\x00\rd\n\n\x00",
	} {
		f.Add([]byte(stream), false, uint8(11*i), uint64(i))
	}
	f.Add(join(text(connect), masked(ws.OpPing, "p"), fragments("SEND\n", "destination:/a\n\n", "\x00"), masked(ws.OpClose, "\x03\xE8")), true, uint8(9), uint64(1))
	f.Add(join(text(connect, "", "\n"), text("SEND\ndestination:/a\n\n\xff\x00")), true, uint8(9), uint64(1))
	f.Fuzz(func(t *testing.T, stream []byte, raw bool, size uint8, seed uint64) {
		if len(stream) > 4<<10 {
			return
		}
		send := stream
		if !raw {
			send = messages(ws.OpBinary, string(stream), int(size)+1)
		}
		greeting := Session{Phase: Greeting}
		want := play(t, greeting, [][]byte{send})
		pieces := rand.New(rand.NewPCG(seed, 0))
		for _, chunks := range [][][]byte{chop(send, 1), chop(send, int(size)+1), scatter(pieces, send)} {
			got := play(t, greeting, chunks)
			switch {
			case want.text: // of a message that is not UTF-8, what comes before the mistake is handed out only in pieces
				if n := len(want.events) - 1; len(got.events) < n || !slices.Equal(got.events[:n], want.events[:n]) {
					t.Fatalf("in %d chunks: %q, whole: %q", len(chunks), got.events, want.events)
				}
			case !slices.Equal(got.events, want.events) || !slices.Equal(got.replies, want.replies) || got.phase != want.phase || got.kept != want.kept:
				t.Fatalf("in %d chunks:\n got %+v\nwant %+v", len(chunks), got, want)
			}
		}
	})
}

type outcome struct {
	events  []string
	replies []string
	phase   Phase
	kept    int
	text    bool // closed because of text that is not UTF-8
}

func play(t *testing.T, begin Session, chunks [][]byte) (o outcome) {
	p := newPlayer(t, testConfig)
	p.s, p.alone = begin, true
	var tokens []uint32
	p.own = func(ev *Event) bool {
		if ev.Kind == Send {
			tokens = append(tokens, p.m.Await(&p.s, ev.Receipt, ev.HasReceipt, 0))
		}
		return ev.Kind == Send
	}
	for _, chunk := range chunks {
		p.feed(chunk)
		if p.s.Phase >= Leaving && p.s.partial != nil || p.s.Phase == Closing && p.s.owed != nil || p.s.Phase == Leaving && !p.s.Owes() {
			t.Fatal("a closing session keeps something")
		}
	}
	for len(tokens) > 0 {
		next := tokens[0]
		tokens = tokens[1:]
		p.settle(next, "")
	}
	if p.s.Phase == Leaving {
		p.m.Close(&p.s, CloseNormal, "")
		p.flush()
	}
	o = outcome{events: p.events, replies: p.replies(), phase: p.s.Phase, kept: p.s.Buffered()}
	// Of several mistakes in one frame either may be seen first.
	if n := len(o.events) - 1; n >= 0 && strings.HasPrefix(o.events[n], "Failed") {
		o.events[n] = "Failed"
		n = len(o.replies) - 1
		o.text = strings.HasPrefix(o.replies[n], "close 1007")
		o.replies = o.replies[:n]
		if n > 0 && strings.HasPrefix(o.replies[n-1], "text ERROR") {
			o.replies = o.replies[:n-1]
		}
	}
	if p.s.Phase == Connected && p.s.Version > stomp.V12 {
		t.Fatalf("version %d", p.s.Version)
	}
	return o
}
