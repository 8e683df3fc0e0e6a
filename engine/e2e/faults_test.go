package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"stentor/engine/websocket"
	"stentor/stomp"
)

// stall makes a peer one that takes little before it blocks its sender. With less still, every large write would wait
// for the kernel's probe of a window that is too small for it.
func (p *peer) stall() { p.room(32 << 10) }

// room sets how much the kernel takes for a peer that does not read.
func (p *peer) room(bytes int) {
	p.t.Helper()
	p.must(p.conn.(*net.TCPConn).SetReadBuffer(bytes))
}

// TestNeverReads: a client that does not read costs the others nothing, and is closed by its project's policy.
func TestNeverReads(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Set: []string{"projects.shop.slow.timeout=1s", "heartbeat.ping=0"}})
	stuck := s.join(t)
	stuck.stall()
	stuck.subscribe("a", "/topic/shop/all")
	var others []*peer
	for range 5 {
		p := s.join(t)
		p.subscribe("a", "/topic/shop/all")
		others = append(others, p)
	}
	filling := strings.Repeat("x", 8<<10)
	for i := range 300 {
		s.push(t, fields{"topic": "all", "payload": fmt.Sprint(i) + filling})
		for _, p := range others {
			p.wantMessage(fmt.Sprint(i) + filling)
		}
	}
	s.wantMetric(t, "stentor_slow_closes_total", 1)
	s.wantMetric(t, "stentor_sessions", 5)
	s.push(t, fields{"topic": "all", "payload": "after"})
	for _, p := range others {
		p.wantMessage("after")
	}
}

// TestSlowPolicies: with the other policies a client that falls out of history stays, and is told what it lost.
func TestSlowPolicies(t *testing.T) {
	for _, policy := range []string{"drop-oldest", "keep-latest"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			s := start(t, setup{Set: []string{"projects.shop.slow.policy=" + policy, "projects.shop.slow.timeout=1s", "history.bytes=1MiB"}})
			p := s.join(t)
			p.stall()
			p.subscribe("a", "/topic/shop/all")
			filling := strings.Repeat("x", 8<<10)
			const pushes = 400 // 3.2 MiB
			for i := range pushes {
				s.push(t, fields{"topic": "all", "payload": fmt.Sprintf("%03d", i) + filling})
			}
			last, got, dropped := -1, 0, 0
			for last < pushes-1 {
				e := p.want(stomp.MessageCommand)
				n, err := strconv.Atoi(string(e.body[:3]))
				if err != nil || n <= last {
					t.Fatalf("%d %v behind %d", n, err, last)
				}
				lost, _ := strconv.Atoi(e.headers["dropped"])
				if n-last-1 != lost {
					t.Errorf("%d follows %d, dropped:%d", n, last, lost)
				}
				last = n
				got++
				dropped += lost
			}
			if got+dropped != pushes || dropped == 0 {
				t.Errorf("%d came and %d were dropped, of %d", got, dropped, pushes)
			}
			s.wantMetric(t, "stentor_dropped_total", float64(dropped))
			s.wantMetric(t, "stentor_slow_closes_total", 0)
		})
	}
}

// TestByteByByte: one byte at a time is only slow.
func TestByteByByte(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	p := dial(t, s.Client)
	dribble := func(b []byte) {
		t.Helper()
		for i := range b {
			p.must(p.write(b[i : i+1]))
		}
	}
	key := websocket.NewKey()
	dribble(websocket.AppendRequest(nil, "h", "/ws", key))
	p.must(p.answer(key))
	dribble(p.masked(ws.OpText, frame(p.version, stomp.Connect, nil, "accept-version", "1.2", "heart-beat", "0,0")))
	p.agreed(p.want(stomp.Connected))
	dribble(p.masked(ws.OpBinary, frame(p.version, stomp.Subscribe, nil, "id", "ü:\n", "destination", "/topic/shop/sent/ä", "receipt", "1")))
	p.wantReceipt("1")
	dribble(p.masked(ws.OpText, frame(p.version, stomp.Send, []byte("grüße\x00\n"), "destination", "/topic/shop/sent/ä")))
	if e := p.wantMessage("grüße\x00\n"); e.headers["subscription"] != "ü:\n" {
		t.Errorf("got %v", e)
	}
}

