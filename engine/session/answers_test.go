package session

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

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
				if !p.m.Receipt(&p.s, []byte(id), "position:e-0-1\n") {
					t.Fatal("refused")
				}
				want = append(want, "text RECEIPT\nreceipt-id:"+id+"\nposition:e-0-1\n\n\x00")
			case 1, 2:
				wanted := r.IntN(3) > 0
				token, ok := p.m.Await(&p.s, []byte(id), wanted)
				if !ok {
					t.Fatal("refused")
				}
				open = append(open, token)
				if wanted {
					lines[token] = "n:" + id + "\n"
					want = append(want, "text RECEIPT\nreceipt-id:"+id+"\nn:"+id+"\n\n\x00")
				}
			default:
				if len(open) > 0 {
					open = p.settle(r, open, lines)
				}
			}
			for len(p.s.answers()) >= conf.Unanswered {
				open = p.settle(r, open, lines)
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
			open = p.settle(r, open, lines)
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

// settle settles one of the tokens and returns the others.
func (p *player) settle(r *rand.Rand, open []uint32, lines map[uint32]string) []uint32 {
	i := r.IntN(len(open))
	p.m.Settle(&p.s, open[i], lines[open[i]])
	return slices.Delete(open, i, i+1)
}

func TestUnansweredIsBounded(t *testing.T) {
	p := connected(t, stomp.V12)
	var tokens []uint32
	for i := range testConfig.Unanswered {
		token, ok := p.m.Await(&p.s, fmt.Append(nil, i), true)
		if !ok {
			t.Fatalf("%d refused", i)
		}
		tokens = append(tokens, token)
	}
	if _, ok := p.m.Await(&p.s, nil, false); ok {
		t.Error("one too many to await")
	}
	if p.m.Receipt(&p.s, []byte("r"), "") {
		t.Error("one too many to answer")
	}
	p.m.Settle(&p.s, tokens[1], "")
	if p.m.Receipt(&p.s, []byte("r"), "") {
		t.Error("an answer that waits for its turn does not count")
	}
	p.m.Settle(&p.s, tokens[0], "")
	if !p.m.Receipt(&p.s, []byte("r"), "") {
		t.Error("refused although there is room")
	}
	p.flush()
	p.expect(nil, []string{receipt("0"), receipt("1")})
	p.m.Settle(&p.s, tokens[3], "")
	p.m.Settle(&p.s, tokens[3], "again:true\n")
	p.m.Settle(&p.s, 4711, "")
	p.m.Settle(&p.s, tokens[2], "")
	p.flush()
	p.expect(nil, []string{receipt("0"), receipt("1"), receipt("2"), receipt("3"), receipt("r")})
}

// TestTooManyAnswers has a client ask on while none of its SENDs is answered.
func TestTooManyAnswers(t *testing.T) {
	const tooMany = "too many frames are waiting for their answer"
	for _, c := range []struct{ name, last, id string }{
		{"SEND", "SEND\ndestination:/topic/a\nreceipt:last\n\n\x00", "last"},
		{"SUBSCRIBE", "SUBSCRIBE\nid:0\ndestination:/topic/a\nreceipt:last\n\n\x00", "last"},
		{"DISCONNECT", "DISCONNECT\nreceipt:bye\n\n\x00", "bye"},
		{"COMMIT", "COMMIT\ntransaction:t\nreceipt:commit\n\n\x00", "commit"},
		{"COMMIT, at its end", "COMMIT\ntransaction:u\nreceipt:commit\n\n\x00", "commit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := connected(t, stomp.V12)
			p.own = func(ev *Event) bool {
				if ev.Kind != Send || string(p.m.Frame.Body) == "quick" {
					return false
				}
				if _, ok := p.m.Await(&p.s, ev.Receipt, ev.HasReceipt); !ok {
					p.m.Fail(&p.s, TooManyAnswers())
				}
				return true
			}
			p.feed(text(
				"BEGIN\ntransaction:t\n\n\x00SEND\ntransaction:t\ndestination:/topic/b\n\n\x00",
				"BEGIN\ntransaction:u\n\n\x00SEND\ntransaction:u\ndestination:/topic/b\n\nquick\x00"))
			for i := range testConfig.Unanswered {
				p.feed(text(fmt.Sprintf("SEND\ndestination:/topic/a\nreceipt:%d\n\n\x00", i)))
			}
			p.feed(text(c.last))
			p.feed(text("SEND\ndestination:/topic/a\n\n\x00"))
			if got, want := p.replies(), []string{failure("limit", tooMany, "receipt-id:"+c.id), "close 1008 " + tooMany}; !slices.Equal(got, want) {
				t.Errorf("\n got %q\nwant %q", got, want)
			}
			if p.s.owed != nil {
				t.Error("a closing session still owes")
			}
		})
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
				token, _ = p.m.Await(&p.s, ev.Receipt, ev.HasReceipt)
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
		token, _ := p.m.Await(&p.s, []byte("1"), true)
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
