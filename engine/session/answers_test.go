package session

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"stentor/stomp"
)

// TestAnswersInOrder mixes answers that are known at once with some that come later, and settles those in any order.
func TestAnswersInOrder(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 2))
		conf := testConfig
		conf.Unanswered = 8
		p := newPlayer(t, conf)
		p.s = Session{Phase: Connected, Version: stomp.V12}
		var want []string
		var open []uint32
		lines := map[uint32]string{}
		for i := range 20 {
			id := fmt.Sprint(i)
			switch r.IntN(4) {
			case 0:
				p.m.Receipt(&p.s, []byte(id), "position:e-0-1\n")
				want = append(want, "text RECEIPT\nreceipt-id:"+id+"\nposition:e-0-1\n\n\x00")
			case 1, 2:
				wanted := r.IntN(3) > 0
				token := p.m.Await(&p.s, []byte(id), wanted, 0)
				open = append(open, token)
				if wanted {
					lines[token] = "n:" + id + "\n"
					want = append(want, "text RECEIPT\nreceipt-id:"+id+"\nn:"+id+"\n\n\x00")
				}
			default:
				if len(open) > 0 {
					open = p.settleOne(r, open, lines)
				}
			}
			for len(p.s.answers()) >= conf.Unanswered {
				open = p.settleOne(r, open, lines)
			}
			p.flush()
			if got := p.replies(); !slices.Equal(got, want[:len(got)]) {
				t.Fatalf("seed %d:\n got %q\nwant %q", seed, got, want)
			}
			if p.s.Owes() != (p.s.owed != nil) {
				t.Fatal("owed without a debt")
			}
		}
		for len(open) > 0 {
			open = p.settleOne(r, open, lines)
		}
		p.flush()
		p.expect(nil, want)
		if p.s.Owes() || p.s.owed != nil {
			t.Error("something is still owed")
		}
	}
}

func (s *Session) answers() []answer {
	if s.owed == nil {
		return nil
	}
	return s.owed.answers
}

// settleOne settles one of the tokens and returns the others.
func (p *player) settleOne(r *rand.Rand, open []uint32, lines map[uint32]string) []uint32 {
	i := r.IntN(len(open))
	p.m.Settle(&p.s, open[i], lines[open[i]])
	return slices.Delete(open, i, i+1)
}

// waiting returns a player whose SENDs wait for the bus, and their tokens.
func waiting(t testing.TB) (p *player, tokens *[]uint32) {
	p, tokens = connected(t, stomp.V12), &[]uint32{}
	p.own = func(ev *Event) bool {
		if ev.Kind == Send {
			*tokens = append(*tokens, p.m.Await(&p.s, ev.Receipt, ev.HasReceipt, 0))
		}
		return ev.Kind == Send
	}
	return p, tokens
}

func sendFrame(id string) string { return "SEND\ndestination:/topic/a\nreceipt:" + id + "\n\n\x00" }

