package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"stentor/engine/testkit"
	"stentor/stomp"
)

// wantEvent is the application's next event of this kind; others are passed over and stay.
func (a *actor) wantEvent(event string) report {
	a.t.Helper()
	return a.take(event, func(r report) bool { return r.Event == event })
}

// drains is how often the node is replaced.
const drains = 3

// TestReconnectAfterDrains: the owner's code, which reconnects once for an ERROR and once for the close, and an
// application that never returns after an ERROR both have exactly one connection after each drain.
func TestReconnectAfterDrains(t *testing.T) {
	t.Parallel()
	at := setup{Client: testkit.FreePort(t), API: testkit.FreePort(t)}
	s := start(t, at)
	applications := launch(t, "applications.js", "ws://"+s.Client+"/ws", "250")
	names := []string{"owner", "modern"}
	var all []*actor
	for _, name := range names {
		a := applications.actor(t, name)
		a.do(name, fields{"token": s.Token(t, "shop", name), "destination": "/topic/shop/all"})
		all = append(all, a)
	}
	for life := 0; ; life++ {
		for i, a := range all {
			a.wantEvent("connected")
			eventually(t, "a session of "+names[i], func() bool { return len(s.sessions(t, "shop", "shop-key", "?user="+names[i])) == 1 })
		}
		eventually(t, "two subscriptions", func() bool { return s.Metric(t, "stentor_subscriptions") == 2 })
		body := fmt.Sprint("life ", life)
		s.push(t, fields{"topic": "all", "payload": body})
		for i, a := range all {
			if r := a.wantEvent("message"); r.Body != body {
				t.Errorf("%s: got %q in life %d", names[i], r.Body, life)
			}
			a.do("count", nil)
			if n := a.wantEvent("count").Numbers; n["sockets"] != 1 || n["timers"] != 0 || n["most"] != 1 || n["errors"] != 0 {
				t.Errorf("%s: %v in life %d, want one socket and never more under way", names[i], n, life)
			}
		}
		if n := s.Metric(t, "stentor_connections"); n != 2 {
			t.Errorf("%v connections in life %d", n, life)
		}
		if life == drains {
			return
		}
		s.term()
		for i, a := range all {
			if r := a.wantEvent("close"); r.Code != 1012 {
				t.Errorf("%s: closed with %d", names[i], r.Code)
			}
		}
		s.WaitEnd()
		s = start(t, at)
	}
}

// TestOwnerStaysAway: what the owner's code takes for a bad token it must get for one, and then it must not come back.
func TestOwnerStaysAway(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	a := launch(t, "applications.js", "ws://"+s.Client+"/ws", "10").actor(t, "owner")
	a.do("owner", fields{"token": s.Token(t, "shop", "ann", "--exp", "-1m"), "destination": "/topic/shop/all"})
	if r := a.wantEvent("close"); r.Code != 1002 {
		t.Errorf("closed with %d", r.Code)
	}
	a.do("count", nil)
	if n := a.wantEvent("count").Numbers; n["connects"] != 1 || n["timers"] != 0 || n["sockets"] != 0 {
		t.Errorf("%v: it comes back", n)
	}
}

