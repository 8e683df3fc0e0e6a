package shard

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"stentor/engine/bus"
	"stentor/engine/refusal"
	"stentor/engine/session"
	"stentor/engine/websocket"
	"stentor/stomp"
)

// last is the last refusal, which must be the only one.
func (r *rig) last() refusal.Record {
	r.t.Helper()
	if len(r.refusals) != 1 {
		r.t.Errorf("%d refusals are reported, want one: %v", len(r.refusals), r.refusals)
		return refusal.Record{}
	}
	return r.refusals[0]
}

// TestSessionsRefused: whatever a session is refused, the node hears of it, with all that is known.
func TestSessionsRefused(t *testing.T) {
	long := strings.Repeat("x", 2000)
	cases := map[refusal.Reason]func(r *rig, k *stubSocket){
		refusal.Protocol:           func(_ *rig, k *stubSocket) { k.send(stomp.Connected) },
		refusal.WebSocket:          func(r *rig, k *stubSocket) { r.s.Input(k.conn, []byte{0x88, 0x81, 1, 2, 3, 4, 5}) },
		refusal.SubscribeForbidden: func(_ *rig, k *stubSocket) { k.subscribe("/topic/forbidden", "1") },
		refusal.SubscribeUnserved:  func(_ *rig, k *stubSocket) { k.subscribe("/none/x", "1") },
		refusal.SubscribeDuplicate: func(_ *rig, k *stubSocket) { k.subscribe("/topic/a", "1"); k.subscribe("/topic/b", "1") },
		refusal.SendForbidden:      func(_ *rig, k *stubSocket) { k.send(stomp.Send, "destination", "/topic/forbidden") },
		refusal.SendUnserved:       func(_ *rig, k *stubSocket) { k.send(stomp.Send, "destination", "/none/x") },
		refusal.SendRate:           refuses(bus.ErrRateLimited),
		refusal.SendBusy:           refuses(bus.ErrBusy),
		refusal.SendBus:            refuses(errors.New("broker")),
		refusal.SendTransaction:    refuses(ErrNever),
		refusal.Stopping:           refuses(bus.ErrClosed),
		refusal.FrameRate: func(r *rig, k *stubSocket) {
			r.s.conf.Limits.FramesPerSecond = 1
			for range 3 {
				k.send(stomp.Send, "destination", "/topic/a")
			}
		},
		refusal.FrameBytes: func(_ *rig, k *stubSocket) {
			k.send(stomp.Send, "destination", "/topic/a", "long", strings.Repeat(long, 10))
		},
		refusal.Subscriptions: func(r *rig, k *stubSocket) {
			for i := range r.s.conf.Limits.Subscriptions + 1 {
				k.subscribe("/topic/a", fmt.Sprint(i))
			}
		},
		refusal.Patterns:         func(r *rig, k *stubSocket) { r.s.conf.Limits.Patterns = 0; k.subscribe("/topic/*", "1") },
		refusal.PatternSteps:     func(r *rig, k *stubSocket) { r.s.conf.Limits.PatternSteps = 0; k.subscribe("/topic/*", "1") },
		refusal.UserPatternSteps: func(r *rig, k *stubSocket) { r.s.conf.Limits.UserPatternSteps = 0; k.subscribe("/topic/*", "1") },
		refusal.IDBytes:          func(_ *rig, k *stubSocket) { k.subscribe("/topic/a", long) },
		refusal.DestinationBytes: func(_ *rig, k *stubSocket) { k.subscribe("/topic/"+long, "1") },
		refusal.TransactionBytes: func(_ *rig, k *stubSocket) {
			for i := range 17 {
				k.send(stomp.Begin, "transaction", fmt.Sprint(i))
			}
		},
		refusal.InputBytes: func(r *rig, k *stubSocket) {
			r.forwarded = &[]func(error){}
			for range 20_000 {
				k.send(stomp.Send, "destination", "/app/x")
			}
		},
		refusal.ReplyBytes: func(r *rig, k *stubSocket) {
			k.buffered = 1
			for range r.s.conf.Limits.ReplyBytes / 100 {
				r.s.Input(k.conn, websocket.AppendMasked(nil, ws.OpPing, [4]byte{}, make([]byte, 125)))
			}
		},
		refusal.Slow:        func(r *rig, k *stubSocket) { r.s.tooSlow(k.conn) },
		refusal.Heartbeat:   silence(time.Hour),
		refusal.Kicked:      func(r *rig, k *stubSocket) { r.s.Kick(rigProject, "", []Ref{k.conn.ref()}) },
		refusal.ProjectGone: func(r *rig, _ *stubSocket) { r.s.RemoveProject(rigProject); r.run() },
		refusal.SessionExpired: func(r *rig, k *stubSocket) {
			k.conn.expires = 1
			r.s.timeout(k.conn)
		},
	}
	renewal := func(token string, does func(r *rig, k *stubSocket)) func(r *rig, k *stubSocket) {
		return func(r *rig, k *stubSocket) {
			r.tokens = map[string]Identity{
				"good": {Project: r.settings, User: "ann"}, "other": {Project: r.settings, User: "bob"},
				"narrow": {Project: r.settings, User: "ann", Rights: narrow("/topic/a")},
			}
			does(r, k)
			k.send(stomp.Send, "destination", session.TokenDestination, "token", token)
		}
	}
	cases[refusal.RenewalUser] = renewal("other", func(*rig, *stubSocket) {})
	cases[refusal.RenewalSubscription] = renewal("narrow", func(_ *rig, k *stubSocket) { k.subscribe("/topic/a", "1") })
	cases[refusal.RenewalUnavailable] = func(r *rig, k *stubSocket) {
		done := r.verifyLater(k, "good")
		done(Identity{}, verifierBusy)
		r.run()
	}
	cases[refusal.RenewalPending] = renewal("good", func(r *rig, k *stubSocket) { r.verifyLater(k, "good") })
	cases[refusal.RenewalRate] = renewal("good", func(r *rig, k *stubSocket) {
		r.s.conf.Limits.FramesPerSecond = 4
		for range 2 {
			k.send(stomp.Send, "destination", session.TokenDestination, "token", "good")
		}
	})
	elsewhere := map[refusal.Reason]string{refusal.SessionBytes: "TestAckWindowsCount", refusal.SlowBytes: "TestTransferHeldBytes"}
	for why := refusal.None + 1; why < refusal.Reasons; why++ {
		do := cases[why]
		switch {
		case do == nil && (why.Stage() != refusal.Session || elsewhere[why] != ""):
			continue
		case do == nil:
			t.Errorf("%s has no case", why)
			continue
		}
		t.Run(why.String(), func(t *testing.T) {
			r := newRig(t)
			k := r.connect("ann")
			do(r, k)
			got := r.last()
			if got.Reason != why || got.Project != rigProject || got.User != "ann" || got.Address.String() != "10.0.0.1:1" || got.Text == "" {
				t.Errorf("%+v", got)
			}
			if got.Code != 0 && got.Code != why.Code() && why != refusal.WebSocket && why != refusal.Stopping {
				t.Errorf("the client was told %d, the table says %d", got.Code, why.Code())
			}
			if strings.HasPrefix(why.String(), "subscribe_") && !strings.HasPrefix(got.Subject, "/") {
				t.Errorf("the destination is not named: %+v", got)
			}
		})
	}
}

