package shard

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"stentor/engine/destination"
	"stentor/engine/refusal"
	"stentor/engine/session"
	"stentor/stomp"
)

// narrow are rights to everything but one destination, and to no pattern.
type narrow string

func (n narrow) Subscribe(user, dest string) Verdict {
	if dest == string(n) {
		return Forbidden
	}
	return simRights{}.Subscribe(user, dest)
}

func (n narrow) SubscribePattern(string, *destination.Pattern) Verdict { return Forbidden }
func (n narrow) Send(user, dest string) SendAction                     { return simRights{}.Send(user, dest) }
func (n narrow) Bytes() int                                            { return len(n) }

// renewing opens a session of ann whose token has so many seconds left, and knows tokens of hers by name.
func renewing(t *testing.T, left int64) (*rig, *stubSocket) {
	r := newRig(t)
	now := r.s.unix()
	if left > 0 {
		r.expires = now + left
	}
	r.tokens = map[string]Identity{
		"endless": {Project: r.settings, User: "ann"},
		"hour":    {Project: r.settings, User: "ann", Expires: now + 3600},
		"minute":  {Project: r.settings, User: "ann", Expires: now + 60},
		"narrow":  {Project: r.settings, User: "ann", Rights: narrow("/topic/a")},
		"none":    {Project: r.settings, User: "ann", Rights: narrow("/user/queue/x")},
		"bob":     {Project: r.settings, User: "bob"},
	}
	k := r.connect("ann")
	k.keep = true
	return r, k
}

func (k *stubSocket) renew(token string, more ...string) {
	k.send(stomp.Send, append([]string{"destination", session.TokenDestination, "token", token, "receipt", "new"}, more...)...)
}

// verifyLater sends a new token, and returns what gives its answer.
func (r *rig) verifyLater(k *stubSocket, token string) (done func(Identity, *session.Failure)) {
	r.verifying = &[]func(Identity, *session.Failure){}
	k.renew(token)
	if len(*r.verifying) != 1 {
		r.t.Fatalf("%d tokens are being verified", len(*r.verifying))
	}
	return (*r.verifying)[0]
}

// wrote checks what was written since it was last asked.
func (k *stubSocket) wrote(want ...string) {
	k.r.t.Helper()
	for _, w := range want {
		if !strings.Contains(string(k.kept), w) {
			k.r.t.Errorf("lacks %q: %q", w, k.kept)
		}
	}
	k.kept = nil
}

// idle lets so many seconds pass in which the client stays.
func (r *rig) idle(k *stubSocket, seconds int) {
	for range seconds {
		r.now += int64(time.Second)
		r.s.Input(k.conn, nil)
		r.s.Tick()
		r.run()
	}
}

func (k *stubSocket) ended() bool { return k.conn.sess.Phase != session.Connected }

func TestRenewal(t *testing.T) {
	r, k := renewing(t, 10)
	k.renew("hour")
	k.wrote("RECEIPT\nreceipt-id:new\nrenewed:true\ntoken-expires-in:3600\n")
	r.idle(k, 3500)
	if k.ended() {
		t.Fatal("the session ended with the old token")
	}
	k.renew("endless")
	k.wrote("RECEIPT\nreceipt-id:new\nrenewed:true\n\n")
	r.idle(k, 200)
	if k.ended() || r.s.stats.Renewals.Load() != 2 {
		t.Fatalf("ended %v, %d renewals", k.ended(), r.s.stats.Renewals.Load())
	}
	k.renew("minute") // which has gone
	r.idle(k, 1)
	if !k.ended() || r.met(refusal.SessionExpired) != 1 {
		t.Error("a shorter end does not count")
	}
}

// CONNECTED says when the session ends, if it does.
func TestConnectedTellsTheEnd(t *testing.T) {
	for left, want := range map[int64]string{0: "", 1: "token-expires-in:1\n", 90: "token-expires-in:90\n"} {
		r := newRig(t)
		if left > 0 {
			r.expires = r.s.unix() + left
		}
		k := r.beating("ann")
		if !strings.Contains(string(k.kept), want+"\n\x00") || want == "" && strings.Contains(string(k.kept), "token-expires-in") {
			t.Errorf("%d s: %q", left, k.kept)
		}
	}
}

