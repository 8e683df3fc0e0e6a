package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"stentor/engine/websocket"
	"stentor/stomp"
)

// The cases of sockjs-protocol 0.3.3, which is a program in Python 2 for a server that echoes. Here a project's destinations echo:
// SEND is a push to who subscribed. Those of jsonp, htmlfile, iframes and cookies are left out: there are none.

// sockjsURL is an endpoint of a server, as the cases want it.
type sockjsURL struct {
	t    *testing.T
	base string
	sent int // sessions so far
}

func newSockJSURL(t *testing.T, s *server) *sockjsURL {
	return &sockjsURL{t: t, base: "http://" + s.Client + "/ws"}
}

// reply is an answer of HTTP.
type reply struct {
	status int
	header http.Header
	body   string
}

// do makes a request. headers are names and values.
func (u *sockjsURL) do(method, path, body string, headers ...string) reply {
	u.t.Helper()
	r := u.open(method, path, body, headers...)
	text, err := io.ReadAll(r.Body)
	_ = r.Body.Close()
	if err != nil {
		u.t.Fatalf("%s %s: %v", method, path, err)
	}
	return reply{r.StatusCode, r.Header, string(text)}
}

func (u *sockjsURL) open(method, path, body string, headers ...string) *http.Response {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(u.t.Context(), patience)
	u.t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, method, u.base+path, strings.NewReader(body))
	if err != nil {
		u.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		u.t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer
}

// want is do that has to have this status and body; "*" is any.
func (u *sockjsURL) want(status int, body, method, path, sent string, headers ...string) reply {
	u.t.Helper()
	r := u.do(method, path, sent, headers...)
	if r.status != status || body != "*" && r.body != body {
		u.t.Fatalf("%s %s is answered with %d %.300q, want %d %.300q", method, path, r.status, r.body, status, body)
	}
	return r
}

// path is that of a new session.
func (u *sockjsURL) path() string {
	u.sent++
	return fmt.Sprintf("/000/%s-%d", strings.ToLower(regexp.MustCompile(`\W+`).ReplaceAllString(u.t.Name(), "-")), u.sent)
}

// A channel is a session over polling that is subscribed to a destination of its own, which echoes.
type channel struct {
	u           *sockjsURL
	path        string
	destination string
}

// channel opens one.
func (u *sockjsURL) channel() *channel {
	u.t.Helper()
	c := &channel{u: u, path: u.path()}
	u.want(200, "o\n", "POST", c.path+"/xhr", "")
	c.join(func() string { return u.do("POST", c.path+"/xhr", "").body })
	return c
}

// join connects and subscribes; next is what the session receives next.
func (c *channel) join(next func() string) {
	c.u.t.Helper()
	c.destination = "/topic/shop/sent" + c.path
	c.send(stompText(stomp.Connect, "", "accept-version", "1.2", "projectId", "shop"))
	if got := next(); !strings.HasPrefix(got, `a["CONNECTED\n`) {
		c.u.t.Fatalf("got %.300q", got)
	}
	c.send(stompText(stomp.Subscribe, "", "id", "e", "destination", c.destination, "receipt", "r"))
	if got := next(); !strings.HasPrefix(got, `a["RECEIPT\n`) {
		c.u.t.Fatalf("got %.300q", got)
	}
}

// stompText is a STOMP frame as a text.
func stompText(command stomp.Command, body string, headers ...string) string {
	return string(frame(stomp.V12, command, []byte(body), headers...))
}

func quoted(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err) // of a string
	}
	return string(b)
}

// send sends messages with one xhr_send.
func (c *channel) send(messages ...string) {
	c.u.t.Helper()
	for i, m := range messages {
		messages[i] = quoted(m)
	}
	c.u.want(204, "", "POST", c.path+"/xhr_send", "["+strings.Join(messages, ",")+"]")
}

// echo sends a body.
func (c *channel) echo(body string) {
	c.u.t.Helper()
	c.send(stompText(stomp.Send, body, "destination", c.destination))
}