// TestTooSlowToConnect: whoever does not finish its handshake or its CONNECT is closed, however alive it looks.
func TestTooSlowToConnect(t *testing.T) {
	t.Parallel()
	// A node for each limit: whoever is to meet the one must not meet the other before, however busy the machine is.
	hasty := start(t, setup{Set: []string{"limits.handshake_timeout=400ms"}})
	s := start(t, setup{Set: []string{"limits.connect_timeout=400ms"}})
	// dribble sends a byte now and then, until the server has had enough or everything is sent.
	dribble := func(p *peer, b []byte) {
		for i := range b {
			time.Sleep(20 * time.Millisecond) // a slow client, not a wait for something
			if p.write(b[i:i+1]) != nil {
				return
			}
		}
		t.Errorf("all of %.30q was taken", b)
	}
	p := dial(t, hasty.Client)
	go dribble(p, websocket.AppendRequest(nil, strings.Repeat("h", 500), "/ws", websocket.NewKey()))
	if e, err := p.event(); err == nil {
		t.Errorf("a slow handshake got %v", e)
	}
	if e, err := dial(t, hasty.Client).event(); err == nil {
		t.Errorf("no handshake got %v", e)
	}
	hasty.wantMetric(t, met("handshake_timeout"), 2)
	hasty.wantMetric(t, "stentor_connections", 0)
	p = s.greet(t)
	go dribble(p, p.masked(ws.OpText, frame(p.version, stomp.Connect, nil, "host", strings.Repeat("h", 500))))
	if e := p.next(); e.kind != isClose || e.code != 1002 {
		t.Errorf("a slow CONNECT got %v", e)
	}
	p.close()
	silent := s.greet(t)
	silent.wantClose(1002)
	s.wantMetric(t, met("connect_timeout"), 2)
	s.wantMetric(t, "stentor_connections", 0)
}

// TestNotAHandshake: every wrong request gets an answer that says what is wrong.
func TestNotAHandshake(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Config: shop + "endpoints: [{path: /ws, origins: [\"https://shop.test\"]}]\n"})
	request := func(from, to string) string {
		good := string(websocket.AppendRequest(nil, "stentor.test", "/ws", websocket.NewKey()))
		if !strings.Contains(good, from) {
			t.Fatalf("%q is not in %q", from, good)
		}
		return strings.Replace(good, from, to, 1)
	}
	for _, one := range []struct {
		name, send string
		status     int
		header     [2]string
	}{
		{"POST", request("GET", "POST"), 405, [2]string{"Allow", "GET"}},
		{"another path", request("/ws", "/nothing"), 404, [2]string{}},
		{"no upgrade", request("Upgrade: websocket\r\n", ""), 426, [2]string{"Upgrade", "websocket"}},
		{"another version", request("13", "8"), 426, [2]string{"Sec-Websocket-Version", "13"}},
		{"no key", request("Sec-WebSocket-Key", "X"), 400, [2]string{}},
		{"HTTP/1.0", request("HTTP/1.1", "HTTP/1.0"), 400, [2]string{}},
		{"a strange page", request("Host:", "Origin: https://evil.test\r\nHost:"), 403, [2]string{}},
		{"bare LF", strings.ReplaceAll(request("GET", "GET"), "\r\n", "\n"), 400, [2]string{}},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, [2]string{}},
		{"noise", "\x00\xff\x80garbage\r\n\r\n", 400, [2]string{}},
	} {
		p := dial(t, s.Client)
		p.must(p.write([]byte(one.send)))
		_ = p.conn.SetReadDeadline(time.Now().Add(patience))
		in := bufio.NewReader(p.conn)
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Errorf("%s: %v", one.name, err)
			continue
		}
		body, err := io.ReadAll(res.Body)
		if res.StatusCode != one.status || len(body) < 10 || err != nil || !res.Close {
			t.Errorf("%s: %d %q %v, want %d and a text that helps", one.name, res.StatusCode, body, err, one.status)
		}
		if name := one.header[0]; name != "" && res.Header.Get(name) != one.header[1] {
			t.Errorf("%s: %q", one.name, res.Header)
		}
		if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v behind the answer", one.name, err)
		}
	}
	for origin, ok := range map[string]bool{"https://shop.test": true, "http://shop.test": false, "https://shop.test.evil": false, "null": false} {
		p := dial(t, s.Client)
		if err := p.upgrade("/ws", "Origin: "+origin); (err == nil) != ok {
			t.Errorf("origin %s: %v", origin, err)
		}
	}
}

