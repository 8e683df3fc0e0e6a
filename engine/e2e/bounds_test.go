package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"

	"stentor/engine/websocket"
	"stentor/stomp"
)

// met is the sample that counts clients which met a limit.
func met(limit string) string { return fmt.Sprintf(`stentor_limit_met_total{limit="%s"}`, limit) }

// narrow has limits that are easy to meet.
var narrow = []string{
	"limits.handshake_bytes=1024",
	"limits.connect_frame_bytes=1024", "limits.client_frame_bytes=4KiB", "limits.headers=10", "limits.header_bytes=2048",
	"limits.frames_per_second=50", "limits.subscriptions=5", "limits.patterns=3", "limits.subscription_id_bytes=16",
	"limits.pattern_steps=14", "limits.user_pattern_steps=12",
	"limits.destination_bytes=64", "limits.unanswered=8", "limits.input_bytes=1KiB",
	"limits.transaction_bytes=8KiB", "limits.reply_bytes=2KiB",
	"limits.push_bytes=4KiB", "limits.batch_bytes=16KiB", "projects.shop.limits.pushes_per_second=20",
}

// TestBounds meets every limit of a connection once: the answer says which, the metric counts it, and nobody else is
// touched. TestTooSlowToConnect meets those of time, on nodes of its own: each of these joins has to be in time.
func TestBounds(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Set: narrow})
	bystander := s.join(t)
	bystander.subscribe("a", "/topic/shop/all")
	long := func(n int) string { return strings.Repeat("x", n) }
	// upgrade opens a WebSocket that has to be refused.
	refused := func(t *testing.T, status int, path string, header ...string) {
		t.Helper()
		var refusal *websocket.AnswerError
		if err := dial(t, s.Client).upgrade(path, header...); !errors.As(err, &refusal) || refusal.Status != status {
			t.Errorf("got %v, want %d", err, status)
		}
	}
	// session sends these frames in one message, on a session of its own.
	session := func(t *testing.T, code string, status int, frames ...[]byte) {
		t.Helper()
		p := s.join(t)
		var all []byte
		for _, f := range frames {
			all = append(all, f...)
		}
		p.must(p.write(p.masked(ws.OpText, all)))
		for {
			e := p.next()
			if e.command == stomp.Receipt || e.command == stomp.MessageCommand {
				continue
			}
			if e.command != stomp.ErrorCommand || e.headers["code"] != code {
				t.Fatalf("got %v, want the code %s", e, code)
			}
			p.wantClose(status)
			return
		}
	}
	v := stomp.V12
	subscribe := func(id, destination string) []byte {
		return frame(v, stomp.Subscribe, nil, "id", id, "destination", destination)
	}
	repeat := func(n int, f func(i int) []byte) [][]byte {
		var all [][]byte
		for i := range n {
			all = append(all, f(i))
		}
		return all
	}
	begin := frame(v, stomp.Begin, nil, "transaction", "t")
	for _, one := range []struct {
		name, limit string
		provoke     func(t *testing.T)
	}{
		{"handshake headers", "handshake_bytes", func(t *testing.T) { refused(t, 431, "/ws", "Cookie: "+long(1100)) }},
		{"long URL", "handshake_bytes", func(t *testing.T) { refused(t, 431, "/ws?"+long(1100)) }},
		{"endless handshake", "handshake_bytes", func(t *testing.T) {
			p := dial(t, s.Client)
			p.must(p.write([]byte("GET /" + long(1100))))
			var refusal *websocket.AnswerError
			if err := p.answer(""); !errors.As(err, &refusal) || refusal.Status != 431 {
				t.Errorf("got %v", err)
			}
		}},
		{"large CONNECT", "connect_frame_bytes", func(t *testing.T) {
			p := s.greet(t)
			p.sendConnect("token", long(1100))
			p.wantError("too-large", "", 1009)
		}},
		{"large body", "client_frame_bytes", func(t *testing.T) {
			session(t, "too-large", 1009, frame(v, stomp.Send, []byte(long(5000)), "destination", "/app/x"))
		}},
		{"declared body", "client_frame_bytes", func(t *testing.T) {
			session(t, "too-large", 1009, []byte("SEND\ndestination:/app/x\ncontent-length:5000\n\n"))
		}},
		{"endless body", "client_frame_bytes", func(t *testing.T) {
			session(t, "too-large", 1009, []byte("SEND\ndestination:/app/x\n\n"+long(5000)))
		}},
		{"large WebSocket frame", "client_frame_bytes", func(t *testing.T) {
			p := s.join(t)
			p.must(p.write([]byte{0x82, 0xFF, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4}))
			p.wantError("too-large", "", 1009)
		}},
		{"many headers", "client_frame_bytes", func(t *testing.T) {
			session(t, "too-large", 1009, []byte("SEND\n"+strings.Repeat("a:b\n", 11)))
		}},
		{"large headers", "client_frame_bytes", func(t *testing.T) {
			session(t, "too-large", 1009, []byte("SEND\na:"+long(1500)+"\nb:"+long(1500)))
		}},
		{"frames", "frames_per_second", func(t *testing.T) {
			session(t, "limit", 1008, repeat(160, func(int) []byte { return frame(v, stomp.Send, nil, "destination", "/app/x") })...)
		}},
		{"subscriptions", "subscriptions", func(t *testing.T) {
			session(t, "limit", 1008, repeat(6, func(i int) []byte { return subscribe(fmt.Sprint(i), "/topic/shop/a") })...)
		}},
		{"patterns", "patterns", func(t *testing.T) {
			session(t, "limit", 1008, repeat(4, func(i int) []byte { return subscribe(fmt.Sprint(i), fmt.Sprintf("/topic/shop/%d/*", i)) })...)
		}},
		{"a user's patterns", "user_pattern_steps", func(t *testing.T) {
			session(t, "limit", 1008, subscribe("1", "/topic/shop/*/a/a"), subscribe("2", "/topic/shop/a/*/*/a/a/a/a/a/a"))
		}},
		{"a project's patterns", "pattern_steps", func(t *testing.T) {
			session(t, "limit", 1008, subscribe("1", "/topic/shop/a/b/c/d/e/f/*/1/2/3/4/5/6"))
		}},
		{"id", "subscription_id_bytes", func(t *testing.T) { session(t, "limit", 1008, subscribe(long(17), "/topic/shop/a")) }},
		{"destination", "destination_bytes", func(t *testing.T) { session(t, "limit", 1008, subscribe("1", "/topic/shop/"+long(64))) }},
		{"unanswered", "input_bytes", func(t *testing.T) {
			p := s.join(t)
			position := p.subscribe("a", "/topic/shop/a").headers["position"]
			future := position[:strings.LastIndexByte(position, '-')] + "-1000000" // its answer waits for the shard
			all := frame(v, stomp.Subscribe, nil, "id", "b", "destination", "/topic/shop/a", "receipt", "b", "last-message-id", future)
			for i := range 8 {
				all = append(all, frame(v, stomp.Send, nil, "destination", "/app/x", "receipt", fmt.Sprint(i))...)
			}
			for range 90 { // beside one frame; fewer than the frames that it may send
				all = append(all, frame(v, stomp.Send, []byte(long(100)), "destination", "/app/x")...)
			}
			p.must(p.write(p.masked(ws.OpText, all)))
			p.wantError("limit", "", 1008)
		}},
		{"transaction", "transaction_bytes", func(t *testing.T) {
			session(t, "limit", 1008, append([][]byte{begin}, repeat(3, func(int) []byte {
				return frame(v, stomp.Send, []byte(long(3000)), "destination", "/topic/shop/sent/x", "transaction", "t")
			})...)...)
		}},
		{"transactions", "transaction_bytes", func(t *testing.T) {
			session(t, "limit", 1008, repeat(17, func(i int) []byte { return frame(v, stomp.Begin, nil, "transaction", fmt.Sprint(i)) })...)
		}},
		{"unread answers", "reply_bytes", func(t *testing.T) {
			p := s.join(t)
			p.stall()
			receipt := long(1900)
			for range 90 { // fewer than the frames that it may send
				if p.send(stomp.Send, nil, "destination", "/app/x", "receipt", receipt) != nil {
					break // closed already
				}
			}
		}},
	} {
		t.Run(one.name, func(t *testing.T) {
			before := s.Metric(t, met(one.limit))
			one.provoke(t)
			s.wantMetric(t, met(one.limit), before+1)
		})
	}

	t.Run("push_bytes", func(t *testing.T) {
		if r := s.post(t, fields{"topic": "all", "payload": long(4097)}); r.Status != http.StatusRequestEntityTooLarge {
			t.Errorf("%d %s", r.Status, r.Body)
		}
		s.wantMetric(t, `stentor_api_requests_total{method="POST",route="/v1/projects/{project}/push",status="413"}`, 1)
	})
	t.Run("batch_bytes", func(t *testing.T) {
		body := "[" + strings.Repeat(`{"topic":"all","payload":"`+long(4000)+`"},`, 5) + `{"topic":"all","payload":""}]`
		if r := s.Must(t, "POST", "/v1/projects/shop/push/batch", "shop-key", []byte(body)); r.Status != http.StatusRequestEntityTooLarge {
			t.Errorf("%d %.200s", r.Status, r.Body)
		}
		s.wantMetric(t, `stentor_api_requests_total{method="POST",route="/v1/projects/{project}/push/batch",status="413"}`, 1)
	})
	accepted := 0
	t.Run("pushes_per_second", func(t *testing.T) {
		for limited := 0; limited == 0; {
			switch r := s.post(t, fields{"topic": "all", "payload": "x"}); r.Status {
			case http.StatusOK:
				if accepted++; accepted > 500 {
					t.Fatal("500 pushes were accepted")
				}
			case http.StatusTooManyRequests:
				if r.Header.Get("Retry-After") == "" || r.Field("code") != "limit" {
					t.Errorf("%v %s", r.Header, r.Body)
				}
				limited++
			default:
				t.Fatalf("%d %s", r.Status, r.Body)
			}
		}
		s.wantMetric(t, `stentor_pushes_refused_total{project="shop",reason="rate"}`, 1)
	})
	for range accepted {
		bystander.wantMessage("x")
	}
	if n := s.Metric(t, "stentor_panics_total"); n != 0 {
		t.Errorf("%v panics", n)
	}
}