// wantEcho checks that a frame of SockJS has one STOMP frame with this body.
func wantEcho(t *testing.T, got, body string) {
	t.Helper()
	var texts []string
	if err := json.Unmarshal([]byte(strings.TrimPrefix(got, "a")), &texts); !strings.HasPrefix(got, "a[") || err != nil || len(texts) != 1 ||
		!strings.HasPrefix(texts[0], "MESSAGE\n") || !strings.HasSuffix(texts[0], "\n\n"+body+"\x00") {
		t.Fatalf("got %.400q, want an echo of %.300q: %v", got, body, err)
	}
}

// poll is the next frame by polling.
func (c *channel) poll() string {
	c.u.t.Helper()
	return strings.TrimSuffix(c.u.want(200, "*", "POST", c.path+"/xhr", "").body, "\n")
}

// A streaming response.
type streaming struct {
	t *testing.T
	*http.Response
	lines *bufio.Reader
	end   string // of a line
}

func (u *sockjsURL) stream(method, path string, headers ...string) *streaming {
	u.t.Helper()
	r := u.open(method, path, "", headers...)
	u.t.Cleanup(func() { _ = r.Body.Close() })
	return &streaming{u.t, r, bufio.NewReader(r.Body), "\n"}
}

// next is the next line, "" at the end of the response.
func (s *streaming) next() string {
	s.t.Helper()
	line, err := s.lines.ReadString('\n')
	if err != nil && (err != io.EOF || line != "") {
		s.t.Fatalf("%q, %v", line, err)
	}
	return line
}

func (s *streaming) want(line string) {
	s.t.Helper()
	if got := s.next(); got != line {
		s.t.Fatalf("got %.300q, want %.300q", got, line)
	}
}

// origin is one that the endpoint allows.
const origin = "http://localhost:8000"

func wantCORS(t *testing.T, r reply, origin string) {
	t.Helper()
	if r.header.Get("Access-Control-Allow-Origin") != origin || r.header.Get("Access-Control-Allow-Credentials") != "true" || !strings.Contains(strings.Join(r.header.Values("Vary"), ","), "Origin") {
		t.Errorf("CORS for %s: %v", origin, r.header)
	}
}

func wantType(t *testing.T, r reply, want string) {
	t.Helper()
	if got := strings.ReplaceAll(r.header.Get("Content-Type"), " ", ""); !strings.EqualFold(got, want) {
		t.Errorf("the content type is %q, want %q", got, want)
	}
}

func wantUncached(t *testing.T, r reply) {
	t.Helper()
	if !strings.Contains(r.header.Get("Cache-Control"), "no-store") || r.header.Get("Expires") != "" || r.header.Get("Last-Modified") != "" {
		t.Errorf("it may be cached: %v", r.header)
	}
}

// wantOptions checks a preflight.
func (u *sockjsURL) wantOptions(path, methods string) {
	u.t.Helper()
	for _, from := range []string{origin, "null"} {
		r := u.do("OPTIONS", path, "", "Origin", from, "Access-Control-Request-Method", methods, "Access-Control-Request-Headers", "a, b, c")
		if r.status != 204 && r.status != 200 || r.body != "" {
			u.t.Errorf("OPTIONS %s: %d %q", path, r.status, r.body)
		}
		wantCORS(u.t, r, from)
		cache, age := r.header.Get("Cache-Control"), r.header.Get("Access-Control-Max-Age")
		if !strings.Contains(cache, "public") || !regexp.MustCompile(`max-age=[1-9]\d{6}`).MatchString(cache) || !regexp.MustCompile(`^[1-9]\d{6}`).MatchString(age) {
			u.t.Errorf("OPTIONS %s cannot be cached: %v", path, r.header)
		}
		for _, m := range strings.Split(methods, ", ") {
			if !strings.Contains(r.header.Get("Access-Control-Allow-Methods"), m) {
				u.t.Errorf("OPTIONS %s does not allow %s: %v", path, m, r.header)
			}
		}
		if got := r.header.Get("Access-Control-Allow-Headers"); got != "a, b, c" {
			u.t.Errorf("OPTIONS %s allows the headers %q", path, got)
		}
	}
}

