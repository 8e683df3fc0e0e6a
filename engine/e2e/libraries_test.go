package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A library is one client library in one of its ways to connect.
type library struct {
	name      string   // of the package
	versions  []string // of STOMP that the client names, nil for what it does by itself
	protocols []string // that the WebSocket offers, nil for the library's own
	binary    bool     // frames go in binary messages
	beats     bool     // with heart-beats
	sockjs    string   // the transport of sockjs-client, "" for a WebSocket

	version  string // that comes out
	protocol string
}

func (l library) String() string {
	s := strings.NewReplacer("@stomp/", "@").Replace(l.name) + "-" + l.version
	if l.protocols != nil {
		s += "-asked"
	}
	if l.sockjs != "" {
		s += "-" + l.sockjs
	}
	if l.binary {
		s += "-binary"
	}
	if l.beats {
		s += "-beats"
	}
	return s
}

const (
	modern   = "@stomp/stompjs"
	classic  = "stompjs"
	webstomp = "webstomp-client"
)

var libraries = []library{
	{name: modern, version: "1.2", protocol: "v12.stomp", beats: true},
	{name: modern, version: "1.2", protocol: "v12.stomp", binary: true},
	{name: modern, versions: []string{"1.1"}, version: "1.1", protocol: "v11.stomp", beats: true},
	{name: modern, versions: []string{"1.1"}, version: "1.1", protocol: "v11.stomp", binary: true, beats: true},
	{name: modern, versions: []string{"1.0"}, version: "1.0", protocol: "v10.stomp"},
	{name: modern, versions: []string{"1.0"}, version: "1.0", protocol: "v10.stomp", binary: true, beats: true},
	{name: classic, version: "1.1", protocol: "v10.stomp", beats: true}, // it offers v10 first, and then names 1.1
	{name: classic, version: "1.1", protocol: "", protocols: []string{}},
	{name: classic, versions: []string{"1.0"}, version: "1.0", protocol: "v10.stomp", beats: true},
	{name: webstomp, version: "1.0", protocol: "v10.stomp", beats: true}, // what it does by default
	{name: webstomp, protocols: []string{"v11.stomp"}, version: "1.1", protocol: "v11.stomp", binary: true},
	{name: webstomp, protocols: []string{"v12.stomp"}, version: "1.2", protocol: "v12.stomp", beats: true},
	{name: webstomp, protocols: []string{"v12.stomp", "v11.stomp"}, version: "1.2", protocol: "v12.stomp", binary: true, beats: true},
}

// connect makes a client of the library and waits until it is connected.
func (l library) connect(t testing.TB, s *server, d *script, name string, headers fields) *actor {
	t.Helper()
	a := l.open(t, s, d, name, headers)
	if r := a.want("connected"); r.Headers["version"] != l.version {
		t.Fatalf("connected with %v, want version %s", r.Headers, l.version)
	}
	return a
}

// open makes a client of the library and waits for its WebSocket.
func (l library) open(t testing.TB, s *server, d *script, name string, headers fields) *actor {
	t.Helper()
	beat := time.Duration(0)
	if l.beats {
		beat = beatEvery
	}
	a := d.actor(t, name)
	options := fields{
		"library": l.name, "url": "ws://" + s.Client + "/ws", "headers": headers,
		"versions": l.versions, "protocols": l.protocols, "binary": l.binary, "heartbeat": beat.Milliseconds(),
	}
	if l.sockjs != "" {
		options["url"], options["sockjs"] = "http://"+s.Client+"/ws", l.sockjs
	}
	a.do("make", options)
	if r := a.want("open"); r.Protocol != l.protocol {
		t.Fatalf("the subprotocol is %q, want %q", r.Protocol, l.protocol)
	}
	return a
}

// beatEvery is the time between heart-beats. A library closes when nothing came for twice as long by its clock, and looks at
// the clock before it reads what has come: a process that stands still for that long loses its connections.
const beatEvery = 3 * time.Second