// TestConnections: sockets above the limit are told so, and a place that is left is taken again.
func TestConnections(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Set: []string{"limits.connections=3"}})
	var all []*peer
	for range 3 {
		all = append(all, s.join(t))
	}
	for i := range 3 {
		var refusal *websocket.AnswerError
		if err := dial(t, s.Client).upgrade("/ws"); !errors.As(err, &refusal) || refusal.Status != http.StatusServiceUnavailable {
			t.Errorf("connection %d got %v", 4+i, err)
		}
	}
	s.wantMetric(t, met("connections"), 3)
	s.wantMetric(t, "stentor_connections_max", 3)
	all[1].close()
	s.wantMetric(t, "stentor_connections", 2)
	all[1] = s.join(t)
	for _, p := range all {
		p.subscribe("a", "/topic/shop/all")
	}
}

// TestUnauthenticated: those who have yet to show who they are have a limit of their own.
func TestUnauthenticated(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Set: []string{"limits.unauthenticated=3", "limits.unauthenticated_per_address=3"}})
	var all []*peer
	for range 3 {
		all = append(all, s.greet(t))
	}
	var refusal *websocket.AnswerError
	if err := dial(t, s.Client).upgrade("/ws"); !errors.As(err, &refusal) || refusal.Status != http.StatusServiceUnavailable {
		t.Errorf("the fourth got %v", err)
	}
	s.wantMetric(t, met("unauthenticated"), 1)
	s.wantMetric(t, "stentor_connections_unauthenticated", 3)
	all[0].connect()
	s.join(t)
}

