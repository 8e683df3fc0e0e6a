package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"stentor/stomp"
)

// tenants has two pairs of projects that are alike but for their keys.
var tenants = func() string {
	text := "node: {id: e2e}\nadmin_keys: [admin-key]\ndrain: {interval: 1ms}\n" +
		"endpoints: [{path: /ws}, {path: /a, project: a}]\nprojects:\n"
	for _, name := range []string{"a", "b", "p", "q"} {
		rest := ""
		if name > "c" {
			rest = `, destinations: plain, subscribe: ["/topic/**", "/queue/**", "/user/**"]`
		}
		text += fmt.Sprintf("  %s: {keys: [{kid: k, alg: HS256, secret: %q}], api_keys: [%s-key], patterns: true, send: {\"/topic/**\": push}%s}\n",
			name, strings.Repeat(name, 32), name, rest)
	}
	return text
}()

func TestIsolation(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Config: tenants})
	// ann is a user of that name in each project, with every subscription that she may have there.
	ann := map[string]*peer{}
	for _, name := range []string{"a", "b", "p", "q"} {
		p := s.join(t, "projectId", name, "token", s.Token(t, name, "ann"))
		p.subscribe("mine", "/user/queue/orders")
		if name > "c" {
			p.subscribe("all", "/topic/all")
			p.subscribe("pattern", "/topic/**")
			p.subscribe("queue", "/queue/all")
		} else {
			p.subscribe("all", "/topic/"+name+"/all")
			p.subscribe("pattern", "/topic/"+name+"/**")
		}
		ann[name] = p
	}
	// gets waits for a message on each of the subscriptions, in any order, and checks that all have the body.
	gets := func(name, body string, subscriptions ...string) {
		t.Helper()
		seen := map[string]bool{}
		for range subscriptions {
			e := ann[name].wantMessage(body)
			seen[e.headers["subscription"]] = true
		}
		for _, id := range subscriptions {
			if !seen[id] {
				t.Errorf("%s: %q did not come on %s", name, body, id)
			}
		}
	}

	t.Run("pushes", func(t *testing.T) {
		for name := range ann {
			body := "push to " + name
			topic := "all"
			if name > "c" {
				topic = "/topic/all"
			}
			s.pushTo(t, name, fields{"topic": topic, "payload": body})
			gets(name, body, "all", "pattern")
			s.pushTo(t, name, fields{"user": "ann", "destination": "/queue/orders", "payload": body})
			gets(name, body, "mine")
			s.pushTo(t, name, fields{"session": ann[name].session, "destination": "/queue/orders", "payload": body})
			gets(name, body, "mine")
		}
	})
	t.Run("sends", func(t *testing.T) {
		for name, p := range ann {
			dest := "/topic/all"
			if name < "c" {
				dest = "/topic/" + name + "/all"
			}
			p.must(p.send(stomp.Send, []byte("sent in "+name), "destination", dest))
			gets(name, "sent in "+name, "all", "pattern")
		}
		// A rule of a's lets its clients send to every topic; those of b are none of them.
		p := ann["a"]
		p.must(p.send(stomp.Send, []byte("foreign"), "destination", "/topic/b/all", "receipt", "1"))
		p.wantReceipt("1")
	})
	t.Run("subscriptions", func(t *testing.T) {
		for _, dest := range []string{"/topic/b/all", "/topic/**", "/topic/*/all", "/topic/?/all", "/**", "/topic/a", "/queue/all", "/user/../topic/b/all"} {
			p := s.join(t, "projectId", "a", "token", s.Token(t, "a", "eve"))
			p.must(p.send(stomp.Subscribe, nil, "id", "1", "destination", dest, "receipt", "1"))
			e := p.next()
			switch {
			case e.command == stomp.ErrorCommand:
			case e.command == stomp.Receipt: // as of a prefix that nobody serves: nothing may come
				s.pushTo(t, "b", fields{"topic": "all", "payload": dest})
				gets("b", dest, "all", "pattern")
				s.pushTo(t, "a", fields{"user": "eve", "destination": "/queue/orders", "payload": "x"})
				p.must(p.send(stomp.Disconnect, nil, "receipt", "2"))
				p.wantReceipt("2")
			default:
				t.Errorf("%s: %v", dest, e)
			}
			p.close()
		}
	})
	t.Run("tokens", func(t *testing.T) {
		for _, one := range []struct{ path, project, token string }{
			{"/ws", "b", "a"}, // a's token in b
			{"/ws", "q", "p"},
			{"/ws", "", "a"},  // no project, and no default
			{"/a", "", "b"},   // b's token at a's endpoint
			{"/a", "b", "b"},  // two projects
			{"/ws", "x", "a"}, // none
		} {
			p := dial(t, s.Client)
			p.must(p.upgrade(one.path))
			header := []string{"token", s.Token(t, one.token, "ann")}
			if one.project != "" {
				header = append(header, "projectId", one.project)
			}
			p.sendConnect(header...)
			p.wantError("auth", "Failed to send message", 1002)
		}
	})
	t.Run("API", func(t *testing.T) {
		post := fields{"topic": "all", "payload": "foreign"}.json(t)
		other := ann["b"].session
		for _, one := range []struct {
			what, method, path, key string
			body                    []byte
			status                  int
		}{
			{"a's key", "POST", "/v1/projects/b/push", "a-key", post, 403},
			{"no key", "POST", "/v1/projects/b/push", "", post, 401},
			{"an unknown key", "POST", "/v1/projects/b/push", "x", post, 401},
			{"b's topic", "POST", "/v1/projects/a/push", "a-key", fields{"topic": "/topic/b/all", "payload": "foreign"}.json(t), 403},
			{"sessions", "GET", "/v1/projects/b/sessions", "a-key", nil, 403},
			{"destinations", "GET", "/v1/projects/b/destinations", "a-key", nil, 403},
			{"stats", "GET", "/v1/projects/b/stats", "a-key", nil, 403},
			{"kick", "DELETE", "/v1/projects/b/sessions/" + other, "a-key", nil, 403},
			{"kick a user", "DELETE", "/v1/projects/b/users/ann/sessions", "a-key", nil, 403},
			{"kick b's session in a", "DELETE", "/v1/projects/a/sessions/" + other, "a-key", nil, 404},
			{"kick b's session in a, by the admin", "DELETE", "/v1/projects/a/sessions/" + other, "admin-key", nil, 404},
			{"an unknown project", "GET", "/v1/projects/x/sessions", "admin-key", nil, 404},
			{"an unknown project, without the admin's key", "GET", "/v1/projects/x/sessions", "a-key", nil, 403},
			{"the owner's envelope", "POST", "/v1/push", "a-key", fields{"projectId": "b", "topic": "all", "payload": "foreign"}.json(t), 403},
		} {
			if r := s.Must(t, one.method, one.path, one.key, one.body); r.Status != one.status {
				t.Errorf("%s: %d %s, want %d", one.what, r.Status, r.Body, one.status)
			}
		}
		// b's session named in a: accepted or not, it does not get there.
		s.postTo(t, "a", fields{"session": other, "destination": "/queue/orders", "payload": "foreign"})
		if found := s.sessions(t, "a", "a-key", "?id="+other); len(found) != 0 {
			t.Errorf("a sees b's session: %v", found)
		}
		for name, p := range ann {
			all := s.sessions(t, name, name+"-key", "?user=ann")
			if len(all) != 1 || all[0].ID != p.session {
				t.Errorf("%s: ann's sessions are %+v", name, all)
			}
			var list struct {
				Destinations []struct{ Destination string }
			}
			r := s.Must(t, "GET", "/v1/projects/"+name+"/destinations", name+"-key", nil)
			if err := json.Unmarshal(r.Body, &list); err != nil {
				t.Fatal(err)
			}
			want := 3
			if name > "c" {
				want = 4
			}
			if len(list.Destinations) != want {
				t.Errorf("%s: %s", name, r.Body)
			}
		}
	})
	t.Run("kick", func(t *testing.T) {
		if r := s.Must(t, http.MethodDelete, "/v1/projects/a/users/ann/sessions", "a-key", nil); r.Status != http.StatusOK || !strings.Contains(string(r.Body), `"kicked":1`) {
			t.Errorf("%d %s", r.Status, r.Body)
		}
		if e := ann["a"].next(); e.kind != isClose {
			t.Errorf("a got %v", e)
		}
		delete(ann, "a")
	})
	// Whatever came before this was for somebody else.
	for name := range ann {
		s.pushTo(t, name, fields{"user": "ann", "destination": "/queue/orders", "payload": "the last"})
		gets(name, "the last", "mine")
	}
	if n := s.Metric(t, "stentor_panics_total"); n != 0 {
		t.Errorf("%v panics", n)
	}
}