// beating is a node with heart-beats in both directions.
var beating = []string{fmt.Sprint("heartbeat.send=", beatEvery), fmt.Sprint("heartbeat.receive=", beatEvery), fmt.Sprint("heartbeat.ping=", beatEvery)}

func TestLibraries(t *testing.T) {
	t.Parallel()
	converse(t, start(t, setup{Set: beating}), libraries)
}

// converse has a client of each library do what every library has to be able to do.
func converse(t *testing.T, s *server, libraries []library) {
	d := launch(t, "driver.js")
	var conversations []*conversation
	for _, l := range libraries {
		c := &conversation{s: s, library: l, user: l.String(), base: "/topic/shop/" + strings.ReplaceAll(l.String(), "@", "at-")}
		t.Run(l.String(), func(t *testing.T) {
			c.t = t
			c.actor = l.connect(t, s, d, c.user, fields{"token": s.Token(t, "shop", c.user), "projectId": "shop"})
			c.pushes()
			c.sends()
			c.transactions()
			c.acknowledges()
			c.patterns()
			c.ownQueue()
			c.unsubscribes()
			conversations = append(conversations, c)
		})
	}
	// All have been connected for a while, and now wait together.
	for _, c := range conversations {
		t.Run("end of "+c.user, func(t *testing.T) {
			c.t, c.actor.t = t, t
			c.lives()
			c.leaves()
		})
	}
	if n := s.Metric(t, "stentor_errors_total"); n != 0 {
		t.Errorf("%v ERRORs were sent", n)
	}
}

// A conversation is what every library has to be able to do.
type conversation struct {
	*actor
	t       *testing.T
	s       *server
	library library
	user    string
	base    string // destinations of this one begin with it
}

// subscribe subscribes and waits for the receipt.
func (c *conversation) subscribe(id, destination string, headers fields) {
	c.t.Helper()
	all := fields{"receipt": "r-" + id}
	for name, value := range headers {
		all[name] = value
	}
	c.do("subscribe", fields{"id": id, "destination": destination, "headers": all})
	c.wantReceipt("r-" + id)
}

func (c *conversation) pushes() {
	t := c.t
	dest := c.base + "/pushes"
	c.subscribe("pushes", dest, nil)
	long := strings.Repeat("0123456789 äöü 世界 🎉\n", 300<<10/30)
	for _, one := range []struct {
		what        string
		push        fields
		body        string
		contentType string
	}{
		{"JSON", fields{"payload": verbatim(`{"n": 12345678901234567890, "s":"\u00fc"}`)}, `{"n": 12345678901234567890, "s":"\u00fc"}`, "application/json"},
		{"string", fields{"payload": "hello"}, "hello", "text/plain;charset=UTF-8"},
		{"empty", fields{"payload": ""}, "", "text/plain;charset=UTF-8"},
		{"unicode", fields{"payload": "grüße 世界 🎉"}, "grüße 世界 🎉", "text/plain;charset=UTF-8"},
		{"long", fields{"payload": long}, long, "text/plain;charset=UTF-8"},
		{"own type", fields{"payload": "<a/>", "content_type": "application/xml"}, "<a/>", "application/xml"},
	} {
		one.push["topic"] = dest
		position := c.s.push(t, one.push)
		r := c.wantMessage("pushes", one.body)
		for name, want := range map[string]string{
			"destination": dest, "message-id": position, "content-type": one.contentType, "content-length": fmt.Sprint(len(one.body)),
		} {
			if r.Headers[name] != want {
				t.Errorf("%s: header %s is %q, want %q", one.what, name, r.Headers[name], want)
			}
		}
	}

	c.s.push(t, fields{"topic": dest, "payload": "x", "headers": fields{"kind": "order", "X-Tricky": "a:b\\ c\nd"}})
	r := c.wantMessage("pushes", "x")
	tricky := `a\cb\\ c\nd` // as it is on the wire: only one library unescapes, and only in 1.2
	switch {
	case c.library.name == modern && c.library.version == "1.2":
		tricky = "a:b\\ c\nd"
	case c.library.version == "1.0":
		tricky = `a:b\ c d`
	}
	if r.Headers["kind"] != "order" || r.Headers["X-Tricky"] != tricky {
		t.Errorf("headers %q, want kind order and X-Tricky %q", r.Headers, tricky)
	}

	if c.library.sockjs != "" { // what is not UTF-8 cannot be carried
		c.s.push(t, fields{"topic": dest, "payload_base64": base64Text([]byte{0xDE, 0xAD, 0x80})})
		c.s.push(t, fields{"topic": dest, "payload": "behind it"})
		c.wantMessage("pushes", "behind it")
		return
	}
	bytes := []byte{0xDE, 0xAD, 0xBE, 0xEF, '\n', 0x80, 0xFE}
	switch c.library.name {
	case modern:
		bytes = append(bytes, 0, 0)
	case webstomp: // it reads every message as UTF-8
		return
	}
	c.s.push(t, fields{"topic": dest, "payload_base64": base64Text(bytes)})
	if r := c.want("message"); r.Base64 != base64Text(bytes) || r.Headers["content-type"] != "application/octet-stream" {
		t.Errorf("binary: got %+v", r)
	}
}

