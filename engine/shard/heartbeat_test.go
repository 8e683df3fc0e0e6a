package shard

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"stentor/engine/session"
	"stentor/engine/websocket"
	"stentor/stomp"
)

// beating opens a socket and sends a CONNECT that wants heart-beats of a second.
func (r *rig) beating(user string) *stubSocket {
	k := &stubSocket{r: r, keep: true}
	k.conn = r.s.Open(k, netip.MustParseAddrPort("10.0.0.1:1"))
	r.s.Input(k.conn, websocket.AppendRequest(nil, "host", "/ws", "dGhlIHNhbXBsZSBub25jZQ=="))
	k.send(stomp.Connect, "accept-version", "1.2", "user", user, "heart-beat", "1000,1000")
	return k
}

// The intervals grow with the sessions, so that all heart-beats together stay below the limit; those who are
// connected keep what was agreed on.
func TestHeartbeatsGrowRarer(t *testing.T) {
	r := newRig(t)
	r.s.conf.Limits.Heartbeats = 4
	var all []*stubSocket
	for range 60 {
		all = append(all, r.beating("ann"))
	}
	for _, c := range []struct {
		number int
		millis uint32
	}{{0, 10_000}, {20, 10_000}, {21, 11_000}, {22, 11_000}, {59, 30_000}} {
		k := all[c.number]
		if want := fmt.Sprintf("heart-beat:%d,%[1]d\n", c.millis); !strings.Contains(string(k.kept), want) {
			t.Errorf("session %d: CONNECTED without %q: %q", c.number, want, k.kept)
		}
		if k.conn.sends != c.millis || k.conn.receives != c.millis {
			t.Errorf("session %d: %d and %d ms are kept, want %d", c.number, k.conn.sends, k.conn.receives, c.millis)
		}
	}
	for _, k := range all[:50] {
		r.close(k)
	}
	if k := r.beating("ann"); k.conn.sends != 10_000 {
		t.Errorf("a session after most have left has %d ms", k.conn.sends)
	}
}

// What CONNECTED says is what was agreed on at CONNECT, however many connect while a token is checked.
func TestHeartbeatOfferOutlastsAuthentication(t *testing.T) {
	r := newRig(t)
	r.s.conf.Limits.Heartbeats = 1
	var done func(Identity, *session.Failure)
	late := &lateRig{rig: r, ask: func(f func(Identity, *session.Failure)) { done = f }}
	r.s.env = late
	k := r.beating("slow")
	r.s.env = r
	for range 20 {
		r.beating("ann")
	}
	done(Identity{Project: r.settings, User: "slow"}, nil)
	r.run()
	if k.conn.sess.Phase != session.Connected || k.conn.sends != 10_000 || !strings.Contains(string(k.kept), "heart-beat:10000,10000\n") {
		t.Errorf("phase %v, %d ms, %q", k.conn.sess.Phase, k.conn.sends, k.kept)
	}
}

// lateRig is an Env that answers a CONNECT later.
type lateRig struct {
	*rig
	ask func(func(Identity, *session.Failure))
}

func (l *lateRig) Authenticate(_ Credentials, done func(Identity, *session.Failure)) (Identity, *session.Failure, bool) {
	l.ask(done)
	return Identity{}, nil, false
}

// Pings to clients without heart-beats grow rarer as well, for those who are connected too.
func TestPingsGrowRarer(t *testing.T) {
	r := newRig(t)
	k := r.connect("ann")
	pinged := func() bool {
		k.writes = 0
		for range int(40 * time.Second / (tickMillis * time.Millisecond)) {
			r.tick()
		}
		return k.writes > 0
	}
	if !pinged() {
		t.Fatal("no ping in 40 s")
	}
	r.s.conf.Limits.Heartbeats = 1
	for range 100 {
		r.connect("bob")
	}
	r.s.Input(k.conn, nil)
	if pinged() {
		t.Error("a ping within 40 s, with 200 s for all")
	}
}

// Intervals that clients may ask for at most: nothing wraps, neither now nor in the sums.
func TestHeartbeatsNeverWrap(t *testing.T) {
	for _, c := range []struct {
		asked           string
		sends, receives uint32
	}{
		{"0,0", 0, 0},
		{"33554432,33554432", longest, longest},
		{"33554433,33554433", longest, 0}, // who promises less is asked by pings
		{"1431655766,1431655766", longest, 0},
		{"4294967295,4294967295", longest, 0},
		{"99999999999999999999,99999999999999999999", longest, 0},
		{"1431655766,0", 0, 0},
		{"0,45210183", longest, 0},
	} {
		r := newRig(t)
		k := r.connect("ann", "heart-beat", c.asked)
		if k.conn.sends != c.sends || k.conn.receives != c.receives {
			t.Errorf("%s: sends %d, receives %d, want %d, %d", c.asked, k.conn.sends, k.conn.receives, c.sends, c.receives)
		}
		for range int(25 * time.Second / (tickMillis * time.Millisecond)) {
			r.tick()
		}
		if k.conn.state != stateOpen || k.conn.sess.Phase != session.Connected {
			t.Errorf("%s: closed after 25 s", c.asked)
		}
	}
}

// A session whose token expires ends when the wall clock says so, whoever sets that clock meanwhile, and however far away
// the time is.
func TestExpiryFollowsTheWallClock(t *testing.T) {
	hour := int64(time.Hour / time.Second)
	for _, c := range []struct {
		name    string
		expires int64
		step    time.Duration
		open    bool
	}{
		{"in an hour", simWall.Unix() + hour, 0, true},
		{"in a minute", simWall.Unix() + 60, 0, false},
		{"the clock was set forward", simWall.Unix() + hour, 2 * time.Hour, false},
		{"the clock was set back", simWall.Unix() + 60, -2 * time.Hour, true},
		{"beyond 32 bits", 1<<32 + 1000, 0, true},
		{"far beyond", 1 << 52, 0, true},
	} {
		r := newRig(t)
		r.expires = c.expires
		k := r.connect("ann", "heart-beat", "0,0")
		r.step = c.step
		for range int(130 * time.Second / (tickMillis * time.Millisecond)) {
			r.s.Input(k.conn, nil) // it answers the pings
			r.tick()
		}
		if open := k.conn.state == stateOpen && k.conn.sess.Phase == session.Connected; open != c.open {
			t.Errorf("%s: open %v, want %v", c.name, open, c.open)
		}
	}
}