func TestSockJSProtocol(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Config: strings.Replace(sockjsShop, "origins: [loopback]", `origins: [loopback, "null"]`, 1)})
	for name, check := range map[string]func(*sockjsURL){
		"greeting": func(u *sockjsURL) {
			for _, path := range []string{"", "/"} {
				wantType(u.t, u.want(200, "Welcome to SockJS!\n", "GET", path, ""), "text/plain;charset=UTF-8")
			}
			for _, path := range []string{"/a", "/a.html", "//", "///", "/a/a", "/a/a/", "/a/"} {
				u.want(404, "*", "GET", path, "")
			}
		},
		"info":               protocolInfo,
		"session URLs":       protocolURLs,
		"simple session":     protocolSession,
		"WebSocket's errors": protocolWebSocketErrors,
		"polling":            protocolPolling,
		"invalid JSON":       protocolInvalid,
		"xhr_streaming":      protocolStreaming,
		"eventsource":        protocolEventSource,
		"JSON encoding":      protocolEncoding,
		"abort":              protocolAbort,
		"HTTP":               func(u *sockjsURL) { protocolHTTP(u, s.Client) },
		"close":              func(u *sockjsURL) { protocolClose(u, s) },
		"WebSocket":          func(u *sockjsURL) { protocolWebSocket(u, s) },
		"what there is not": func(u *sockjsURL) {
			for _, path := range []string{"/iframe.html", "/iframe-1.html", "/000/a/htmlfile?c=a", "/000/a/jsonp?c=a"} {
				u.want(404, "*", "GET", path, "")
			}
			u.want(405, "*", "POST", "/000/a/jsonp_send", "d=%5B%5D")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(newSockJSURL(t, s))
		})
	}
}

func protocolInfo(u *sockjsURL) {
	r := u.want(200, "*", "GET", "/info", "", "Origin", origin)
	wantType(u.t, r, "application/json;charset=UTF-8")
	wantUncached(u.t, r)
	wantCORS(u.t, r, origin)
	entropy := map[string]bool{}
	for range 2 {
		var info struct {
			WebSocket bool `json:"websocket"`
			Cookie    bool `json:"cookie_needed"`
			Origins   []string
			Entropy   json.Number
		}
		if err := json.Unmarshal([]byte(u.do("GET", "/info", "").body), &info); err != nil {
			u.t.Fatal(err)
		}
		if n, err := info.Entropy.Int64(); err != nil || n < 0 || n >= 1<<32 || !info.WebSocket || info.Cookie || len(info.Origins) != 1 || info.Origins[0] != "*:*" {
			u.t.Errorf("%+v", info)
		}
		entropy[info.Entropy.String()] = true
	}
	if len(entropy) != 2 {
		u.t.Error("the entropy has none")
	}
	u.wantOptions("/info", "OPTIONS, GET")
}

func protocolURLs(u *sockjsURL) {
	for _, path := range []string{"/a/a-session", "/_/__session", "/1/12345678", "/abcdefgh_i-j%20/abcdefg_i-j%20"} {
		u.want(200, "o\n", "POST", path+"/xhr", "")
	}
	u.want(404, "*", "POST", "/a/a/xhr", "") // the protocol takes any id; but whoever guesses one has the session
	for _, path := range []string{"//", "/a./a", "/a/a.", "/./.", "/", "///"} {
		u.want(404, "*", "GET", path+"/xhr", "")
		if r := u.do("POST", path+"/xhr", ""); r.status != 404 && r.status != 405 {
			u.t.Errorf("POST %s: %d", path, r.status)
		}
	}
	// A session is known by its id alone.
	c := u.channel()
	c.echo("a")
	c.path = strings.Replace(c.path, "/000/", "/999/", 1)
	wantEcho(u.t, c.poll(), "a")
}

