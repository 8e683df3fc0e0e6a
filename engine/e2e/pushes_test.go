package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"stentor/engine/testkit"
	"stentor/stomp"
)

// TestPushes: every target of the API reaches whom it names, and nobody else.
func TestPushes(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Set: []string{`projects.shop.send={"/user/**": push}`}})
	const slashed = "eve/ü"
	peers := map[string]*peer{}
	for _, name := range []string{"ann", "ann again", "bob", slashed} {
		user, _, _ := strings.Cut(name, " ")
		p := dial(t, s.Client)
		p.must(p.upgrade("/ws"))
		if e := p.connect("token", s.Token(t, "shop", user)); e.headers["user-name"] != user {
			t.Errorf("%s is %q", user, e.headers["user-name"])
		}
		p.subscribe("mine", "/user/queue/x")
		p.subscribe("one", "/topic/shop/1")
		p.subscribe("two", "/topic/shop/2")
		peers[name] = p
	}
	// gets checks who receives a body, and that it comes from there.
	gets := func(body, destination string, names ...string) {
		t.Helper()
		for _, name := range names {
			if e := peers[name].wantMessage(body); e.headers["destination"] != destination {
				t.Errorf("%s got %v, want the destination %s", name, e, destination)
			}
		}
	}
	everybody := []string{"ann", "ann again", "bob", slashed}

	s.push(t, fields{"user": "ann", "destination": "/queue/x", "payload": "to ann"})
	gets("to ann", "/user/queue/x", "ann", "ann again")
	s.push(t, fields{"users": []string{"bob", slashed, "nobody"}, "destination": "/user/queue/x", "payload": "to two"})
	gets("to two", "/user/queue/x", "bob", slashed)
	s.push(t, fields{"session": peers["ann again"].session, "destination": "/queue/x", "payload": "to one"})
	gets("to one", "/user/queue/x", "ann again")
	s.push(t, fields{"topics": []string{"1", "/topic/shop/2"}, "payload": "to both"})
	gets("to both", "/topic/shop/1", everybody...)
	gets("to both", "/topic/shop/2", everybody...)
	bob := peers["bob"]
	bob.must(bob.send(stomp.Send, []byte("from bob"), "destination", "/user/eve%2Fü/queue/x", "receipt", "1"))
	bob.wantReceipt("1")
	gets("from bob", "/user/queue/x", slashed)

	// The same id is answered alike and delivered once.
	first := s.Must(t, "POST", "/v1/projects/shop/push", "shop-key", fields{"topic": "1", "payload": "once", "id": "order-7"}.json(t))
	again := s.Must(t, "POST", "/v1/projects/shop/push", "shop-key", fields{"topic": "1", "payload": "once"}.json(t), "Idempotency-Key", "order-7")
	told := strings.Replace(string(first.Body), `}`, `,"repeated":true}`, 1)
	if first.Status != http.StatusOK || told != string(again.Body) {
		t.Errorf("%s and then %s", first.Body, again.Body)
	}
	gets("once", "/topic/shop/1", everybody...)

	// A batch, of which one line is no push, and the owner's envelope.
	lines := `{"topic":"1","payload":"line 1"}` + "\n" + `{"topic":"1"}` + "\n" + `{"topic":"1","payload":"line 3"}` + "\n"
	r := s.Must(t, "POST", "/v1/projects/shop/push/batch", "shop-key", []byte(lines), "Content-Type", "application/x-ndjson")
	var answers []int
	for line := range strings.Lines(string(r.Body)) {
		var a struct{ Status int }
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatal(err)
		}
		answers = append(answers, a.Status)
	}
	if r.Status != http.StatusOK || fmt.Sprint(answers) != "[200 400 200]" {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	gets("line 1", "/topic/shop/1", everybody...)
	gets("line 3", "/topic/shop/1", everybody...)
	for _, name := range []string{"payload", "playLoad"} {
		body := fields{"projectId": "shop", "topic": "1", name: verbatim(`{"n":1}`), "updateTime": "2019-08-18 00:00:00"}.json(t)
		if r := s.Must(t, "POST", "/v1/push", "shop-key", body); r.Status != http.StatusOK {
			t.Errorf("%d %s", r.Status, r.Body)
		}
		gets(`{"n":1}`, "/topic/shop/1", everybody...)
	}
}