// TestConnectionsPerAddress: the address is the one that a trusted proxy names, and of IPv6 a /64 is one client.
func TestConnectionsPerAddress(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Set: []string{"limits.connections_per_address=2", "listen.trusted_proxies=127.0.0.1/32"}})
	// from connects through a proxy.
	from := func(forwarded string) (*peer, error) {
		p := dial(t, s.Client)
		if err := p.upgrade("/ws", "X-Forwarded-For: "+forwarded); err != nil {
			return nil, err
		}
		p.connect()
		return p, nil
	}
	count := 0.0
	for _, one := range []struct {
		forwarded string
		ok        bool
	}{
		{"198.51.100.1", true},
		{"198.51.100.1", true},
		{"198.51.100.1", false},
		{"203.0.113.9, 198.51.100.1", false}, // what stands before it may be made up
		{"198.51.100.1, 127.0.0.1", false},   // a second proxy
		{"198.51.100.2", true},
		{"2001:db8:0:1::1", true},
		{"2001:db8:0:1:ffff::2", true},
		{"2001:db8:0:1::3", false},
		{"2001:db8:0:2::1", true},
		{"::ffff:198.51.100.2", true},
		{"::ffff:198.51.100.2", false},
	} {
		_, err := from(one.forwarded)
		if (err == nil) != one.ok {
			t.Errorf("%s: %v", one.forwarded, err)
		}
		if !one.ok {
			count++
		}
	}
	s.wantMetric(t, met("connections_per_address"), count)
	addresses := map[string]int{}
	for _, session := range s.sessions(t, "shop", "shop-key", "") {
		addresses[session.Address]++ // what a proxy tells has no port
	}
	if addresses["198.51.100.1"] != 2 || addresses["2001:db8:0:1:ffff::2"] != 1 {
		t.Errorf("the sessions' addresses are %v", addresses)
	}
	// A place that is left is free again, also when a kick made it so.
	id := s.sessions(t, "shop", "shop-key", "")[0]
	if r := s.Must(t, http.MethodDelete, "/v1/projects/shop/sessions/"+id.ID, "shop-key", nil); r.Status != http.StatusOK {
		t.Fatalf("kick: %d %s", r.Status, r.Body)
	}
	eventually(t, "the place is free", func() bool {
		_, err := from(id.Address)
		return err == nil
	})

	// Without trust the header says nothing.
	own := start(t, setup{Set: []string{"limits.connections_per_address=2"}})
	for i := range 3 {
		err := dial(t, own.Client).upgrade("/ws", fmt.Sprintf("X-Forwarded-For: 198.51.100.%d", i))
		if (err == nil) != (i < 2) {
			t.Errorf("connection %d: %v", i, err)
		}
	}
}