func protocolSession(u *sockjsURL) {
	c := u.channel()
	c.echo("a")
	wantEcho(u.t, c.poll(), "a")
	u.want(404, "*", "POST", "/000/bad_session/xhr_send", `["a"]`)
	first := u.stream("POST", c.path+"/xhr_streaming")
	first.next() // the prelude
	c.echo("b")
	wantEcho(u.t, strings.TrimSuffix(first.next(), "\n"), "b") // so it is the session's receiver
	u.want(200, "c[2010,\"Another connection still open\"]\n", "POST", c.path+"/xhr", "")
	c.echo("c")
	wantEcho(u.t, strings.TrimSuffix(first.next(), "\n"), "c")
}

func protocolWebSocketErrors(u *sockjsURL) {
	u.want(426, "*", "GET", "/0/0/websocket", "") // the protocol's 400 says less
	u.want(400, "*", "GET", "/0/0/websocket", "", "Upgrade", "WebSocket", "Connection", "close")
	for _, headers := range [][]string{nil, {"Upgrade", "WebSocket", "Connection", "Upgrade"}} {
		if r := u.want(405, "*", "POST", "/0/0/websocket", "", headers...); r.header.Get("Allow") == "" {
			u.t.Errorf("405 without what is allowed: %v", r.header)
		}
	}
}

func protocolPolling(u *sockjsURL) {
	for _, path := range []string{"/abc/abc/xhr", "/abc/abc/xhr_send"} {
		u.wantOptions(path, "OPTIONS, POST")
		r := u.do("OPTIONS", path, "", "Origin", origin, "Access-Control-Request-Method", "POST")
		if got := r.header.Get("Access-Control-Allow-Headers"); got != "" {
			u.t.Errorf("headers %q that nobody asked for are allowed", got)
		}
	}
	path := u.path()
	r := u.want(200, "o\n", "POST", path+"/xhr", "", "Origin", origin)
	wantType(u.t, r, "application/javascript;charset=UTF-8")
	wantCORS(u.t, r, origin)
	wantUncached(u.t, r)
	r = u.want(204, "", "POST", path+"/xhr_send", `["\n"]`, "Origin", origin)
	wantType(u.t, r, "text/plain;charset=UTF-8")
	wantCORS(u.t, r, origin)
	wantUncached(u.t, r)
	u.want(404, "*", "POST", "/000/nobody/xhr_send", `["x"]`)
	u.want(204, "", "POST", path+"/xhr_send", `[]`)
	for _, kind := range []string{"text/plain", "T", "application/json", "application/xml", "", "application/json; charset=utf-8", "text/xml; charset=utf-8", "text/xml"} {
		u.want(204, "", "POST", path+"/xhr_send", `["\n"]`, "Content-Type", kind)
	}

	// What came meanwhile comes with one poll or with several, in order.
	c := u.channel()
	var want []string
	for i := range 10 {
		want = append(want, fmt.Sprint(i))
		c.echo(fmt.Sprint(i))
	}
	for len(want) > 0 {
		for line := range strings.Lines(u.want(200, "*", "POST", c.path+"/xhr", "").body) {
			var texts []string
			if err := json.Unmarshal([]byte(strings.TrimPrefix(line, "a")), &texts); err != nil {
				u.t.Fatalf("%q: %v", line, err)
			}
			for _, text := range texts {
				if !strings.HasSuffix(text, "\n\n"+want[0]+"\x00") {
					u.t.Fatalf("got %q, want %s", text, want[0])
				}
				want = want[1:]
			}
		}
	}
}

func protocolInvalid(u *sockjsURL) {
	c := u.channel()
	for body, want := range map[string]string{`["x`: "Broken JSON encoding.", ``: "Payload expected.", `[1]`: "Broken JSON encoding.", `{}`: "Broken JSON encoding."} {
		if r := u.want(500, "*", "POST", c.path+"/xhr_send", body); !strings.Contains(r.body, want) {
			u.t.Errorf("%q is answered with %q", body, r.body)
		}
	}
	c.echo("a")
	wantEcho(u.t, c.poll(), "a")
}

const prelude = 2048