// TestPasscode: where the passcode is the token, it is the last that counts.
func TestPasscode(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Config: tenants + "credentials: {passcode_is_token: true}\n"})
	a, b := s.Token(t, "a", "ann"), s.Token(t, "b", "bob")
	for _, one := range []struct {
		what, path string
		connect    []string
		user       string // "" is refused
	}{
		{"passcode", "/a", []string{"login", "whoever", "passcode", a}, "ann"},
		{"with a project", "/ws", []string{"projectId", "b", "passcode", b}, "bob"},
		{"beside a token", "/a", []string{"passcode", "guest", "token", a}, "ann"},
		{"beside the query", "/a?token=" + a, []string{"passcode", "guest"}, "ann"},
		{"of another project", "/a", []string{"passcode", b}, ""},
		{"no token", "/a", []string{"login", "guest", "passcode", "guest"}, ""},
		{"empty", "/a", []string{"passcode", ""}, ""},
	} {
		p := dial(t, s.Client)
		p.must(p.upgrade(one.path))
		p.sendConnect(one.connect...)
		if one.user == "" {
			p.wantError("auth", "Failed to send message", 1002)
		} else if e := p.next(); e.command != stomp.Connected || e.headers["user-name"] != one.user {
			t.Errorf("%s: got %v", one.what, e)
		}
	}
}