// TestNotWebSocket: what breaks RFC 6455 is answered with its close code, and no ERROR.
func TestNotWebSocket(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	masked := func(first, second byte, more ...byte) []byte {
		return append([]byte{first, second | 0x80, 0, 0, 0, 0}, more...)
	}
	for _, one := range []struct {
		name string
		send []byte
		code int
	}{
		{"not masked", []byte{0x81, 1, 'a'}, 1002},
		{"reserved opcode", masked(0x83, 0), 1002},
		{"reserved bit", masked(0xC1, 0), 1002},
		{"ping in pieces", masked(0x09, 0), 1002},
		{"long ping", masked(0x89, 126, 0, 126), 1002},
		{"continuation of nothing", masked(0x80, 0), 1002},
		{"text within text", append(masked(0x01, 1, '\n'), masked(0x81, 0)...), 1002},
		{"no UTF-8", masked(0x81, 2, 0xC3, 0x28), 1007},
		{"half a rune", masked(0x81, 1, 0xC3), 1007},
		{"close with one byte", masked(0x88, 1, 3), 1002},
		{"close with 1005", masked(0x88, 2, 0x03, 0xED), 1002},
		{"close with 2999", masked(0x88, 2, 0x0B, 0xB7), 1002},
		{"negative", []byte{0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, 1002},
		{"long-winded", []byte{0x82, 0xFE, 0, 1, 1, 2, 3, 4, 'a'}, 1002},
		// These are right, and are answered alike.
		{"close", masked(0x88, 2, 0x03, 0xE8), 1000},
		{"close with an own code", masked(0x88, 2, 0x0F, 0xA0), 4000},
		{"close without a code", masked(0x88, 0), 1000},
	} {
		t.Run(one.name, func(t *testing.T) {
			p := s.join(t)
			p.must(p.write(one.send))
			p.wantClose(one.code)
		})
	}
}

// TestNotSTOMP: what breaks the protocol gets an ERROR that names it, and a close.
func TestNotSTOMP(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	for _, one := range []struct {
		name, send string
		fresh      bool // before CONNECT
	}{
		{"no CONNECT", "SUBSCRIBE\nid:1\ndestination:/topic/shop/a\n\n\x00", true},
		{"unknown command first", "HELLO\n\n\x00", true},
		{"no version in common", "CONNECT\naccept-version:2.0\n\n\x00", true},
		{"heart-beat", "CONNECT\nheart-beat:x\n\n\x00", true},
		{"second CONNECT", "CONNECT\naccept-version:1.2\n\n\x00", false},
		{"unknown command", "SUBSCRIBER\n\n\x00", false},
		{"a server's command", "MESSAGE\n\n\x00", false},
		{"lower case", "send\n\n\x00", false},
		{"no colon", "SEND\ndestination\n\n\x00", false},
		{"unknown escape", "SEND\ndestination:/topic/shop/a\\t\n\n\x00", false},
		{"bare CR", "SEND\ndestination:/topic/shop/a\rb\n\n\x00", false},
		{"content-length", "SEND\ndestination:/topic/shop/a\ncontent-length:-1\n\n\x00", false},
		{"no NUL behind the body", "SEND\ndestination:/topic/shop/a\ncontent-length:1\n\nabc\x00", false},
		{"body", "UNSUBSCRIBE\nid:1\n\nbody\x00", false},
		{"SEND without a destination", "SEND\n\n\x00", false},
		{"SUBSCRIBE without a destination", "SUBSCRIBE\nid:1\n\n\x00", false},
		{"SUBSCRIBE without an id", "SUBSCRIBE\ndestination:/topic/shop/a\n\n\x00", false},
		{"UNSUBSCRIBE without an id", "UNSUBSCRIBE\n\n\x00", false},
		{"BEGIN without a name", "BEGIN\n\n\x00", false},
		{"BEGIN twice", "BEGIN\ntransaction:t\n\n\x00BEGIN\ntransaction:t\n\n\x00", false},
		{"COMMIT of nothing", "COMMIT\ntransaction:t\n\n\x00", false},
		{"SEND in no transaction", "SEND\ndestination:/topic/shop/a\ntransaction:t\n\n\x00", false},
		{"unknown ack", "SUBSCRIBE\nid:1\ndestination:/topic/shop/a\nack:never\n\n\x00", false},
		{"destination without a slash", "SUBSCRIBE\nid:1\ndestination:topic\n\n\x00", false},
		{"pattern with two **", "SUBSCRIBE\nid:1\ndestination:/topic/shop/**/a/**\n\n\x00", false},
	} {
		t.Run(one.name, func(t *testing.T) {
			p := s.greet(t)
			if !one.fresh {
				p.connect()
			}
			p.must(p.text(one.send))
			p.wantError("protocol", "", 1002)
		})
	}
	// What the libraries do and Spring lets pass.
	p := s.join(t)
	p.must(p.text("\n\r\n\n\x00\nSUBSCRIBE\r\nid:1\r\ndestination:/topic/shop/a\r\nid:2\r\nreceipt:a\r\n\r\n\x00\n"))
	p.wantReceipt("a")
	for _, send := range []string{
		"SUBSCRIBE\nid:1\ndestination:/topic/shop/other\nreceipt:b\n\n\x00", // the first stays
		"UNSUBSCRIBE\nid:unknown\nreceipt:c\n\n\x00",
		"ACK\nid:undefined\nreceipt:d\n\n\x00",
		"NACK\nreceipt:e\n\n\x00",
		"SUBSCRIBE\nid:3\ndestination:/app/x\nreceipt:f\n\n\x00",
		"SEND\ndestination:/app/x\nreceipt:g\n\n\x00",
		"BEGIN\ntransaction:t\nreceipt:h\n\n\x00ABORT\ntransaction:t\n\n\x00",
	} {
		p.must(p.text(send))
	}
	for _, id := range []string{"b", "c", "d", "e", "f", "g", "h"} {
		p.wantReceipt(id)
	}
	s.push(t, fields{"topic": "a", "payload": "x"})
	p.wantMessage("x")
}

// TestNoise: random bytes, at every stage, harm nobody else.
func TestNoise(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	good := s.join(t)
	good.subscribe("a", "/topic/shop/all")
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 200 {
		noise := make([]byte, 1+random.IntN(3000))
		for j := range noise {
			noise[j] = byte(random.Uint32())
		}
		p := dial(t, s.Client)
		switch i % 4 {
		case 0:
			_ = p.write(noise)
		case 1:
			p.must(p.upgrade("/ws"))
			_ = p.write(noise)
		case 2:
			p.must(p.upgrade("/ws"))
			_ = p.write(p.masked(ws.OpBinary, noise))
		default:
			p.must(p.upgrade("/ws"))
			p.connect()
			_ = p.write(p.masked(ws.OpBinary, append([]byte("SEND\n"), noise...)))
		}
		if random.IntN(2) == 0 {
			p.reset()
		} else {
			p.close()
		}
	}
	s.push(t, fields{"topic": "all", "payload": "x"})
	good.wantMessage("x")
	s.wantMetric(t, "stentor_connections", 1)
	s.wantMetric(t, "stentor_panics_total", 0)
}

// TestFullAPI: idle connections make room for others, and so do those of strangers; busy ones do not. Probes are answered
// whatever a project does, and the clients' port does not notice.
func TestFullAPI(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Set: []string{"limits.api_connections=4"}})
	api := strings.TrimPrefix(s.API, "http://")
	// ask sends a request on a connection of its own and keeps that.
	ask := func(head string) (*bufio.Reader, net.Conn) {
		t.Helper()
		conn, err := net.DialTimeout("tcp", api, patience)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(patience))
		if _, err := io.WriteString(conn, head); err != nil {
			t.Fatal(err)
		}
		return bufio.NewReader(conn), conn
	}
	status := func(r *bufio.Reader) int {
		t.Helper()
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		_, _ = io.Copy(io.Discard, res.Body)
		return res.StatusCode
	}
	const get = "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"
	for range 20 { // each stays open, and the longest idle one goes
		r, _ := ask(get)
		if n := status(r); n != http.StatusOK {
			t.Fatalf("healthz: %d", n)
		}
	}
	if n := s.Metric(t, "stentor_api_connections_evicted_total"); n < 16 {
		t.Errorf("%v idle connections were closed", n)
	}
	caller.CloseIdleConnections()

	// Pushes whose bodies do not come.
	const head = "POST /v1/projects/shop/push HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer shop-key\r\nContent-Type: application/json\r\nContent-Length: 2000\r\n\r\n{"
	var busy []net.Conn
	eventually(t, "a third is refused", func() bool { // of the four one is for probes and newcomers, and one project does not get all of the three
		for range 2 {
			_, conn := ask(head)
			busy = append(busy, conn)
		}
		r, _ := ask(strings.Replace(head, "2000", "0", 1))
		return status(r) == http.StatusTooManyRequests
	})
	for range 20 {
		_, stranger := ask("POST /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n")
		r, _ := ask(get)
		if n := status(r); n != http.StatusOK {
			t.Fatalf("healthz beside bodies that do not come: %d", n)
		}
		_ = stranger
	}
	p := s.join(t)
	p.subscribe("a", "/topic/shop/all")
	for _, conn := range busy {
		_ = conn.Close()
	}
	eventually(t, "they are let go", func() bool {
		return s.Metric(t, "stentor_api_connections") == s.Metric(t, "stentor_api_connections_idle")
	})
	s.push(t, fields{"topic": "all", "payload": "x"})
	p.wantMessage("x")
	if n := s.Metric(t, `stentor_api_connections_refused_total{reason="share"}`); n < 1 {
		t.Errorf("%v connections were refused", n)
	}
}