func protocolStreaming(u *sockjsURL) {
	u.wantOptions("/abc/abc/xhr_streaming", "OPTIONS, POST")
	c := &channel{u: u, path: u.path()}
	s := u.stream("POST", c.path+"/xhr_streaming", "Origin", origin)
	r := reply{s.StatusCode, s.Header, ""}
	wantType(u.t, r, "application/javascript;charset=UTF-8")
	wantCORS(u.t, r, origin)
	wantUncached(u.t, r)
	s.want(strings.Repeat("h", prelude) + "\n")
	s.want("o\n")
	c.join(s.next)
	c.echo("x")
	wantEcho(u.t, strings.TrimSuffix(s.next(), "\n"), "x")

	// A response ends after 128 KiB, and the next one goes on.
	body, total := strings.Repeat("x", 10_000), 0
	for n := 1; ; n++ {
		c.echo(body)
		line := s.next()
		if line == "" {
			if total < 128<<10 || total > 160<<10 {
				u.t.Errorf("the response ends after %d bytes", total)
			}
			break
		}
		wantEcho(u.t, strings.TrimSuffix(line, "\n"), body)
		if total += len(line); n > 20 {
			u.t.Fatalf("the response does not end after %d bytes", total)
		}
	}
	s = u.stream("POST", c.path+"/xhr_streaming")
	s.want(strings.Repeat("h", prelude) + "\n")
	wantEcho(u.t, strings.TrimSuffix(s.next(), "\n"), body)
}

func protocolEventSource(u *sockjsURL) {
	c := &channel{u: u, path: u.path()}
	s := u.stream("GET", c.path+"/eventsource")
	r := reply{s.StatusCode, s.Header, ""}
	if kind, _, _ := strings.Cut(s.Header.Get("Content-Type"), ";"); kind != "text/event-stream" {
		u.t.Errorf("the content type is %q", kind)
	}
	wantUncached(u.t, r)
	s.want("\r\n")
	next := func() string {
		line, ok := strings.CutPrefix(s.next(), "data: ")
		if line == "" {
			return ""
		}
		if end := s.next(); !ok || end != "\r\n" || !strings.HasSuffix(line, "\r\n") {
			u.t.Fatalf("%q, %q", line, end)
		}
		return strings.TrimSuffix(line, "\r\n")
	}
	if got := next(); got != "o" {
		u.t.Fatalf("got %q", got)
	}
	c.join(next)
	c.echo("x")
	wantEcho(u.t, next(), "x")
	c.echo("  \x01\n\r ")
	got := next()
	wantEcho(u.t, got, "  \x01\n\r ")
	if !strings.Contains(got, `  \u0001\n\r `) {
		u.t.Errorf("%q is not escaped", got)
	}
	c.echo(strings.Repeat("x", 40_000))
	for n, line := 0, next(); line != ""; line = next() {
		if n += len(line); n > 200<<10 {
			u.t.Fatal("the response does not end")
		}
		c.echo(strings.Repeat("x", 40_000))
	}
}

// protocolEncoding: what browsers change on the way must be escaped, and everything that they escape is understood.
func protocolEncoding(u *sockjsURL) {
	var killer, escaped strings.Builder
	for r := rune(1); r < 0x10000; r++ {
		if r < 0x20 || r >= 0x200c && r <= 0x200f || r >= 0x2028 && r <= 0x202f || r >= 0x2060 && r <= 0x206f || r >= 0xfff0 {
			killer.WriteRune(r)
		}
	}
	c := u.channel()
	c.echo(killer.String())
	got := c.poll()
	wantEcho(u.t, got, killer.String())
	for _, r := range got {
		if r < 0x20 || r >= 0x200c && r <= 0x200f || r >= 0x2028 && r <= 0x202f || r >= 0x2060 && r <= 0x206f || r >= 0xfff0 {
			u.t.Errorf("%U is not escaped", r)
		}
	}
	all := ""
	for r := rune(1); r < 0x3000; r++ {
		if utf8.ValidRune(r) {
			all += string(r)
		}
	}
	all += "🎉 \U0010ffff"
	for _, r := range stompText(stomp.Send, all, "destination", c.destination) {
		for _, unit := range utf16(r) {
			fmt.Fprintf(&escaped, `\u%04X`, unit)
		}
	}
	u.want(204, "", "POST", c.path+"/xhr_send", `["`+escaped.String()+`"]`)
	wantEcho(u.t, c.poll(), all)
}