// TestCredentials: the places where a client may carry its token and project.
func TestCredentials(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Config: tenants})
	a, b := s.Token(t, "a", "ann"), s.Token(t, "b", "bob")
	for _, one := range []struct {
		what, path string
		handshake  []string
		connect    []string
		user       string // "" is refused
	}{
		{"CONNECT", "/ws", nil, []string{"projectId", "a", "token", a}, "ann"},
		{"CONNECT, bearer", "/ws", nil, []string{"projectId", "a", "Authorization", "Bearer " + a}, "ann"},
		{"query", "/ws?projectId=a&token=" + a, nil, nil, "ann"},
		{"query with a pair that is none", "/ws?note=50%&projectId=a&token=" + a + "&x;y=1", nil, nil, "ann"},
		{"handshake, bearer", "/ws?projectId=a", []string{"Authorization: Bearer " + a}, nil, "ann"},
		{"endpoint", "/a?token=" + a, nil, nil, "ann"},
		{"login and passcode mean nothing", "/a", nil, []string{"login", "x", "passcode", "y", "token", a}, "ann"},
		{"CONNECT before the query", "/ws?token=" + a, nil, []string{"projectId", "b", "token", b}, "bob"},
		{"two projects", "/ws?projectId=a", nil, []string{"projectId", "b", "token", b}, ""},
		{"none", "/a", nil, nil, ""},
		{"a bad one in the query", "/a?token=x", nil, nil, ""},
	} {
		p := dial(t, s.Client)
		p.must(p.upgrade(one.path, one.handshake...))
		p.sendConnect(one.connect...)
		if one.user == "" {
			p.wantError("auth", "Failed to send message", 1002)
			continue
		}
		if e := p.next(); e.command != stomp.Connected || e.headers["user-name"] != one.user {
			t.Errorf("%s: got %v", one.what, e)
		}
	}
}
