//go:build clients

package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"stentor/engine/testkit"
	"stentor/engine/testkit/certificate"
	"stentor/stomp"
)

// Real clients with permessage-deflate at a node: Node's package ws, Chromium, Python's websockets, Java-WebSocket. Each is a
// program that opens WebSockets and sends and reports messages; STOMP is spoken here, so that all say the same.

// compressingShop is the configuration of tests with compression.
const compressingShop = shop + `
endpoints:
  - {path: /ws, compression: true, sockjs: true, origins: [loopback]}
  - {path: /plain, origins: [loopback]}
`

const agreed = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

// A wsClient is a client of WebSockets.
type wsClient struct {
	name   string
	launch func(t *testing.T, page, authority string) *script // page is one to open in browsers; authority signed the node's certificate
	// What it is not able to do.
	noFragments bool
}

var wsClients = []wsClient{
	{name: "ws", launch: func(t *testing.T, _, authority string) *script {
		return launchWith(t, []string{"NODE_EXTRA_CA_CERTS=" + authority}, "sockets.js")
	}},
	{name: "Chromium", noFragments: true, launch: func(t *testing.T, page, _ string) *script {
		return browseWith(t, []string{"HOME=" + os.Getenv("TRUSTING_HOME")}, "sockets_page.js", page).script
	}},
	{name: "websockets", launch: func(t *testing.T, _, authority string) *script {
		return launchProgram(t, []string{"PYTHONPATH=" + filepath.Join("python", "site"), "SSL_CERT_FILE=" + authority}, "python3", filepath.Join("python", "sockets.py"))
	}},
	{name: "Java-WebSocket", launch: func(t *testing.T, _, _ string) *script {
		return launchProgram(t, nil, "java", "-XX:TieredStopAtLevel=1", "-cp", javaPath(t), filepath.Join("java", "Sockets.java"))
	}},
}

// javaPath is where the classes of java/pom.xml are.
func javaPath(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "classpath")
	testkit.Maven(t, "java", "dependency:build-classpath", "-Dmdep.outputFile="+file)
	path, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(path)
}

// stomper is a STOMP client over a WebSocket of such a client.
type stomper struct {
	*actor
	decoder stomp.Decoder
}

// open opens a WebSocket, whose handshake has to be answered with these extensions.
func (c *stomper) open(url, extensions string, more fields) {
	c.t.Helper()
	all := fields{"url": url}
	for name, value := range more {
		all[name] = value
	}
	c.do("open", all)
	r := c.want("open")
	// Chromium shows the extensions as it would have written them.
	if r.Protocol != "v12.stomp" || strings.ReplaceAll(r.Reason, "; ", ";") != strings.ReplaceAll(extensions, "; ", ";") {
		c.t.Fatalf("%s: the answer has the protocol %q and the extensions %q, want %q", c.name, r.Protocol, r.Reason, extensions)
	}
}

// send sends a frame.
func (c *stomper) send(command stomp.Command, body []byte, headers ...string) {
	c.t.Helper()
	c.sendIn(1, command, body, headers...)
}

// sendIn sends a frame in several fragments.
func (c *stomper) sendIn(fragments int, command stomp.Command, body []byte, headers ...string) {
	c.t.Helper()
	text := frame(stomp.V12, command, body, headers...)
	c.do("send", fields{"base64": base64Text(text), "binary": !utf8.Valid(text), "fragments": fragments})
}

// frame is the next frame that the client gets, but for heart-beats.
func (c *stomper) frame(want stomp.Command) (headers map[string]string, body []byte) {
	c.t.Helper()
	for {
		r := c.want("message")
		text, err := base64.StdEncoding.DecodeString(r.Base64)
		if err != nil {
			c.t.Fatal(err)
		}
		if string(text) == "\n" {
			continue
		}
		var f stomp.Frame
		var p stomp.Progress
		n, err := c.decoder.Decode(text, stomp.V12, &stomp.Limits{}, &p, &f)
		if err != nil || n != len(text) || f.Command != want {
			c.t.Fatalf("%s: got %.300q (%v), want %v", c.name, text, err, want)
		}
		if r.Binary == utf8.Valid(text) {
			c.t.Errorf("%s: a binary message is %v: %.100q", c.name, r.Binary, text)
		}
		headers = map[string]string{}
		for _, h := range f.Headers {
			headers[string(h.Name)] = string(h.Value)
		}
		return headers, append([]byte(nil), f.Body...)
	}
}

// connect sends CONNECT.
func (c *stomper) connect(token string) {
	c.t.Helper()
	c.send(stomp.Connect, nil, "accept-version", "1.2", "host", "h", "token", token)
	c.frame(stomp.Connected)
}