// TestInputWaits has a client send more than the bus has answered: all of it waits, however it comes, and is carried out
// in order.
func TestInputWaits(t *testing.T) {
	var want, replies []string
	var send []byte
	for i := range 12 {
		id := fmt.Sprint(i)
		want = append(want, "Send destination=/topic/a receipt="+id)
		replies = append(replies, receipt(id))
		send = append(send, text(sendFrame(id))...)
		switch i {
		case 2: // several in a message, and an answer that is known at once
			send = append(send, text(sendFrame("x")+"\n"+sendFrame("y")+"ACK\nid:1\nreceipt:z\n\n\x00")...)
			want = append(want, "Send destination=/topic/a receipt=x", "Send destination=/topic/a receipt=y", "Ack id=1 receipt=z")
			replies = append(replies, receipt("x"), receipt("y"), receipt("z"))
		case 3:
			send = append(send, masked(ws.OpPing, "p")...)
		}
	}
	send = append(send, text("BEGIN\ntransaction:t\n\n\x00", "SEND\ndestination:/topic/b\ntransaction:t\n\n\x00", "COMMIT\ntransaction:t\nreceipt:c\n\n\x00DISCONNECT\nreceipt:bye\n\n\x00")...)
	want = append(want, "Begin", "Send destination=/topic/b", "Commit receipt=c", "Disconnect receipt=bye")
	replies = append(replies, receipt("c"), receipt("bye"), "close 1000")
	for name, chunks := range chunkings(send) {
		t.Run(name, func(t *testing.T) {
			p, tokens := waiting(t)
			for _, chunk := range chunks {
				p.feed(chunk)
				if n := len(p.s.answers()); n > testConfig.Unanswered {
					t.Fatalf("%d answers are owed", n)
				}
			}
			if len(p.events) != testConfig.Unanswered || !p.s.Late() {
				t.Fatalf("%q while nothing is answered", p.events)
			}
			for len(*tokens) > 0 {
				next := (*tokens)[0]
				*tokens = (*tokens)[1:]
				p.settle(next, "")
			}
			if p.s.Phase == Leaving && !p.s.Owes() { // as its owner does
				p.m.Close(&p.s, CloseNormal, "")
				p.flush()
			}
			got := slices.DeleteFunc(p.replies(), func(r string) bool { return r == "pong p" })
			if !slices.Equal(p.events, want) || !slices.Equal(got, replies) {
				t.Errorf("events\n got %q\nwant %q\nreplies\n got %q\nwant %q", p.events, want, got, replies)
			}
			if p.s.partial != nil || p.s.owed != nil {
				t.Error("something is kept")
			}
		})
	}
}

// TestInputGoesOnByHalves: each time that input goes on, what is left of it is moved.
func TestInputGoesOnByHalves(t *testing.T) {
	p, tokens := waiting(t)
	for i := range 2 * testConfig.Unanswered {
		p.feed(text(sendFrame(fmt.Sprint(i))))
	}
	for i, events := range []int{4, 6, 6, 8} {
		p.settle((*tokens)[i], "")
		if len(p.events) != events {
			t.Errorf("%d of the answers are given, and %d SENDs were carried out, want %d", i+1, len(p.events), events)
		}
	}
}

// TestTooMuchInputWaits has a client send on while none of its SENDs is answered. What waits is kept in one piece, which
// grows by more than what comes.
func TestTooMuchInputWaits(t *testing.T) {
	const tooMuch = "too much was sent while earlier frames wait for their answers"
	p, _ := waiting(t)
	for i := range testConfig.Unanswered {
		p.feed(text(sendFrame(fmt.Sprint(i))))
	}
	most := testConfig.InputBytes + testConfig.FrameBytes + testConfig.HeaderBytes
	ping := masked(ws.OpPing, "")
	for n := 0; n+len(ping) <= most; n += len(ping) {
		p.feed(ping)
	}
	if p.s.Phase != Connected || len(p.out) > 0 || p.s.Buffered() > most {
		t.Fatalf("phase %d, %d bytes wait, %q", p.s.Phase, p.s.Buffered(), p.out)
	}
	p.feed(ping)
	p.feed(ping)
	want := []string{failure("limit", tooMuch), "close 1008 " + tooMuch}
	if got := p.replies(); !slices.Equal(got, want) || p.events[len(p.events)-1] != "Failed limit: "+tooMuch+" (input_bytes)" {
		t.Errorf("%q, %q", got, p.events)
	}
	if p.s.partial != nil || p.s.owed != nil {
		t.Error("something is kept")
	}
}

// TestWaitingInputIsNotMoved drips input that waits.
func TestWaitingInputIsNotMoved(t *testing.T) {
	p, _ := waiting(t)
	p.alone = true
	for i := range testConfig.Unanswered {
		p.feed(text(sendFrame(fmt.Sprint(i))))
	}
	in := masked(ws.OpPing, "")
	moves := testing.AllocsPerRun(400, func() {
		p.m.Begin(&p.s, in[:1])
		p.m.Next(&p.s)
		p.m.End(&p.s)
	})
	if moves > 0.1 {
		t.Errorf("an octet that comes moves what waits %v times", moves)
	}
}

