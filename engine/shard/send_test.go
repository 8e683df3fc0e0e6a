package shard

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"stentor/engine/bus"
	"stentor/engine/refusal"
	"stentor/engine/session"
	"stentor/engine/websocket"
	"stentor/stomp"
)

// sendAll has n SENDs to dest come in one piece behind before, with receipts.
func (k *stubSocket) sendAll(n int, dest string, before ...byte) {
	all := before
	for i := range n {
		f := stomp.Frame{Command: stomp.Send, Headers: []stomp.Header{
			{Name: []byte("destination"), Value: []byte(dest)}, {Name: []byte("receipt"), Value: fmt.Append(nil, i)},
		}}
		all = stomp.AppendFrame(all, stomp.V12, &f)
	}
	k.r.s.Input(k.conn, websocket.AppendMasked(nil, ws.OpText, [4]byte{1, 2, 3, 4}, all))
}

func (k *stubSocket) open() bool { return k.conn.sess.Phase == session.Connected }

func (k *stubSocket) count(what string) int { return bytes.Count(k.kept, []byte(what)) }

// TestBurst: more SENDs in one piece than may be unanswered are all carried out, however slow the bus is. They may
// have come at their rate while they waited.
func TestBurst(t *testing.T) {
	r := newRig(t)
	r.s.conf.Limits.FramesPerSecond = 100
	r.forwarded = &[]func(error){}
	k := r.connect("ann")
	k.keep = true
	sent := 0
	for range 10 { // seconds without any answer
		k.sendAll(100, "/app/x")
		sent += 100
		r.now += int64(time.Second)
	}
	if len(*r.forwarded) != 64 || !k.open() {
		t.Fatalf("%d on their way, the session stands: %t", len(*r.forwarded), k.open())
	}
	for i := 0; i < len(*r.forwarded); i++ {
		(*r.forwarded)[i](nil)
		r.run()
	}
	if got := k.count("RECEIPT"); got != sent || !k.open() {
		t.Fatalf("%d of %d are answered, the session stands: %t", got, sent, k.open())
	}
	// The rate is what it was.
	for range 3 {
		k.sendAll(100, "/none/x")
	}
	if k.open() || r.met(refusal.FrameRate) != 1 {
		t.Error("300 frames at once pass a rate of 100 with bursts of 200")
	}
}

// TestWaitingIsNoCredit: input that waited for the rest of its frame earns nothing.
func TestWaitingIsNoCredit(t *testing.T) {
	r := newRig(t)
	r.s.conf.Limits.FramesPerSecond = 100
	k := r.connect("ann")
	k.r.s.Input(k.conn, websocket.AppendMasked(nil, ws.OpText, [4]byte{1, 2, 3, 4}, []byte("SEND\ndestination:/none/x\n\n")))
	r.now += int64(time.Hour)
	k.sendAll(250, "/none/x", 0)
	if k.open() {
		t.Error("a burst of 250 passes a rate of 100")
	}
}

// transaction begins one and fills it with n SENDs.
func (k *stubSocket) transaction(n int, dest string, more ...string) {
	k.send(stomp.Begin, "transaction", "t")
	for range n {
		k.send(stomp.Send, append([]string{"destination", dest, "transaction", "t"}, more...)...)
	}
}

// TestCommit carries out a transaction of more SENDs than a burst may have, or than may be unanswered: they came one by
// one, and are counted once.
func TestCommit(t *testing.T) {
	for _, dest := range []string{"/topic/a", "/app/x"} {
		r := newRig(t)
		r.s.conf.Limits.FramesPerSecond = 100
		r.forwarded = &[]func(error){}
		k := r.connect("ann")
		k.keep = true
		k.send(stomp.Begin, "transaction", "t")
		const n = 500
		for range n {
			k.send(stomp.Send, "destination", dest, "transaction", "t")
			r.now += int64(10 * time.Millisecond)
		}
		k.send(stomp.Commit, "transaction", "t", "receipt", "all")
		if !k.open() || len(r.published)+len(r.inbound) != n {
			t.Fatalf("%d of %d are on the bus, the session stands: %t", len(r.published)+len(r.inbound), n, k.open())
		}
		for i, done := range *r.forwarded {
			if k.count("receipt-id:all") > 0 {
				t.Fatalf("COMMIT is answered after %d of %d", i, n)
			}
			done(nil)
			r.run()
		}
		if k.count("receipt-id:all") != 1 || !k.open() {
			t.Errorf("%s: COMMIT has no answer: %q", dest, k.kept)
		}
	}
}

// TestCommitIsWhole: where anything of a transaction is refused, nothing of it goes out.
func TestCommitIsWhole(t *testing.T) {
	deny := func(s *Settings) { s.Rights = denying{} }
	for name, c := range map[string]struct {
		last    []string
		refuses error
		code    string
	}{
		"right":       {last: []string{"destination", "/topic/denied"}, code: "code:forbidden"},
		"destination": {last: []string{"destination", "/topic/*"}, code: "code:protocol"},
		"user":        {last: []string{"destination", "/user/ann"}, code: "code:protocol"},
		"back ends":   {last: []string{"destination", "/app/\x7f"}, code: "code:protocol"},
		"never":       {last: []string{"destination", "/topic/a"}, refuses: ErrNever, code: "code:limit"},
		"busy":        {last: []string{"destination", "/topic/a"}, refuses: bus.ErrBusy, code: "\x03\xf5"}, // 1013
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, deny)
			k := r.connect("ann")
			k.keep = true
			k.transaction(3, "/topic/a")
			k.transaction(3, "/app/x")
			k = r.connect("bob")
			k.keep = true
			k.transaction(3, "/topic/a")
			k.send(stomp.Send, "destination", "/app/x", "transaction", "t")
			k.send(stomp.Send, append(c.last, "transaction", "t")...)
			if !k.open() {
				t.Fatalf("%q", k.kept)
			}
			r.refuses = c.refuses
			k.send(stomp.Commit, "transaction", "t", "receipt", "all")
			if len(r.published)+len(r.inbound) > 0 {
				t.Errorf("%d pushes and %d messages to the back ends went out", len(r.published), len(r.inbound))
			}
			if k.open() || k.count(c.code) != 1 || k.count("RECEIPT") > 0 || c.refuses != bus.ErrBusy && k.count("receipt-id:all") != 1 {
				t.Errorf("%q", k.kept)
			}
		})
	}
}

// denying is simRights with a destination that nobody may send to.
type denying struct{ simRights }

func (denying) Send(user, dest string) SendAction {
	if dest == "/topic/denied" {
		return SendDeny
	}
	return simRights{}.Send(user, dest)
}

// TestCommitFails: what the bus refuses afterwards ends the session without an answer to the COMMIT, once.
func TestCommitFails(t *testing.T) {
	r := newRig(t)
	r.forwarded = &[]func(error){}
	k := r.connect("ann")
	k.keep = true
	k.transaction(3, "/app/x")
	k.send(stomp.Commit, "transaction", "t", "receipt", "all")
	(*r.forwarded)[0](nil)
	(*r.forwarded)[1](bus.ErrBusy)
	(*r.forwarded)[2](bus.ErrBusy)
	r.run()
	if k.open() || k.count("RECEIPT") > 0 || k.count("\x03\xf5") != 1 {
		t.Errorf("%q", k.kept)
	}
}