// subscribe subscribes, and returns what the receipt says.
func (c *stomper) subscribe(id, destination string, headers ...string) map[string]string {
	c.t.Helper()
	c.send(stomp.Subscribe, nil, append([]string{"id", id, "destination", destination, "receipt", "r-" + id}, headers...)...)
	got, _ := c.frame(stomp.Receipt)
	return got
}

// gets are the next messages, one for each of these subscriptions, with this body.
func (c *stomper) gets(body []byte, ids ...string) (headers map[string]string) {
	c.t.Helper()
	seen := map[string]bool{}
	for range ids {
		var got []byte
		headers, got = c.frame(stomp.MessageCommand)
		if string(got) != string(body) {
			c.t.Fatalf("%s: got %d bytes %.100q, want %d bytes %.100q", c.name, len(got), got, len(body), body)
		}
		seen[headers["subscription"]] = true
	}
	for _, id := range ids {
		if !seen[id] {
			c.t.Errorf("%s: nothing came on %s", c.name, id)
		}
	}
	return headers
}

// orders is JSON as back ends send it, of some n bytes.
func orders(n int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	text := []byte(`[`)
	for len(text) < n {
		text = fmt.Appendf(text, `{"id":%d,"symbol":"ACME","price":%.2f,"note":"grüße 世界 🎉"},`, r.IntN(1e6), r.Float64()*1000)
	}
	return append(text, `{}]`...)
}

// blob is binary, and can be compressed.
func blob(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*i>>4) | 0x80
	}
	return b
}

// compression is a node's counts.
type compression struct {
	s *server
	t testing.TB
}

func (c compression) pushes(result string) float64 {
	return c.s.Metric(c.t, fmt.Sprintf(`stentor_compression_pushes_total{result=%q}`, result))
}

// worth counts the pushes that were compressed, or would have been if there were time: a machine that stands still uses it up.
func (c compression) worth() float64 { return c.pushes("compressed") + c.pushes("limited") }

func (c compression) handshakes(result string) float64 {
	return c.s.Metric(c.t, fmt.Sprintf(`stentor_compression_handshakes_total{result=%q}`, result))
}

func TestCompressionClients(t *testing.T) {
	dir := testkit.SocketDir(t)
	pair, authority, err := certificate.Issued()
	if err != nil {
		t.Fatal(err)
	}
	file, err := pair.Write(dir)
	if err != nil {
		t.Fatal(err)
	}
	authorityFile := filepath.Join(dir, "authority.pem")
	t.Setenv("TRUSTING_HOME", trustingHome(t, dir, authority)) // writes authorityFile
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("a page")) }))
	t.Cleanup(page.Close)
	for _, client := range wsClients {
		t.Run(client.name, func(t *testing.T) {
			script := client.launch(t, page.URL, authorityFile)
			for name, secure := range map[string]bool{"ws": false, "wss": true} {
				if secure && client.name == "Java-WebSocket" {
					continue // its TLS is that of the other clients in Java
				}
				t.Run(name, func(t *testing.T) {
					o := setup{Config: compressingShop, Set: []string{"history.bytes=64MiB"}}
					if secure {
						o.Client = "127.0.0.1:0 tls"
						o.Set = append(o.Set, "tls.certificates=[{cert: "+file+", key: "+file+".key}]")
					}
					talks(t, start(t, o), client, script, name)
				})
			}
			if client.name == "Chromium" {
				a := script.actor(t, "page")
				a.do("end", nil)
				a.want("end")
			}
		})
	}
}