// What a refused token does to the session.
func TestRenewalRefused(t *testing.T) {
	for name, c := range map[string]struct {
		do    func(r *rig, k *stubSocket)
		want  string
		lives bool
	}{
		"wrong":               {func(_ *rig, k *stubSocket) { k.renew("?") }, "code:auth\nreceipt-id:new\n", false},
		"another user":        {func(_ *rig, k *stubSocket) { k.renew("bob") }, "code:forbidden\nreceipt-id:new\n", false},
		"no token":            {func(_ *rig, k *stubSocket) { k.renew("") }, "code:protocol\nreceipt-id:new\n", false},
		"topic":               {func(_ *rig, k *stubSocket) { k.subscribe("/topic/a", "1"); k.renew("narrow") }, "code:forbidden\nreceipt-id:new\n", false},
		"pattern":             {func(_ *rig, k *stubSocket) { k.subscribe("/topic/*", "1"); k.renew("narrow") }, "code:forbidden\nreceipt-id:new\n", false},
		"user's destination":  {func(_ *rig, k *stubSocket) { k.subscribe("/user/queue/x", "1"); k.renew("none") }, "code:forbidden\nreceipt-id:new\n", false},
		"another destination": {func(_ *rig, k *stubSocket) { k.subscribe("/topic/b", "1"); k.renew("narrow") }, "renewed:true\n", true},
		"no longer subscribed": {func(_ *rig, k *stubSocket) {
			k.subscribe("/topic/a", "1")
			k.send(stomp.Unsubscribe, "id", "1")
			k.renew("narrow")
		}, "renewed:true\n", true},
		"subscribes afterwards": {func(_ *rig, k *stubSocket) { k.renew("narrow"); k.subscribe("/topic/a", "1", "receipt", "s") }, "code:forbidden\nreceipt-id:s\n", false},
		"in a transaction": {func(_ *rig, k *stubSocket) {
			k.send(stomp.Begin, "transaction", "t")
			k.renew("hour", "transaction", "t")
		}, "code:protocol\nreceipt-id:new\n", false},
		"beside a transaction": {func(_ *rig, k *stubSocket) {
			k.send(stomp.Begin, "transaction", "t")
			k.renew("hour")
			k.send(stomp.Commit, "transaction", "t", "receipt", "c")
		}, "receipt-id:c\n", true},
		"wrong, later": {func(r *rig, k *stubSocket) { r.verifyLater(k, "?")(Identity{}, wrongToken); r.run() }, "code:auth\nreceipt-id:new\n", false},
		"unavailable":  {func(r *rig, k *stubSocket) { r.verifyLater(k, "?")(Identity{}, verifierBusy); r.run() }, "renewed:false\nreason:unavailable\n", true},
		"project gone": {func(r *rig, k *stubSocket) {
			other := *r.settings
			other.History = nil
			r.verifyLater(k, "?")(Identity{Project: &other, User: "ann"}, nil)
			r.run()
		}, "renewed:false\nreason:unavailable\n", true},
		"twice": {func(r *rig, k *stubSocket) {
			done := r.verifyLater(k, "?")
			k.renew("hour", "receipt", "second")
			done(r.tokens["hour"], nil)
			r.run()
		}, "renewed:false\nreason:pending\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			r, k := renewing(t, 100)
			c.do(r, k)
			k.wrote(c.want)
			if k.ended() == c.lives || len(r.s.renewals) != 0 {
				t.Errorf("ended %v, %d renewals are left", k.ended(), len(r.s.renewals))
			}
		})
	}
}