// both is a message on a subscription and a receipt, in any order.
func (c *conversation) both(subscription, body, receipt string) report {
	c.t.Helper()
	c.take("receipt "+receipt, func(r report) bool { return r.Event == "receipt" && r.ID == receipt })
	return c.wantMessage(subscription, body)
}

func (c *conversation) sends() {
	dest := "/topic/shop/sent/" + c.base[len("/topic/shop/"):]
	c.subscribe("sent", dest, nil)
	c.do("send", fields{"destination": dest, "body": "über\n", "headers": fields{"receipt": "s-1", "kind": "chat", "content-type": "text/x"}})
	if r := c.both("sent", "über\n", "s-1"); r.Headers["kind"] != "chat" || r.Headers["content-type"] != "text/x" || r.Headers["receipt"] != "" {
		c.t.Errorf("a SEND came with %q", r.Headers)
	}
	long := strings.Repeat("0123456789 äöü 世界\n", 50<<10/26)
	c.do("send", fields{"destination": dest, "body": long, "headers": fields{"receipt": "s-2"}})
	c.both("sent", long, "s-2")
	c.do("send", fields{"destination": "/app/nobody", "body": "lost", "headers": fields{"receipt": "s-3"}})
	c.wantReceipt("s-3")
	if c.library.name == modern && c.library.binary {
		bytes := make([]byte, 20<<10)
		for i := range bytes {
			bytes[i] = byte(i * 7)
		}
		c.do("send", fields{"destination": dest, "base64": base64Text(bytes)})
		if r := c.want("message"); r.Base64 != base64Text(bytes) {
			c.t.Errorf("binary: got %.300v", r)
		}
	}
}

func (c *conversation) transactions() {
	dest := "/topic/shop/sent/" + c.base[len("/topic/shop/"):]
	c.do("begin", fields{"id": "t-1"})
	c.do("send", fields{"destination": dest, "body": "aborted", "headers": fields{"transaction": "t-1"}})
	c.do("abort", fields{"id": "t-1"})
	c.do("begin", fields{"id": "t-2"})
	c.do("send", fields{"destination": dest, "body": "first", "headers": fields{"transaction": "t-2"}})
	c.do("send", fields{"destination": dest, "body": "before", "headers": fields{}})
	c.do("send", fields{"destination": dest, "body": "second", "headers": fields{"transaction": "t-2"}})
	c.do("commit", fields{"id": "t-2"})
	for _, body := range []string{"before", "first", "second"} {
		c.wantMessage("sent", body)
	}
}