// talks has a client do what every client with compression has to be able to do.
func talks(t *testing.T, s *server, client wsClient, d *script, name string) {
	url := s.Clients()
	counts := compression{s, t}
	c := &stomper{actor: d.actor(t, name)}
	c.open(url, agreed, nil)
	c.connect(s.Token(t, "shop", "ann"))
	if all := s.sessions(t, "shop", "shop-key", ""); len(all) != 1 || all[0].Transport != "websocket+deflate" {
		t.Errorf("listed as %+v", all)
	}

	const dest = "/topic/shop/sent/a"
	c.subscribe("one", dest)
	c.subscribe("a longer name", dest)
	both := []string{"one", "a longer name"}
	for _, push := range []struct {
		what string
		body []byte
		much bool // it is compressed
	}{
		{"200 bytes", orders(190), false},
		{"2 KB", orders(2 << 10), true},
		{"200 KB", orders(200 << 10), true},
		{"more than is compressed", orders(300 << 10), false},
		{"letters", []byte(strings.Repeat("grüße 世界 🎉 \u2028 ", 100)), true},
		{"binary", blob(5 << 10), true},
		{"much binary", blob(100 << 10), true},
	} {
		before := counts.worth()
		s.push(t, fields{"topic": dest, "payload_base64": base64Text(push.body)})
		c.gets(push.body, both...)
		if got := counts.worth() - before; (got == 1) != push.much {
			t.Errorf("%s: worth to be compressed %v times, of %d bytes", push.what, got, len(push.body))
		}
	}
	if counts.s.Metric(t, "stentor_compression_saved_bytes_total") < 200<<10 {
		t.Error("hardly anything was saved")
	}

	unpacked := s.Metric(t, "stentor_decompression_messages_total")
	for _, body := range [][]byte{orders(20 << 10), orders(30), blob(20 << 10), []byte(strings.Repeat("x", 60<<10))} {
		c.send(stomp.Send, body, "destination", dest)
		c.gets(body, both...)
	}
	if n := s.Metric(t, "stentor_decompression_messages_total") - unpacked; n < 4 {
		t.Errorf("the client sent %v of 4 messages compressed", n)
	}
	c.do("send", fields{}) // an empty message is a heart-beat
	body := orders(20 << 10)
	if !client.noFragments {
		for _, fragments := range []int{2, 5, 50} {
			c.sendIn(fragments, stomp.Send, body, "destination", dest)
			c.gets(body, both...)
		}
	}
	c.send(stomp.Send, body, "destination", dest)
	last := c.gets(body, both...)

	// It resumes after a drop.
	c.do("drop", nil)
	c.want("close")
	eventually(t, "the session ends", func() bool { return len(s.sessions(t, "shop", "shop-key", "")) == 0 })
	var missed [][]byte
	for i := range 5 {
		missed = append(missed, orders(3000+i), orders(100_000+i))
	}
	for _, body := range missed {
		s.push(t, fields{"topic": dest, "payload_base64": base64Text(body)}) // nobody wants them compressed
	}
	c = &stomper{actor: d.actor(t, name+" again")}
	c.open(url, agreed, nil)
	c.connect(s.Token(t, "shop", "ann"))
	if got := c.subscribe("one", dest, "last-message-id", last["message-id"]); got["resumed"] != "true" {
		t.Errorf("it resumed with %v", got)
	}
	for _, body := range missed {
		c.gets(body, "one")
	}

	// While it reads nothing, large and small pushes wait; then all come in order.
	c.do("pause", nil)
	c.want("paused")
	var waiting [][]byte
	for i := range 60 {
		waiting = append(waiting, noisy(200<<10+i, uint64(i)), orders(2000+i))
	}
	for _, body := range waiting {
		s.push(t, fields{"topic": dest, "payload_base64": base64Text(body)})
	}
	eventually(t, "pushes wait for the client", func() bool { return s.Metric(t, "stentor_subscriptions_detached") == 1 })
	c.do("go on", nil)
	for _, body := range waiting {
		c.gets(body, "one")
	}
	if n := s.Metric(t, "stentor_errors_total"); n != 0 {
		t.Errorf("%v ERRORs were sent", n)
	}
	c.send(stomp.Disconnect, nil, "receipt", "bye")
	c.frame(stomp.Receipt)
	c.do("close", nil)
	c.want("close")
}

// noisy is text that hardly can be compressed to less than a half.
func noisy(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(7, seed))
	b := make([]byte, n)
	for i := range b {
		b[i] = "0123456789abcdef"[r.IntN(16)]
	}
	return b
}

// TestCompressionOffers: what clients ask for, and what becomes of it. A client that is declined is served as any other.
func TestCompressionOffers(t *testing.T) {
	s := start(t, setup{Config: compressingShop})
	scripts := map[string]*script{}
	for _, client := range wsClients[:3] {
		if client.name != "Chromium" {
			scripts[client.name] = client.launch(t, "", "")
		}
	}
	const safari = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15"
	for i, offer := range []struct {
		path   string
		more   fields
		answer string
		result string
	}{
		{"/ws", nil, agreed, "agreed"},
		{"/ws", fields{"noTakeover": true}, agreed, "agreed"},
		{"/ws", fields{"serverWindow": 15}, agreed + "; server_max_window_bits=15", "agreed"},
		{"/ws", fields{"serverWindow": 10}, "", "window"},
		{"/ws", fields{"agent": safari}, "", "webkit"},
		{"/ws/websocket", nil, agreed, "agreed"},
		{"/ws/0/a/websocket", nil, "", ""},
		{"/plain", nil, "", ""},
	} {
		for name, script := range scripts {
			t.Run(fmt.Sprint(name, offer.path, offer.more), func(t *testing.T) {
				if name == "websockets" && offer.path == "/ws/0/a/websocket" {
					return
				}
				counts := compression{s, t}
				before := 0.0
				if offer.result != "" {
					before = counts.handshakes(offer.result)
				}
				c := &stomper{actor: script.actor(t, fmt.Sprint(name, i))}
				c.open(strings.TrimSuffix(s.Clients(), "/ws")+offer.path, offer.answer, offer.more)
				if offer.result != "" && counts.handshakes(offer.result) != before+1 {
					t.Errorf("not counted as %s", offer.result)
				}
				if strings.HasPrefix(offer.path, "/ws/0") {
					if r := c.want("message"); r.Base64 != base64Text([]byte("o")) {
						t.Errorf("SockJS opens with %q", r.Base64)
					}
					return
				}
				c.connect(s.Token(t, "shop", "ann"))
				c.subscribe("s", "/topic/shop/a")
				for _, body := range [][]byte{orders(2000), orders(100_000), blob(2000)} {
					s.push(t, fields{"topic": "/topic/shop/a", "payload_base64": base64Text(body)})
					c.gets(body, "s")
				}
				c.do("close", nil)
				c.want("close")
			})
		}
	}
}