// TestReceipts: answers come in the order of the frames, also those that wait for the bus.
func TestReceipts(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	p := s.join(t)
	var all []byte
	const frames = 60
	for i := range frames {
		id := fmt.Sprint(i)
		switch i % 3 {
		case 0:
			all = append(all, frame(p.version, stomp.Send, []byte("x"), "destination", "/topic/shop/sent/x", "receipt", id)...)
		case 1:
			all = append(all, frame(p.version, stomp.Subscribe, nil, "id", id, "destination", "/topic/shop/x", "receipt", id)...)
		default:
			all = append(all, frame(p.version, stomp.Send, nil, "destination", "/app/x", "receipt", id)...)
		}
	}
	all = append(all, frame(p.version, stomp.Disconnect, nil, "receipt", "bye")...)
	p.must(p.write(p.masked(ws.OpText, all))) // many frames in one message
	for i := range frames {
		p.wantReceipt(fmt.Sprint(i))
	}
	p.wantReceipt("bye")
	p.wantClose(1000)
}

// TestAllAtOnce: whoever sends its handshake, its CONNECT with a token and its first frames without a wait is served in
// order once the token is verified.
func TestAllAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	for range 20 { // a token is verified on another goroutine the first time only
		p := dial(t, s.Client)
		key := websocket.NewKey()
		all := websocket.AppendRequest(nil, "h", "/ws", key)
		for _, f := range [][]byte{
			frame(p.version, stomp.Connect, nil, "accept-version", "1.2", "token", s.Token(t, "shop", "ann")),
			frame(stomp.V12, stomp.Subscribe, nil, "id", "1", "destination", "/topic/shop/sent/x", "receipt", "1"),
			frame(stomp.V12, stomp.Send, []byte("x"), "destination", "/topic/shop/sent/x", "receipt", "2"),
		} {
			all = append(all, p.masked(ws.OpText, f)...)
		}
		p.must(p.write(all))
		p.must(p.answer(key))
		p.agreed(p.want(stomp.Connected))
		p.wantReceipt("1")
		message, receipt := p.next(), p.next()
		if message.command == stomp.Receipt {
			message, receipt = receipt, message
		}
		if string(message.body) != "x" || receipt.headers["receipt-id"] != "2" {
			t.Errorf("got %v and %v", message, receipt)
		}
		p.close()
		s.wantMetric(t, "stentor_subscriptions", 0)
	}
}