func (c *conversation) acknowledges() {
	for _, mode := range []string{"auto", "client", "client-individual"} {
		id, dest := "ack-"+mode, c.base+"/ack/"+mode
		c.subscribe(id, dest, fields{"ack": mode})
		for _, body := range []string{"1", "2", "3"} {
			c.s.push(c.t, fields{"topic": dest, "payload": body})
			r := c.wantMessage(id, body)
			if hasAck := r.Headers["ack"] != ""; hasAck != (mode != "auto" && c.library.version == "1.2") {
				c.t.Errorf("%s: headers %q", mode, r.Headers)
			}
			switch body {
			case "1": // without a window nothing waits for it
			case "2":
				c.do("ack", fields{"id": id + "/" + r.Headers["message-id"]})
			default:
				if c.library.version != "1.0" {
					c.do("nack", fields{"id": id + "/" + r.Headers["message-id"]})
				}
			}
		}
	}
}

func (c *conversation) patterns() {
	c.subscribe("pattern", c.base+"/p/**", nil)
	c.subscribe("exact", c.base+"/p/q", nil)
	c.s.push(c.t, fields{"topic": c.base + "/p/q", "payload": "both"})
	seen := map[string]bool{}
	for range 2 {
		r := c.want("message")
		seen[r.Headers["subscription"]] = true
		if r.Body != "both" || r.Headers["destination"] != c.base+"/p/q" {
			c.t.Errorf("got %+v", r)
		}
	}
	if !seen["pattern"] || !seen["exact"] {
		c.t.Errorf("seen on %v only", seen)
	}
}

func (c *conversation) ownQueue() {
	c.subscribe("mine", "/user/queue/orders", nil)
	c.s.push(c.t, fields{"user": c.user, "destination": "/queue/orders", "payload": "yours"})
	if r := c.wantMessage("mine", "yours"); r.Headers["destination"] != "/user/queue/orders" {
		c.t.Errorf("got %q", r.Headers)
	}
}

func (c *conversation) unsubscribes() {
	c.do("unsubscribe", fields{"id": "exact"})
	c.do("send", fields{"destination": "/app/nobody", "headers": fields{"receipt": "gone"}})
	c.wantReceipt("gone")
	for _, body := range []string{"later", "last"} {
		c.s.push(c.t, fields{"topic": c.base + "/p/q", "payload": body})
		c.wantMessage("pattern", body)
	}
}

// lives waits until the connection has lived longer than a silence of three intervals, which ends one that owes
// heart-beats. STOMP 1.0 has none: such a client gets pings, whatever it asked for.
func (c *conversation) lives() {
	sign := "ping"
	if c.library.beats && c.library.version != "1.0" {
		sign = "beat"
	}
	for range 4 {
		c.take(sign, func(r report) bool {
			if r.Event == "close" {
				c.t.Fatalf("closed: %+v", r)
			}
			return r.Event == sign
		})
	}
}

func (c *conversation) leaves() {
	c.do("disconnect", nil)
	if c.library.name == modern {
		c.want("disconnected") // the receipt of its DISCONNECT came
		if r := c.want("close"); r.Code != 1000 {
			c.t.Errorf("closed with %d %q", r.Code, r.Reason)
		}
	}
	c.take("done", func(r report) bool { return r.Event == "done" })
	eventually(c.t, "the session ends", func() bool { return len(c.s.sessions(c.t, "shop", "shop-key", "?user="+c.user)) == 0 })
}