func utf16(r rune) []uint16 {
	if r < 0x10000 {
		return []uint16{uint16(r)}
	}
	r -= 0x10000
	return []uint16{0xd800 + uint16(r>>10), 0xdc00 + uint16(r&0x3ff)}
}

// protocolAbort: a receiver that breaks ends the session, or is followed by another one; what a new one gets is no message of the
// middle.
func protocolAbort(u *sockjsURL) {
	path := u.path()
	s := u.stream("POST", path+"/xhr_streaming")
	s.next()
	s.want("o\n")
	second := u.stream("POST", path+"/xhr_streaming")
	second.next()
	second.want("c[2010,\"Another connection still open\"]\n")
	second.want("")
	_ = s.Body.Close()
	eventually(u.t, "the session is free again", func() bool {
		third := u.stream("POST", path+"/xhr_streaming")
		third.next()
		defer third.Body.Close()
		line, err := third.lines.ReadString('\n')
		switch line {
		case "o\n", "c[1002,\"Connection interrupted\"]\n":
			return true
		case "c[2010,\"Another connection still open\"]\n":
			return false
		}
		u.t.Fatalf("got %q, %v", line, err)
		return false
	})
}

// protocolClose: who was closed is told so until the session is forgotten, by any transport.
func protocolClose(u *sockjsURL, s *server) {
	c := &channel{u: u, path: u.path()}
	stream := u.stream("POST", c.path+"/xhr_streaming")
	stream.next()
	stream.want("o\n")
	c.send(stompText(stomp.Connect, "", "accept-version", "1.2", "projectId", "shop", "login", "x"))
	connected := stream.next()
	id := regexp.MustCompile(`\\nsession:(.*?)\\n`).FindStringSubmatch(connected)
	if id == nil {
		u.t.Fatal(connected)
	}
	s.Must(u.t, http.MethodDelete, "/v1/projects/shop/sessions/"+url.PathEscape(id[1])+"?reason=bye", "shop-key", nil)
	const closed = "c[1008,\"closed by an operator: bye\"]\n"
	stream.want(closed)
	stream.want("")
	for range 2 {
		u.want(200, closed, "POST", c.path+"/xhr", "")
	}
	again := u.stream("POST", c.path+"/xhr_streaming")
	again.next()
	again.want(closed)
	again.want("")
}

// protocolWebSocket: SockJS over WebSocket, and the WebSocket without SockJS.
func protocolWebSocket(u *sockjsURL, s *server) {
	path := strings.TrimPrefix(u.path(), "/000")
	open := func(path string) *peer {
		u.t.Helper()
		p := dial(u.t, s.Client)
		if err := p.upgrade(path); err != nil {
			u.t.Fatal(err)
		}
		return p
	}
	text := func(p *peer, want string) {
		u.t.Helper()
		if got, closed := p.whole(); closed || !strings.HasPrefix(got, want) {
			u.t.Fatalf("got %.300q, closed %v, want %q", got, closed, want)
		}
	}
	connect := `[` + quoted(stompText(stomp.Connect, "", "accept-version", "1.2", "projectId", "shop")) + `]`
	first, second := open("/ws/000"+path+"/websocket"), open("/ws/000"+path+"/websocket") // one id for two is no mistake here
	for _, p := range []*peer{first, second} {
		text(p, "o")
		for _, message := range []string{"", "[]", connect} {
			p.must(p.text(message))
		}
		text(p, `a["CONNECTED\n`)
	}
	first.must(first.text(quoted(stompText(stomp.Subscribe, "", "id", "e", "destination", "/topic/shop/all", "receipt", "r")))) // a string, and no array
	text(first, `a["RECEIPT\n`)
	second.must(second.text(`["a`))
	for {
		got, closed := second.whole()
		if closed {
			break
		}
		if !strings.HasPrefix(got, "c[") && !strings.HasPrefix(got, `a["ERROR`) {
			u.t.Fatalf("broken JSON is answered with %q", got)
		}
	}
	plain := open("/ws/websocket")
	plain.must(plain.text(stompText(stomp.Connect, "", "accept-version", "1.2", "projectId", "shop")))
	text(plain, "CONNECTED\n")
}