// TestProjectConnections: a project that is full sends its clients elsewhere, without an ERROR, and others take theirs.
func TestProjectConnections(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Config: shop + "  more: {anonymous: true}\n", Set: []string{"projects.shop.limits.connections=2"}})
	first := s.join(t)
	s.join(t)
	p := s.greet(t)
	p.sendConnect()
	p.wantClose(1013)
	s.wantMetric(t, `stentor_project_full_total{project="shop"}`, 1)
	s.join(t, "projectId", "more")
	first.must(first.send(stomp.Disconnect, nil, "receipt", "bye"))
	first.wantReceipt("bye")
	first.wantClose(1000)
	s.wantMetric(t, `stentor_project_sessions{project="shop"}`, 1)
	s.join(t)
}

// TestSessionsPerUser: a user who has as many sessions as one may have, on whatever loops, is sent away without an ERROR;
// other users, and clients without one, take theirs.
func TestSessionsPerUser(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Set: []string{"limits.sessions_per_user=3"}})
	ann := s.Token(t, "shop", "ann")
	first := s.join(t, "token", ann)
	s.join(t, "token", ann)
	s.join(t, "token", ann)
	for range 2 {
		p := s.greet(t)
		p.sendConnect("token", ann)
		p.wantClose(1013)
	}
	s.wantMetric(t, met("sessions_per_user"), 2)
	s.join(t, "token", s.Token(t, "shop", "bob"))
	for range 4 {
		s.join(t)
	}
	first.must(first.send(stomp.Disconnect, nil, "receipt", "bye"))
	first.wantReceipt("bye")
	first.wantClose(1000)
	s.wantMetric(t, `stentor_project_sessions{project="shop"}`, 7)
	s.join(t, "token", ann)
	p := s.greet(t)
	p.sendConnect("token", ann)
	p.wantClose(1013)
}

// TestPendingBytes: what the subscribers have yet to be given is bounded, and a back end is told to wait.
func TestPendingBytes(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Set: []string{"limits.pending_bytes=1MiB"}})
	for range 20 {
		p := s.join(t)
		p.subscribe("a", "/topic/shop/all")
		p.listen()
	}
	const busy = `stentor_pushes_refused_total{project="shop",reason="busy"}`
	body := fields{"topic": "all", "payload": strings.Repeat("x", 700<<10)}.json(t)
	eventually(t, "a push is refused", func() bool {
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				r, err := s.Call("POST", "/v1/projects/shop/push", "shop-key", body)
				switch {
				case err != nil:
					t.Error(err)
				case r.Status == http.StatusOK:
				case r.Status != http.StatusServiceUnavailable || r.Field("code") != "busy" || r.Header.Get("Retry-After") == "":
					t.Errorf("%d %v %s", r.Status, r.Header, r.Body)
				}
			})
		}
		group.Wait()
		return s.Metric(t, busy) > 0
	})
	s.wantMetric(t, `stentor_pending_bytes{project="shop"}`, 0)
}