// TestAckWindow checks that ACKs are what the flow waits for, where a project wants it.
func TestAckWindow(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Set: []string{"projects.shop.ack_window=2"}})
	d := launch(t, "driver.js")
	for _, l := range []library{
		{name: modern, version: "1.2", protocol: "v12.stomp"},
		{name: modern, versions: []string{"1.1"}, version: "1.1", protocol: "v11.stomp"},
		{name: classic, version: "1.1", protocol: "v10.stomp"},
		{name: webstomp, version: "1.0", protocol: "v10.stomp"},
		{name: webstomp, version: "1.2", protocols: []string{"v12.stomp"}, protocol: "v12.stomp"},
	} {
		for _, mode := range []string{"client", "client-individual"} {
			t.Run(l.String()+"-"+mode, func(t *testing.T) {
				dest := "/topic/shop/window"
				c := conversation{t: t, s: s, library: l}
				c.actor = l.connect(t, s, d, t.Name(), nil)
				c.subscribe("w", dest, fields{"ack": mode})
				c.subscribe("free", dest, nil)
				var ids []string
				// message is the next one on the subscription w.
				message := func(body string) {
					t.Helper()
					r := c.take(body+" on w", func(r report) bool { return r.Event == "message" && r.Headers["subscription"] == "w" })
					if r.Body != body {
						t.Fatalf("got %+v, want %s", r, body)
					}
					ids = append(ids, "w/"+r.Headers["message-id"])
				}
				for _, body := range []string{"1", "2", "3", "4", "5"} {
					s.push(t, fields{"topic": dest, "payload": body})
					c.take(body, func(r report) bool { return r.Headers["subscription"] == "free" && r.Body == body })
				}
				message("1")
				message("2")
				if mode == "client" {
					c.do("ack", fields{"id": ids[1]}) // both
					message("3")
					message("4")
					c.do("ack", fields{"id": ids[2]})
				} else {
					c.do("ack", fields{"id": ids[1]})
					message("3")
					c.do("ack", fields{"id": ids[0]})
					message("4")
					if l.version == "1.0" {
						c.do("ack", fields{"id": ids[2]})
					} else {
						c.do("nack", fields{"id": ids[2]}) // frees as well
					}
				}
				message("5")
				c.do("disconnect", nil)
				c.take("done", func(r report) bool { return r.Event == "done" })
			})
		}
	}
}

// TestRefused checks what the libraries see when a client may not in: words by which the owner's clients know that
// they must not come back.
func TestRefused(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Set: []string{"projects.shop.anonymous=false"}})
	d := launch(t, "driver.js")
	good := s.Token(t, "shop", "ann")
	for _, l := range []library{
		{name: modern, version: "1.2", protocol: "v12.stomp"},
		{name: classic, version: "1.1", protocol: "v10.stomp"},
		{name: webstomp, version: "1.0", protocol: "v10.stomp"},
	} {
		for _, one := range []struct {
			what, code string
			headers    fields
			subscribe  string // with a good token
		}{
			{what: "none", code: "auth"},
			{what: "malformed", code: "auth", headers: fields{"token": "abc"}},
			{what: "forged", code: "auth", headers: fields{"token": good[:len(good)-4] + "AAAA"}},
			{what: "expired", code: "expired", headers: fields{"token": s.Token(t, "shop", "ann", "--exp", "-1s")}},
			{what: "unknown project", code: "auth", headers: fields{"token": good, "projectId": "nobody"}},
			{what: "forbidden destination", code: "forbidden", headers: fields{"token": good}, subscribe: "/topic/other/all"},
			{what: "denied send", code: "forbidden", headers: fields{"token": good}},
		} {
			t.Run(l.String()+"-"+one.what, func(t *testing.T) {
				a := l.open(t, s, d, t.Name(), one.headers)
				switch {
				case one.subscribe != "":
					a.want("connected")
					a.do("subscribe", fields{"id": "x", "destination": one.subscribe})
				case one.what == "denied send":
					a.want("connected")
					a.do("send", fields{"destination": "/topic/shop/denied/x", "body": "x", "headers": fields{}})
				}
				r := a.want("error")
				if !strings.HasPrefix(r.Headers["message"], "Failed to send message") || r.Headers["code"] != one.code {
					t.Errorf("got %q", r.Headers)
				}
				if r := a.want("close"); r.Code != 1002 {
					t.Errorf("closed with %d %q", r.Code, r.Reason)
				}
			})
		}
	}
	for code, want := range map[string]float64{"auth": 12, "expired": 3} {
		if n := s.Metric(t, fmt.Sprintf(`stentor_auth_failures_total{code="%s"}`, code)); n != want {
			t.Errorf("%v failures of code %s were counted, want %v", n, code, want)
		}
	}
}