// TestLeaving answers what was asked for before a DISCONNECT, the DISCONNECT last.
func TestLeaving(t *testing.T) {
	for _, c := range []struct {
		frame string
		want  []string
	}{
		{"DISCONNECT\nreceipt:bye\n\n\x00", []string{receipt("1"), receipt("bye"), "close 1000"}},
		{"DISCONNECT\n\n\x00", []string{receipt("1"), "close 1000"}},
	} {
		p := connected(t, stomp.V12)
		var token uint32
		p.own = func(ev *Event) bool {
			if ev.Kind == Send {
				token = p.m.Await(&p.s, ev.Receipt, ev.HasReceipt, 0)
			}
			return ev.Kind == Send
		}
		p.feed(text("BEGIN\ntransaction:t\n\n\x00SEND\ntransaction:t\ndestination:/topic/a\n\n\x00"))
		p.feed(text("SEND\ndestination:/topic/a\nreceipt:1\n\n\x00", c.frame, "SEND\ndestination:/topic/a\nreceipt:2\n\n\x00"))
		if p.s.Phase != Leaving || len(p.out) > 0 {
			t.Fatalf("phase %d, %q", p.s.Phase, p.out)
		}
		if p.s.partial != nil || p.s.owed.txs != nil || p.s.owed.txBytes != 0 {
			t.Error("input, or a transaction, is kept for a client that leaves")
		}
		p.feed(text("SEND\ndestination:/topic/a\nreceipt:3\n\n\x00"))
		p.m.Settle(&p.s, token, "")
		if p.s.Owes() {
			t.Error("something is owed")
		}
		p.m.Close(&p.s, CloseNormal, "")
		p.flush()
		if got := p.replies(); !slices.Equal(got, c.want) {
			t.Errorf("\n got %q\nwant %q", got, c.want)
		}
	}
}

// TestFail fails a session in every phase.
func TestFail(t *testing.T) {
	// The text has a colon and a line end, which each version writes in its own way.
	wrong := &Failure{Code: CodeForbidden, Text: "not: \nyours", Close: CloseProtocol}
	silent := &Failure{Code: CodeForbidden, Text: "not yours", Close: CloseTryLater, Silent: true}
	messages := map[stomp.Version]string{stomp.V10: "not:  yours", stomp.V11: "not\\c \\nyours", stomp.V12: "not\\c \\nyours"}
	for phase := Handshake; phase <= Closing; phase++ {
		eachVersion(t, func(t *testing.T, v stomp.Version) {
			spoken := phase != Handshake && phase != Closing
			p := newPlayer(t, testConfig)
			p.s = Session{Phase: phase, Version: v}
			p.m.Fail(&p.s, wrong)
			p.flush()
			var want []string
			if spoken {
				want = []string{"text ERROR\nmessage:" + messages[v] + "\ncode:forbidden\ncontent-type:text/plain\ncontent-length:11\n\nnot: \nyours\x00", "close 1002 not: \nyours"}
			}
			p.expect(nil, want)
			if p.s.Phase != Closing {
				t.Errorf("phase %d", p.s.Phase)
			}
			p.m.Fail(&p.s, wrong)
			p.m.Close(&p.s, CloseNormal, "")
			p.flush()
			p.expect(nil, want)

			p = newPlayer(t, testConfig)
			p.s = Session{Phase: phase, Version: v}
			p.m.Fail(&p.s, silent)
			p.flush()
			if spoken {
				want = []string{"close 1013 not yours"}
			}
			p.expect(nil, want)
		})
	}
}

func TestClose(t *testing.T) {
	for phase := Handshake; phase <= Closing; phase++ {
		p := newPlayer(t, testConfig)
		p.s.Phase = phase
		p.m.Close(&p.s, CloseServiceLeaves, "come back "+strings.Repeat("é", 100))
		p.flush()
		var want []string
		if phase != Handshake && phase != Closing {
			want = []string{"close 1012 come back " + strings.Repeat("é", 56)}
		}
		p.expect(nil, want)
		p.feed(text("CONNECT\n\n\x00"))
		p.feed(request("/ws"))
		p.expect(nil, want)
		if p.s.Phase != Closing || p.s.partial != nil {
			t.Errorf("phase %d", p.s.Phase)
		}
	}
}