// TestCompressionLibraries: the libraries can do what they can without compression.
func TestCompressionLibraries(t *testing.T) {
	s := start(t, setup{Config: compressingShop, Set: beating})
	converse(t, s, libraries)
	counts := compression{s, t}
	if n := counts.handshakes("agreed"); n != float64(len(libraries)) {
		t.Errorf("%v of %d agreed on compression", n, len(libraries))
	}
	if counts.pushes("compressed") == 0 || s.Metric(t, "stentor_decompression_messages_total") == 0 {
		t.Error("nothing was compressed")
	}
}

// TestCompressionInChromium: the STOMP libraries in pages.
func TestCompressionInChromium(t *testing.T) {
	s := start(t, setup{Config: compressingShop})
	page := browse(t, "sockjs_page.js", "http://"+s.Client+"/")
	for _, name := range []string{modern, classic} {
		t.Run(name, func(t *testing.T) {
			a := page.script.actor(t, name)
			dest := "/topic/shop/sent/" + name[len(name)-len("stompjs"):]
			a.do("connect", fields{
				"library": name, "page": "http://" + s.Client + "/ws", "destination": dest, "headers": fields{"token": s.Token(t, "shop", "ann")},
				"url": s.Clients(),
			})
			if r := a.want("open"); len(r.Texts) != 1 || !strings.HasPrefix(r.Texts[0], "permessage-deflate") {
				t.Errorf("it is open with %q", r.Texts)
			}
			a.want("connected")
			for _, body := range []string{"grüße 世界 🎉", string(orders(20 << 10))} {
				a.do("send", fields{"body": body})
				a.wantMessage("s", body)
			}
			for _, n := range []int{200, 2000, 200_000} {
				s.push(t, fields{"topic": dest, "payload": string(orders(n))})
				a.wantMessage("s", string(orders(n)))
			}
			a.do("close", nil)
			a.take("closed", func(r report) bool { return r.Event == "closed" })
		})
	}
	page.do("end", nil)
	page.want("end")
	if counts := (compression{s, t}); counts.pushes("compressed") < 4 || s.Metric(t, "stentor_decompression_messages_total") < 4 {
		t.Error("hardly anything was compressed")
	}
}

// TestCompressionSub: the command sub offers no compression, and gets what others get compressed.
func TestCompressionSub(t *testing.T) {
	s := start(t, setup{Config: compressingShop})
	d := wsClients[0].launch(t, "", "")
	c := &stomper{actor: d.actor(t, "beside it")}
	c.open(s.Clients(), agreed, nil)
	c.connect(s.Token(t, "shop", "ann"))
	c.subscribe("s", "/topic/shop/a")
	cmd := testkit.Command("sub", "--url", s.Clients(), "--project", "shop", "--token", s.Token(t, "shop", "bob"), "--json", "--count", "3", "/topic/shop/a")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both are subscribed", func() bool { return s.Metric(t, "stentor_subscriptions") == 2 })
	decoder := json.NewDecoder(out)
	for _, body := range [][]byte{orders(200), orders(2000), orders(200_000)} {
		s.push(t, fields{"topic": "/topic/shop/a", "payload": string(body)})
		c.gets(body, "s")
		var line struct{ Body string }
		if err := decoder.Decode(&line); err != nil || line.Body != string(body) {
			t.Fatalf("sub: %v %.100q, want %.100q", err, line.Body, body)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if n := (compression{s, t}).worth(); n != 2 {
		t.Errorf("%v pushes were worth to be compressed", n)
	}
}