// TestResume: a client that names the last message it has gets every message once and in order, however often its
// connection breaks.
func TestResume(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	applications := launch(t, "applications.js", "ws://"+s.Client+"/ws", "10")
	a := applications.actor(t, "ann")
	const pushes, burst, breakAfter = 300, 10, 30
	a.do("resuming", fields{"token": s.Token(t, "shop", "ann"), "destination": "/topic/shop/all", "breakAfter": breakAfter})
	a.wantEvent("subscribed")
	var want []string
	for i := range pushes {
		body := fmt.Sprint(i)
		want = append(want, body)
		s.push(t, fields{"topic": "all", "payload": body})
		if i%100 == 50 {
			s.Must(t, http.MethodDelete, "/v1/projects/shop/users/ann/sessions", "shop-key", nil)
		}
		if i%burst == burst-1 {
			a.take(body, func(r report) bool { return r.Event == "message" && r.Body == body })
		}
	}
	a.do("result", nil)
	if got := a.wantEvent("bodies").Texts; strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got %v", got)
	}
	resumed := a.wantEvent("resumed").Texts
	for _, r := range resumed {
		if r != "true" {
			t.Errorf("a resume was answered with resumed:%s", r)
		}
	}
	if len(resumed) < pushes/breakAfter-1 { // after the last break nothing is waited for
		t.Errorf("resumed %d times only", len(resumed))
	}
	if gaps := s.Metric(t, "stentor_resume_gaps_total"); gaps != 0 {
		t.Errorf("%v gaps", gaps)
	}
}

// TestReload: SIGHUP takes over what the file says of projects, and no connection notices.
func TestReload(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	ann := s.join(t)
	ann.subscribe("a", "/topic/shop/all")
	reload := func(config, message string) {
		t.Helper()
		n := s.Journal.Count()
		s.Configure(config)
		s.Signal(syscall.SIGHUP)
		s.Logged(n, message)
	}
	more := shop + `
  more: {anonymous: true, api_keys: [more-key]}
`
	reload(more, "projects reloaded")
	s.pushTo(t, "more", fields{"topic": "all", "payload": "more"})
	bob := s.join(t, "projectId", "more")
	bob.subscribe("b", "/topic/more/all")
	s.pushTo(t, "more", fields{"topic": "all", "payload": "for bob"})
	bob.wantMessage("for bob")

	// Another key.
	reload(strings.Replace(more, "api_keys: [shop-key]", "api_keys: [new-key]", 1), "projects reloaded")
	if r := s.post(t, fields{"topic": "all", "payload": "old key"}); r.Status != http.StatusUnauthorized {
		t.Errorf("the key that was taken away: %d %s", r.Status, r.Body)
	}
	if r := s.Must(t, "POST", "/v1/projects/shop/push", "new-key", fields{"topic": "all", "payload": "new key"}.json(t)); r.Status != http.StatusOK {
		t.Errorf("the new key: %d %s", r.Status, r.Body)
	}
	ann.wantMessage("new key")

	// Narrower rights hold for what a session asks for from now on.
	carl := s.join(t)
	carl.subscribe("c", "/topic/shop/other")
	reload(strings.Replace(more, "api_keys: [shop-key]", "api_keys: [new-key]\n    subscribe: [\"/topic/{project}/all\"]", 1), "projects reloaded")
	carl.must(carl.send(stomp.Subscribe, nil, "id", "d", "destination", "/topic/shop/another", "receipt", "d"))
	carl.wantError("forbidden", "Failed to send message", 1002)

	// A mistake changes nothing.
	reload("projects: {shop: {anonymus: true}}", "reload failed, nothing was changed")
	if r := s.Must(t, "POST", "/v1/projects/shop/push", "new-key", fields{"topic": "all", "payload": "still"}.json(t)); r.Status != http.StatusOK {
		t.Errorf("after a mistake: %d %s", r.Status, r.Body)
	}
	ann.wantMessage("still")

	// A project that is gone closes its sessions, and theirs alone.
	reload(strings.Replace(shop, "shop-key", "new-key", 1), "projects reloaded")
	if e := bob.next(); e.kind != isClose {
		t.Errorf("bob got %v", e)
	}
	if r := s.Must(t, "POST", "/v1/projects/shop/push", "new-key", fields{"topic": "all", "payload": "last"}.json(t)); r.Status != http.StatusOK {
		t.Errorf("the last push: %d %s", r.Status, r.Body)
	}
	ann.wantMessage("last")
	ann.must(ann.send(stomp.Disconnect, nil, "receipt", "bye"))
	ann.wantReceipt("bye")
	ann.wantClose(1000)
}