// TestNothingBehindTheCloseFrame settles what a session owed when its client closed it.
func TestNothingBehindTheCloseFrame(t *testing.T) {
	for _, closing := range []func(p *player){
		func(p *player) { p.feed(masked(8, "\x03\xE8")) },
		func(p *player) { p.feed(text("garbage")) },
		func(p *player) { p.m.Close(&p.s, CloseNormal, ""); p.flush() },
	} {
		p := connected(t, stomp.V12)
		token := p.m.Await(&p.s, []byte("1"), true, 0)
		closing(p)
		if p.s.owed != nil {
			t.Error("a closed session keeps what it owed")
		}
		before := len(p.replies())
		p.m.Settle(&p.s, token, "")
		p.flush()
		if got := p.replies(); len(got) != before {
			t.Errorf("%q", got)
		}
	}
}

// TestErrorSpeaksOfItsOwnFrame fails sessions at moments when the Machine has just read other frames.
func TestErrorSpeaksOfItsOwnFrame(t *testing.T) {
	wrong := &Failure{Code: CodeLimit, Text: "no", Close: ClosePolicy}
	asked := text("SUBSCRIBE\nid:0\ndestination:/topic/a\nreceipt:mine\n\n\x00")
	for name, c := range map[string]func(p *player){
		"between turns": func(p *player) { p.m.Fail(&p.s, wrong); p.flush() },
		"at an empty frame": func(p *player) {
			p.own = func(*Event) bool { p.m.Fail(&p.s, wrong); return true }
			p.feed(text(""))
		},
		"at a heart-beat": func(p *player) {
			p.own = func(*Event) bool { p.m.Fail(&p.s, wrong); return true }
			p.feed(text("\n"))
		},
		"at a ping": func(p *player) {
			p.own = func(*Event) bool { p.m.Fail(&p.s, wrong); return true }
			p.feed(masked(9, ""))
		},
		"garbage": func(p *player) { p.feed(text("garbage")) },
		"garbage in the same message": func(p *player) {
			p.feed(text("SEND\ndestination:/topic/a\nreceipt:before\n\n\x00garbage"))
		},
		"garbage in pieces": func(p *player) { p.feed(text("SEND\n")); p.feed(text("destination")); p.feed(text("\n\n")) },
		"a frame in pieces": func(p *player) {
			p.own = func(*Event) bool { p.m.Fail(&p.s, wrong); return true }
			p.feed(text("SEND\n"))
			p.feed(text("destination:/topic/a\n"))
			p.feed(text("\n\x00"))
		},
	} {
		p := connected(t, stomp.V12)
		p.feed(asked)
		c(p)
		got := p.replies()
		if p.s.Phase != Closing || len(got) < 3 || strings.Contains(fmt.Sprint(got[1:]), "receipt-id:mine") ||
			strings.Contains(got[len(got)-2], "receipt-id") || strings.Contains(fmt.Sprint(got), "other") {
			t.Errorf("%s: %q", name, got)
		}
	}
	if (&Machine{}).Frame.Headers != nil {
		t.Error("a frame without input")
	}
}

// TestInputWaitsForBytes: few SENDs that are large have the next ones wait as many small ones do.
func TestInputWaitsForBytes(t *testing.T) {
	p, tokens := waiting(t)
	p.own = func(ev *Event) bool {
		if ev.Kind == Send {
			*tokens = append(*tokens, p.m.Await(&p.s, ev.Receipt, ev.HasReceipt, 600))
		}
		return ev.Kind == Send
	}
	for i := range 4 {
		p.feed(text(sendFrame(fmt.Sprint(i))))
	}
	for i, events := range []int{2, 4, 4, 4} { // of 1024 bytes
		if len(p.events) != events {
			t.Errorf("%d of the answers are given, and %d SENDs were carried out, want %d", i, len(p.events), events)
		}
		p.settle((*tokens)[min(i, len(*tokens)-1)], "")
		if i == 0 { // more than half is held still
			p.settle((*tokens)[1], "")
		}
	}
	p.expect(p.events, []string{receipt("0"), receipt("1"), receipt("2"), receipt("3")})
	if p.s.owed != nil {
		t.Error("something is owed")
	}
}