func refuses(err error) func(*rig, *stubSocket) {
	return func(r *rig, k *stubSocket) {
		r.refuses = err
		k.send(stomp.Send, "destination", "/topic/a")
	}
}

func silence(d time.Duration) func(*rig, *stubSocket) {
	return func(r *rig, _ *stubSocket) {
		for passed := time.Duration(0); passed < d && len(r.refusals) == 0; passed += time.Second {
			r.now += int64(time.Second)
			r.s.Tick()
			r.run()
		}
	}
}

// TestStrangersRefused: the same before CONNECTED.
func TestStrangersRefused(t *testing.T) {
	for _, c := range []struct {
		why refusal.Reason
		do  func(r *rig, k *stubSocket)
	}{
		{refusal.HandshakeTimeout, silence(time.Minute)},
		{refusal.ConnectTimeout, func(r *rig, k *stubSocket) { r.upgrade(k); silence(10*time.Minute)(r, k) }},
		{refusal.TokenTimeout, func(r *rig, k *stubSocket) {
			r.upgrade(k)
			k.conn.sess.Phase = session.Authenticating
			silence(10*time.Minute)(r, k)
		}},
		{refusal.ConnectFrameBytes, func(r *rig, k *stubSocket) {
			r.upgrade(k)
			k.send(stomp.Connect, "token", strings.Repeat("x", 20_000))
		}},
		{refusal.Protocol, func(r *rig, k *stubSocket) { r.upgrade(k); k.send(stomp.Send, "destination", "/topic/a") }},
		{refusal.HandshakeMalformed, func(r *rig, k *stubSocket) { r.s.Input(k.conn, []byte("\x16\x03\x01")) }},
		{refusal.HandshakeBytes, func(r *rig, k *stubSocket) { r.s.Input(k.conn, []byte("GET /ws?"+strings.Repeat("x", 5000))) }},
	} {
		t.Run(c.why.String(), func(t *testing.T) {
			r := newRig(t)
			k := r.open()
			c.do(r, k)
			got := r.last()
			if got.Reason != c.why || got.Project != "" || got.User != "" || got.Address.String() != "10.0.0.1:1" || got.Text == "" {
				t.Errorf("%+v", got)
			}
			if got.Code != 0 && got.Code != c.why.Code() {
				t.Errorf("the client was told %d, the table says %d", got.Code, c.why.Code())
			}
			if slices.ContainsFunc([]string{got.Subject, got.Text}, func(s string) bool { return strings.Contains(s, "xxx") }) {
				t.Errorf("a token may be in it: %+v", got)
			}
		})
	}
}

// TestRequestsRefused: the log has what a request was for, whether it was for a WebSocket or not, and nothing of its query.
func TestRequestsRefused(t *testing.T) {
	for _, c := range []struct {
		refused *websocket.Refusal
		subject string
	}{
		{websocket.NotFound, "/nowhere/info"},
		{websocket.Forbidden, "https://evil.example"},
		{websocket.Unavailable, ""},
	} {
		t.Run(c.refused.Reason.String(), func(t *testing.T) {
			r := newRig(t)
			r.declines = c.refused
			plain := "GET /nowhere/info?token=xxx HTTP/1.1\r\nHost: a\r\nOrigin: https://evil.example\r\n\r\n"
			for _, request := range []string{plain, strings.TrimSuffix(plain, "\r\n") +
				"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"} {
				r.refusals = nil
				r.s.Input(r.open().conn, []byte(request))
				if got := r.last(); got.Reason != c.refused.Reason || got.Subject != c.subject {
					t.Errorf("%+v", got)
				}
			}
		})
	}
}

func (r *rig) upgrade(k *stubSocket) {
	r.s.Input(k.conn, websocket.AppendRequest(nil, "host", "/ws", "dGhlIHNhbXBsZSBub25jZQ=="))
}