// What happens while the token is being verified.
func TestRenewalRaces(t *testing.T) {
	for name, c := range map[string]struct {
		do    func(r *rig, k *stubSocket)
		want  string // once the token is known to be good
		lives bool
	}{
		"nothing":    {func(*rig, *stubSocket) {}, "renewed:true\ntoken-expires-in:3600\n", true},
		"expiry":     {func(r *rig, k *stubSocket) { r.idle(k, 101) }, "", false},
		"kick":       {func(r *rig, k *stubSocket) { r.s.Kick(rigProject, "", []Ref{k.conn.ref()}) }, "", false},
		"gone":       {func(r *rig, k *stubSocket) { r.close(k) }, "", false},
		"removal":    {func(r *rig, _ *stubSocket) { r.s.RemoveProject(rigProject); r.run() }, "", false},
		"disconnect": {func(_ *rig, k *stubSocket) { k.send(stomp.Disconnect, "receipt", "bye") }, "receipt-id:bye\n", false},
		"a mistake":  {func(_ *rig, k *stubSocket) { k.send(stomp.Connected) }, "", false},
		"subscribe":  {func(_ *rig, k *stubSocket) { k.subscribe("/topic/a", "1", "receipt", "s") }, "receipt-id:s\n", true},
		"resume": {func(_ *rig, k *stubSocket) {
			k.subscribe("/topic/a", "1", "receipt", "s", "last-message-id", "x")
		}, "receipt-id:s\n", true},
		"unsubscribe": {func(_ *rig, k *stubSocket) { k.send(stomp.Unsubscribe, "id", "0", "receipt", "u") }, "receipt-id:u\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			r, k := renewing(t, 100)
			k.subscribe("/topic/b", "0")
			done := r.verifyLater(k, "hour")
			k.kept = nil
			c.do(r, k)
			done(r.tokens["hour"], nil)
			for range 20 {
				r.tick()
			}
			k.wrote(c.want)
			if k.ended() == c.lives || len(r.s.renewals) != 0 || c.lives && k.conn.renews {
				t.Errorf("ended %v, %d renewals are left", k.ended(), len(r.s.renewals))
			}
			r.close(k)
			if r.s.strangers.held != 0 || r.panics != 0 {
				t.Errorf("%d bytes are held, %d panics", r.s.strangers.held, r.panics)
			}
		})
	}
}

// A subscription that was asked for while the token was verified is checked as well: it was allowed by the old rights.
func TestRenewalChecksWhatCameMeanwhile(t *testing.T) {
	r, k := renewing(t, 100)
	done := r.verifyLater(k, "narrow")
	k.subscribe("/topic/a", "1")
	done(r.tokens["narrow"], nil)
	r.run()
	k.wrote("code:forbidden\nreceipt-id:new\n")
	if got := r.last(); got.Reason != refusal.RenewalSubscription || got.Subject != "/topic/a" {
		t.Errorf("%+v", got)
	}
}

// costly are rights that take their time.
type costly struct {
	narrow
	r     *rig
	asked *int
}

func (c costly) Subscribe(user, dest string) Verdict {
	*c.asked++
	c.r.now += reviewTime / 2
	return c.narrow.Subscribe(user, dest)
}

// A loop checks the subscriptions of a session in steps, and meanwhile the session goes on.
func TestRenewalChecksInSteps(t *testing.T) {
	r, k := renewing(t, 100)
	for i := range 60 {
		k.subscribe(fmt.Sprint("/topic/", i), fmt.Sprint(i))
	}
	asked := 0
	k.kept = nil
	r.tokens["costly"] = Identity{Project: r.settings, User: "ann", Rights: costly{"/topic/9", r, &asked}}
	k.renew("costly")
	for step := 0; len(r.s.renewals) > 0; step++ {
		if step > 100 {
			t.Fatal("it never ends")
		}
		if before := asked; true {
			r.s.Run()
			if asked-before > 3 {
				t.Fatalf("a step of %d subscriptions", asked-before)
			}
		}
		if step != 20 {
			k.send(stomp.Unsubscribe, "id", fmt.Sprint(step))
		}
		if at := r.s.renewals[k.conn.idx]; at != nil && at.at != 0 { // the next one to be checked
			if id := r.s.subs.at(at.at).id.key.id; id != "20" {
				k.send(stomp.Unsubscribe, "id", id)
			}
		}
		if step == 3 {
			k.subscribe("/topic/late", "late")
		}
	}
	k.wrote("renewed:true\n") // 9 has gone by then
	if k.ended() || r.s.findSub(k.conn, []byte("20")) == 0 {
		t.Error("the session ended, or lost a subscription")
	}
	asked = 0
	k.subscribe("/topic/8", "x")
	r.s.conf.Limits.FramesPerSecond = 1 << 20
	r.tokens["costly"] = Identity{Project: r.settings, User: "ann", Rights: costly{"/topic/20", r, &asked}}
	k.renew("costly")
	for range 100 {
		r.s.Run()
	}
	k.wrote("code:forbidden\nreceipt-id:new\n")
	if !k.ended() {
		t.Error("the session goes on")
	}
}