// whole is the next message, or that the server closed.
func (p *peer) whole() (text string, closed bool) {
	for {
		ev, n, err := p.reader.Next(p.raw, 64<<20)
		p.must(err)
		p.raw = p.raw[n:]
		switch {
		case ev.Kind == websocket.Close:
			return "", true
		case ev.Kind == websocket.Data:
			p.message = append(p.message, ev.Payload...)
			if ev.Final {
				text, p.message = string(p.message), nil
				return text, false
			}
		case n == 0:
			p.must(p.read())
		}
	}
}

// protocolHTTP: connections that are kept, and HTTP/1.0.
func protocolHTTP(u *sockjsURL, address string) {
	dial := func() (net.Conn, *bufio.Reader) {
		c, err := net.Dial("tcp", address)
		if err != nil {
			u.t.Fatal(err)
		}
		u.t.Cleanup(func() { _ = c.Close() })
		_ = c.SetDeadline(time.Now().Add(patience))
		return c, bufio.NewReader(c)
	}
	exchange := func(c net.Conn, r *bufio.Reader, request string) (*http.Response, string) {
		u.t.Helper()
		if _, err := io.WriteString(c, request); err != nil {
			u.t.Fatal(err)
		}
		answer, err := http.ReadResponse(r, nil)
		if err != nil {
			u.t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			u.t.Fatal(err)
		}
		return answer, string(text)
	}
	path := u.path()
	c, r := dial()
	post := func(suffix, body string) string {
		return fmt.Sprintf("POST /ws%s%s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s", path, suffix, address, len(body), body)
	}
	for _, one := range []struct {
		request string
		status  int
		body    string
	}{
		{post("/xhr", ""), 200, "o\n"},
		{post("/xhr_send", `["\n"]`), 204, ""},
		{post("/xhr_send", `["`), 500, "Broken JSON encoding.\n"},
		{post("/xhr_send", `["\n"]`), 204, ""},
	} {
		answer, body := exchange(c, r, one.request)
		if answer.StatusCode != one.status || strings.TrimSpace(body) != strings.TrimSpace(one.body) || answer.Close {
			u.t.Errorf("%q on a kept connection: %d %q, closed %v", one.request, answer.StatusCode, body, answer.Close)
		}
	}
	c, r = dial()
	if answer, body := exchange(c, r, "GET /ws HTTP/1.0\r\nHost: "+address+"\r\nConnection: Keep-Alive\r\n\r\n"); answer.StatusCode != 200 || body != "Welcome to SockJS!\n" || len(answer.TransferEncoding) > 0 {
		u.t.Errorf("%+v %q", answer, body)
	}
	c, r = dial()
	path = u.path()
	if _, err := io.WriteString(c, strings.Replace(post("/xhr_streaming", ""), "HTTP/1.1", "HTTP/1.0", 1)); err != nil {
		u.t.Fatal(err)
	}
	answer, err := http.ReadResponse(r, nil)
	if err != nil || answer.StatusCode != 200 || len(answer.TransferEncoding) > 0 || answer.ContentLength >= 0 {
		u.t.Fatalf("%+v, %v", answer, err)
	}
	lines := bufio.NewReader(answer.Body)
	for _, want := range []string{strings.Repeat("h", prelude) + "\n", "o\n"} {
		if got, err := lines.ReadString('\n'); err != nil || got != want {
			u.t.Fatalf("%.50q, %v", got, err)
		}
	}
}