// TestExpiry: a session outlives its token or not, as its project wants.
func TestExpiry(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Config: shop + "  more: {keys: [{kid: a, alg: HS256, secret: \"more-more-more-more-more-more-more-more\"}], api_keys: [more-key], token_expiry: close}\n"})
	const exp = "10s" // enough to join, on a busy machine as well
	stays := s.join(t, "token", s.Token(t, "shop", "ann", "--exp", exp))
	goes := s.join(t, "projectId", "more", "token", s.Token(t, "more", "ann", "--exp", exp))
	goes.subscribe("a", "/topic/more/all")
	goes.wantClose(1008)
	stays.subscribe("a", "/topic/shop/all")
	s.push(t, fields{"topic": "all", "payload": "x"})
	stays.wantMessage("x")
}

// TestRenewal: a session outlives the token that it began with, by a new one of the same user.
func TestRenewal(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Config: shop + "  more: {keys: [{kid: a, alg: HS256, secret: \"more-more-more-more-more-more-more-more\"}], api_keys: [more-key], token_expiry: close}\n"})
	renew := func(c *peer, token string) {
		c.must(c.send(stomp.Send, nil, "destination", "/stentor/token", "token", token, "receipt", "new"))
	}
	first := s.Token(t, "more", "ann", "--exp", "1h")
	ann := s.join(t, "projectId", "more", "token", first)
	ann.subscribe("a", "/topic/more/all")
	renew(ann, s.Token(t, "more", "ann", "--exp", "2h"))
	if f := ann.wantReceipt("new"); f.headers["renewed"] != "true" || len(f.headers["token-expires-in"]) != 4 {
		t.Errorf("%v", f)
	}
	renew(ann, s.Token(t, "more", "bob"))
	ann.wantError("forbidden", "Failed to send message, the new token is of another user", 1002)
	ann = s.join(t, "projectId", "more", "token", first)
	renew(ann, s.Token(t, "shop", "ann"))
	ann.wantError("auth", "Failed to send message, the signature of the token is wrong", 1002)
	s.wantMetric(t, "stentor_token_renewals_total", 1)
}

// TestCommands: the commands of the binary against a node.
func TestCommands(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	api := []string{"--api", s.API, "--key", "shop-key", "-p", "shop"}
	do := func(name string, args ...string) string {
		t.Helper()
		out, err := testkit.Command(append(append([]string{name}, api...), args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s %q: %v: %s", name, args, err, out)
		}
		return string(out)
	}
	sub := testkit.Command("sub", "--url", "ws://"+s.Client+"/ws", "-p", "shop", "--token", s.Token(t, "shop", "ann"), "--json", "--count", "2", "/topic/shop/all", "/user/queue/x")
	var seen, told strings.Builder
	sub.Stdout, sub.Stderr = &seen, &told
	if err := sub.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(patience, func() { _ = sub.Process.Kill() })
	defer timer.Stop()
	s.wantMetric(t, "stentor_subscriptions", 2)
	if out := do("sessions", "--user", "ann"); !strings.Contains(out, "ann") {
		t.Errorf("sessions: %s", out)
	}
	do("push", "--topic", "all", "-H", "kind=order", `{"n": 1}`)
	do("push", "--user", "ann", "--destination", "/queue/x", "hello")
	if err := sub.Wait(); err != nil {
		t.Errorf("sub: %v: %s", err, &told)
	}
	if got := seen.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "order") || !strings.Contains(got, "hello") {
		t.Errorf("sub wrote %s", got)
	}
	p := s.join(t)
	for network, there := range map[string]bool{"127.0.0.1": true, "127.0.0.0/8": true, "203.0.113.7": false, "::/0": false} {
		if out := do("sessions", "--address", network); strings.Contains(out, p.session) != there {
			t.Errorf("sessions from %s: %s", network, out)
		}
	}
	do("kick", "--reason", "too loud", p.session)
	if e := p.next(); e.kind != isClose || e.code != 1008 || e.reason != "closed by an operator: too loud" {
		t.Errorf("the kicked session got %v", e)
	}
}