// The token that is being verified is counted as what the session holds.
func TestRenewalIsHeld(t *testing.T) {
	budget := NewBudget(1 << 20)
	r := newRig(t, func(s *Settings) { s.Share = budget.Share(Allowance) })
	r.tokens = map[string]Identity{}
	k := r.connect("ann")
	before := k.conn.held
	token := strings.Repeat("x", 5000)
	done := r.verifyLater(k, token)
	if held := k.conn.held - before; held < 5000 || held > 6000 {
		t.Errorf("%d bytes are counted for a token of 5,000", held)
	}
	done(Identity{Project: r.settings, User: "ann"}, nil)
	r.run()
	if k.conn.held != before {
		t.Errorf("%d bytes are still counted", k.conn.held-before)
	}
}

// A client that renews in a loop is refused, and served again when it slows down.
func TestRenewalRate(t *testing.T) {
	r, k := renewing(t, 100)
	r.s.conf.Limits.FramesPerSecond = 200
	for range 20 {
		k.renew("endless")
	}
	good := r.s.stats.Renewals.Load()
	if good < 2 || good > 6 {
		t.Errorf("%d renewals at once", good)
	}
	k.wrote("renewed:true\n", "renewed:false\nreason:rate\n")
	r.idle(k, 2)
	k.renew("endless")
	if k.ended() || r.s.stats.Renewals.Load() != good+1 {
		t.Error("no renewal after a pause")
	}
}

const noticed = "MESSAGE\ndestination:/user/stentor/expiring\nmessage-id:expiring-"

// Who subscribed hears of its end a minute before, once for each token.
func TestNoticeOfTheEnd(t *testing.T) {
	r, k := renewing(t, 100)
	k.subscribe(notice, "n")
	r.idle(k, 39)
	if strings.Contains(string(k.kept), "MESSAGE") {
		t.Fatalf("too early: %q", k.kept)
	}
	r.idle(k, 2)
	k.wrote(noticed, "subscription:n\n", "token-expires-in:", `{"expires_in":`)
	r.idle(k, 10)
	k.renew("minute")
	r.idle(k, 1)
	if got := string(k.kept); strings.Count(got, "MESSAGE") != 1 || strings.Contains(got, "{\"expires_in\":60}") {
		t.Errorf("the new end is not told once: %q", got)
	}
}

// It is told at once to who subscribes late, whatever the rules say, and to each of its subscriptions.
func TestNoticeComesLate(t *testing.T) {
	r, k := renewing(t, 30)
	k.renew("endless")
	r.expires = r.s.unix() + 30
	k = r.connect("")
	k.keep = true
	r.idle(k, 1)
	k.subscribe(notice, "a", "ack", "client", "receipt", "r")
	k.subscribe(notice, "b")
	k.subscribe("/topic/x", "c")
	r.idle(k, 1)
	got := string(k.kept)
	if at := strings.Index(got, noticed); at < strings.Index(got, "receipt-id:r") || strings.Count(got, noticed) != 2 {
		t.Errorf("%q", got)
	}
	k.wrote("subscription:a\ntoken-expires-in:28\nack:expiring-", "subscription:b\n")
	id := fmt.Sprint("expiring-", k.conn.expires)
	k.send(stomp.Ack, "id", id)
	k.send(stomp.Unsubscribe, "id", "a")
	k.subscribe(notice, "d", "last-message-id", id)
	r.idle(k, 1)
	k.wrote("subscription:d\n")
	if k.ended() {
		t.Error("the session ended")
	}
}

// A client that does not read is told when it reads again, and is not waited for.
func TestNoticeToABlockedClient(t *testing.T) {
	r, k := renewing(t, 61)
	k.subscribe(notice, "n")
	k.buffered = 10
	r.idle(k, 3)
	k.wrote(noticed)
	r.idle(k, 60)
	if !k.ended() {
		t.Error("the session goes on")
	}
}