// TestVersion10: a subscription without an id is named by its destination.
func TestVersion10(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	p := s.greet(t)
	p.must(p.text("CONNECT\nlogin:x\npasscode:y\n\n\x00"))
	p.agreed(p.want(stomp.Connected))
	p.must(p.text("SUBSCRIBE\ndestination:/topic/shop/a\nreceipt:1\n\n\x00SUBSCRIBE\ndestination:/topic/shop/b\nreceipt:2\n\n\x00"))
	p.wantReceipt("1")
	p.wantReceipt("2")
	s.push(t, fields{"topic": "a", "payload": "x", "headers": fields{"odd": "1:2\n3"}})
	e := p.wantMessage("x")
	if _, there := e.headers["subscription"]; there || e.headers["destination"] != "/topic/shop/a" || e.headers["odd"] != "1:2 3" {
		t.Errorf("got %v", e)
	}
	p.must(p.text("ACK\nmessage-id:" + e.headers["message-id"] + "\n\n\x00UNSUBSCRIBE\ndestination:/topic/shop/a\nreceipt:3\n\n\x00"))
	p.wantReceipt("3")
	s.push(t, fields{"topic": "a", "payload": "not for it"})
	s.push(t, fields{"topic": "b", "payload": "y"})
	p.wantMessage("y")
	p.must(p.text("NACK\nmessage-id:1\n\n\x00"))
	p.wantError("protocol", "1.0", 1002)
}

// TestHeartbeats: both sides keep what was agreed on, and a silent client is closed.
func TestHeartbeats(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Set: []string{"heartbeat.send=300ms", "heartbeat.receive=300ms", "heartbeat.ping=300ms"}})
	begun := time.Now()
	silent := s.join(t, "heart-beat", "300,300") // promises and does not send
	deaf := s.join(t)                            // owes nothing, but does not answer pings either
	beats := 0
	for {
		e, err := silent.event()
		if err != nil {
			t.Fatal(err)
		}
		if e.kind == isBeat {
			beats++
			continue
		}
		if e.kind != isClose || e.code != 1002 {
			t.Errorf("got %v", e)
		}
		break
	}
	if took := time.Since(begun); took < 900*time.Millisecond || beats < 2 {
		t.Errorf("closed after %v and %d heart-beats", took, beats)
	}
	// Nobody reads from deaf: its pongs do not go out.
	s.wantMetric(t, "stentor_heartbeats_lost_total", 2)
	deaf.close()
	s.wantMetric(t, "stentor_sessions", 0)
}
