package websocket

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// sampleKey and sampleAccept are the example of RFC 6455 section 1.3.
const (
	sampleKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	sampleAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

const goodRequest = "GET /ws?projectId=shop&token=a.b.c HTTP/1.1\r\n" +
	"Host: push.example.com\r\n" +
	"Upgrade: websocket\r\n" +
	"Connection: keep-alive, Upgrade\r\n" +
	"Sec-WebSocket-Key: " + sampleKey + "\r\n" +
	"Sec-WebSocket-Version: 13\r\n" +
	"\r\n"

// outcome is what came of a handshake.
type outcome struct {
	n        int
	protocol string
	resp     string
	refusal  *Refusal
}

// handshakeIn feeds b in chunks of size bytes, until there is an outcome.
func handshakeIn(h *Handshaker, b []byte, size int) (o outcome) {
	for scanned := 0; ; {
		have := min(scanned+size, len(b))
		var resp []byte
		o.n, o.protocol, resp, o.refusal = h.Next(b[:have:have], scanned, []byte("dst"))
		o.resp = strings.TrimPrefix(string(resp), "dst")
		if o.n > 0 || o.refusal != nil || have == len(b) {
			return o
		}
		scanned = have
	}
}

func (o outcome) String() string {
	status := 0
	if o.refusal != nil {
		status = o.refusal.Status
	}
	return fmt.Sprintf("n=%d protocol=%q status=%d %q", o.n, o.protocol, status, o.resp)
}

// chunkSizes are tried with every handshake: whole, halved, one byte.
func chunkSizes(b []byte) []int { return []int{max(len(b), 1), len(b)/2 + 1, 7, 1} }

func TestHandshake(t *testing.T) {
	with := func(lines ...string) string {
		return strings.Replace(goodRequest, "\r\n\r\n", "\r\n"+strings.Join(lines, "\r\n")+"\r\n\r\n", 1)
	}
	without := func(name string) string {
		before, after, ok := strings.Cut(goodRequest, "\r\n"+name)
		if !ok {
			panic(name)
		}
		_, after, _ = strings.Cut(after, "\r\n")
		return before + "\r\n" + after
	}
	edit := func(from, to string) string {
		if !strings.Contains(goodRequest, from) {
			panic(from)
		}
		return strings.Replace(goodRequest, from, to, 1)
	}
	const accepted, more = 101, 0
	for _, c := range []struct {
		name     string
		request  string
		status   int
		protocol string
		answer   string // part of the answer
	}{
		{name: "plain", request: goodRequest, status: accepted},
		{name: "first of the client's protocols", request: with("Sec-WebSocket-Protocol: v10.stomp, v11.stomp, v12.stomp"), status: accepted, protocol: "v10.stomp"},
		{name: "first spoken protocol", request: with("Sec-WebSocket-Protocol: mqtt,v12.stomp ,v10.stomp"), status: accepted, protocol: "v12.stomp"},
		{name: "protocols on two lines", request: with("Sec-WebSocket-Protocol: mqtt", "Sec-WebSocket-Protocol: v11.stomp"), status: accepted, protocol: "v11.stomp"},
		{name: "spoken protocols on two lines", request: with("Sec-WebSocket-Protocol: v10.stomp", "Sec-WebSocket-Protocol: v12.stomp"), status: accepted, protocol: "v10.stomp"},
		{name: "protocol in another case", request: with("Sec-WebSocket-Protocol: V12.STOMP"), status: accepted},
		{name: "no protocol in common", request: with("Sec-WebSocket-Protocol: mqtt"), status: accepted},
		{name: "extension", request: with("Sec-WebSocket-Extensions: permessage-deflate"), status: accepted},
		{name: "names and tokens in any case", request: strings.NewReplacer("Upgrade: websocket", "UPGRADE:WebSocket", "keep-alive, Upgrade", "upgrade", "Sec-WebSocket-Key", "sec-websocket-key").Replace(goodRequest), status: accepted},
		{name: "white space around values", request: edit("Version: 13", "Version: \t 13 \t"), status: accepted},
		{name: "tab and bytes above ASCII in a value", request: with("User-Agent: a\tbücher und mehr\xFF"), status: accepted},
		{name: "empty value", request: with("X-Empty:"), status: accepted},
		{name: "long name", request: with(strings.Repeat("x", 100) + ": 1"), status: accepted},
		{name: "long name that begins like another", request: with("Sec-WebSocket-Version" + strings.Repeat("x", 20) + ": 1"), status: accepted},
		{name: "body of no bytes", request: with("Content-Length: 0"), status: accepted},
		{name: "absolute form", request: edit("/ws?", "http://other.example.com/ws?"), status: accepted},
		{name: "absolute form without a path", request: edit("/ws?", "http://other.example.com?"), status: accepted},
		{name: "header of 100 lines", request: with(repeatLine("X: 1", 95)...), status: accepted},

		{name: "nothing", request: "", status: more},
		{name: "no end", request: strings.TrimSuffix(goodRequest, "\n"), status: more},
		{name: "half a method", request: "GE", status: more},

		{name: "TLS", request: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", status: 400, answer: "wss://"},
		{name: "empty line first", request: "\r\n" + goodRequest, status: accepted},
		{name: "two empty lines first", request: "\r\n\r\n" + goodRequest, status: 400},
		{name: "empty line alone", request: "\r\n", status: more},
		{name: "bare CR first", request: "\r" + goodRequest, status: 400},
		{name: "bare LF first", request: "\n" + goodRequest, status: 400},
		{name: "empty line before HEAD", request: "\r\n" + edit("GET", "HEAD"), status: 405, answer: "\r\nAllow: GET\r\n"},
		{name: "space first", request: " " + goodRequest, status: 400},
		{name: "endless method", request: strings.Repeat("A", 40), status: 400},
		{name: "binary method", request: "G\x00T / HTTP/1.1", status: 400},
		{name: "no version", request: edit(" HTTP/1.1", ""), status: 400},
		{name: "HTTP/1.0", request: edit("HTTP/1.1", "HTTP/1.0"), status: 400, answer: "proxy_http_version 1.1"},
		{name: "HTTP/2", request: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", status: 400},
		{name: "space in the path", request: edit("/ws", "/w s"), status: 400, answer: "percent-encoded"},
		{name: "control byte in the path", request: edit("/ws", "/w\x01s"), status: 400},
		{name: "NUL in the path", request: edit("/ws", "/w\x00s"), status: 400},
		{name: "byte above ASCII in the path", request: edit("/ws", "/w\xFFs"), status: 400},
		{name: "fragment", request: edit("/ws", "/ws#a"), status: 400},
		{name: "no path", request: edit("/ws?", "?"), status: 400},
		{name: "asterisk", request: edit("/ws?projectId=shop&token=a.b.c", "*"), status: 400},
		{name: "empty path", request: edit("/ws?projectId=shop&token=a.b.c", ""), status: 400},
		{name: "absolute form without a host", request: edit("/ws?", "http:///ws?"), status: 400},
		{name: "absolute form with a user", request: edit("/ws?", "http://a@b/ws?"), status: 400},
		{name: "POST", request: edit("GET", "POST"), status: 405, answer: "\r\nAllow: GET\r\n"},
		{name: "HEAD", request: edit("GET", "HEAD"), status: 405, answer: "\r\nAllow: GET\r\n"},
		{name: "lower case method", request: edit("GET", "get"), status: 405},
		{name: "unheard-of method", request: edit("GET", "BREW"), status: 405},

		{name: "bare LF everywhere", request: strings.ReplaceAll(goodRequest, "\r\n", "\n"), status: 400, answer: "CR LF"},
		{name: "bare LF once", request: edit("websocket\r\n", "websocket\n"), status: 400, answer: "CR LF"},
		{name: "bare LF before the end", request: edit("13\r\n\r\n", "13\n\r\n"), status: 400, answer: "CR LF"},
		{name: "bare LF at the end", request: edit("13\r\n\r\n", "13\r\n\n"), status: 400, answer: "CR LF"},
		{name: "bare CR", request: edit("websocket\r\n", "websocket\r"), status: 400},
		{name: "CR in a value", request: with("X: a\rb"), status: 400, answer: "control character"},
		{name: "NUL in a value", request: with("X: a\x00b"), status: 400, answer: "control character"},
		{name: "NUL in a long value", request: with("X: a\t0123456789abc\x00def0123456789"), status: 400, answer: "control character"},
		{name: "DEL in a value", request: with("X: 0123456789\x7f0123456789"), status: 400, answer: "control character"},
		{name: "folded line", request: with("X: a", " b"), status: 400, answer: "one line"},
		{name: "folded line with a colon", request: with("X: a", "\tb: c"), status: 400, answer: "one line"},
		{name: "white space alone on a line", request: with(" "), status: 400},
		{name: "space before the colon", request: with("X : a"), status: 400},
		{name: "no colon", request: with("X"), status: 400},
		{name: "no name", request: with(": a"), status: 400},
		{name: "name with NUL", request: with("X\x00Y: a"), status: 400},
		{name: "name above ASCII", request: with("Ä: a"), status: 400},

		{name: "no host", request: without("Host"), status: 400, answer: "Host"},
		{name: "two hosts", request: with("Host: other.example.com"), status: 400, answer: "Host"},
		{name: "the same host twice", request: with("Host: push.example.com"), status: 400, answer: "Host"},
		{name: "empty host", request: edit("push.example.com", ""), status: 400, answer: "Host"},
		{name: "host with a space", request: edit("push.example.com", "a b"), status: 400, answer: "Host"},
		{name: "host with a path", request: edit("push.example.com", "a/b"), status: 400, answer: "Host"},
		{name: "host with a user", request: edit("push.example.com", "a@b"), status: 400, answer: "Host"},
		{name: "IPv6 host", request: edit("push.example.com", "[::1]:8080"), status: accepted},
		{name: "two origins", request: with("Origin: https://a", "Origin: https://b"), status: 400, answer: "Origin"},
		{name: "two authorizations", request: with("Authorization: Bearer a", "Authorization: Bearer b"), status: 400, answer: "Authorization"},
		{name: "body", request: with("Content-Length: 5"), status: 400, answer: "body"},
		{name: "body of a negative size", request: with("Content-Length: -0"), status: 400, answer: "body"},
		{name: "chunked body", request: with("Transfer-Encoding: chunked"), status: 400, answer: "body"},

		{name: "no upgrade", request: without("Upgrade"), status: 426, answer: "\r\nUpgrade: websocket\r\n"},
		{name: "another upgrade", request: edit("websocket", "h2c"), status: 426, answer: "\r\nConnection: close, Upgrade\r\n"},
		{name: "upgrade with a Kelvin sign", request: edit("websocket", "websoc\u212Aet"), status: 426},
		{name: "upgrade list", request: edit("websocket", "h2c, websocket"), status: accepted},
		{name: "no connection", request: without("Connection"), status: 400, answer: "Connection"},
		{name: "connection without upgrade", request: edit("keep-alive, Upgrade", "keep-alive"), status: 400, answer: "Connection"},
		{name: "connection on two lines", request: edit("Connection: keep-alive, Upgrade", "Connection: keep-alive\r\nConnection: Upgrade"), status: accepted},
		{name: "no version", request: without("Sec-WebSocket-Version"), status: 426, answer: "\r\nSec-WebSocket-Version: 13\r\n"},
		{name: "old version", request: edit("13", "8"), status: 426, answer: "\r\nSec-WebSocket-Version: 13\r\n"},
		{name: "two versions", request: edit("Version: 13", "Version: 8\r\nSec-WebSocket-Version: 13"), status: 400},
		{name: "no key", request: without("Sec-WebSocket-Key"), status: 400, answer: "Key"},
		{name: "short key", request: edit(sampleKey, "dGhlIHNhbXBsZSBub25j"), status: 400, answer: "Key"},
		{name: "key that is not base64", request: edit(sampleKey, "dGhlIHNhbXBsZSBub25*ZQ=="), status: 400, answer: "Key"},
		{name: "key of 17 bytes", request: edit(sampleKey, "dGhlIHNhbXBsZSBub25jZQE="), status: 400, answer: "Key"},
		{name: "two keys", request: with("Sec-WebSocket-Key: " + sampleKey), status: 400, answer: "Key"},

		{name: "header of 101 lines", request: with(repeatLine("X: 1", 96)...), status: 431},
		{name: "header too large", request: with("X: " + strings.Repeat("a", 4096)), status: 431},
		{name: "endless line", request: "GET /" + strings.Repeat("a", 5000), status: 431},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := Handshaker{Protocols: stompProtocols, MaxHeader: 4096}
			for _, size := range chunkSizes([]byte(c.request)) {
				in := []byte(c.request)
				o := handshakeIn(&h, in, size)
				if string(in) != c.request {
					t.Fatalf("by %d: the input was changed", size)
				}
				switch c.status {
				case more:
					if o != (outcome{}) {
						t.Errorf("by %d: %v", size, o)
					}
				case accepted:
					checkAccepted(t, o, len(c.request), c.protocol)
				default:
					checkRefused(t, o, c.status, c.answer)
				}
			}
		})
	}
}

func repeatLine(line string, n int) (lines []string) {
	for range n {
		lines = append(lines, line)
	}
	return lines
}

func checkAccepted(t *testing.T, o outcome, n int, protocol string) {
	t.Helper()
	if o.refusal != nil || o.n != n || o.protocol != protocol {
		t.Fatalf("%v, want protocol %q after %d bytes", o, protocol, n)
	}
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(o.resp)), nil)
	if err != nil {
		t.Fatal(err)
	}
	h := resp.Header
	if resp.StatusCode != 101 || h.Get("Upgrade") != "websocket" || h.Get("Connection") != "Upgrade" ||
		h.Get("Sec-WebSocket-Accept") != sampleAccept || h.Get("Sec-WebSocket-Protocol") != protocol || h.Get("Sec-WebSocket-Extensions") != "" {
		t.Errorf("answer %q", o.resp)
	}
	if !strings.HasSuffix(o.resp, "\r\n\r\n") || strings.Count(o.resp, "\r\n\r\n") != 1 {
		t.Errorf("bytes behind the answer: %q", o.resp)
	}
}

func checkRefused(t *testing.T, o outcome, status int, part string) {
	t.Helper()
	if o.refusal == nil || o.n != 0 || o.protocol != "" || o.refusal.Status != status {
		t.Fatalf("%v, want status %d", o, status)
	}
	in := bufio.NewReader(strings.NewReader(o.resp))
	if strings.HasSuffix(o.resp, "\r\n\r\n") { // the answer to a HEAD
		resp, err := http.ReadResponse(in, &http.Request{Method: http.MethodHead})
		if err != nil || in.Buffered() > 0 || resp.StatusCode != status || !resp.Close || resp.ContentLength < 20 || !strings.Contains(o.resp, part) {
			t.Errorf("%v: %q", err, o.resp)
		}
		return
	}
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatalf("%v: %q", err, o.resp)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || in.Buffered() > 0 {
		t.Errorf("Content-Length does not fit: %v, %d left", err, in.Buffered())
	}
	if resp.StatusCode != status || !resp.Close || resp.ContentLength != int64(len(body)) || len(body) < 20 {
		t.Errorf("answer %q", o.resp)
	}
	if resp.StatusCode == 426 && resp.Header.Get("Upgrade") != "websocket" {
		t.Errorf("426 without Upgrade: %q", o.resp)
	}
	if !strings.Contains(o.resp, part) {
		t.Errorf("answer %q has no %q", o.resp, part)
	}
}

func TestHandshakeKeepsFrames(t *testing.T) {
	var h Handshaker
	in := append([]byte(goodRequest), text("hello")...)
	o := handshakeIn(&h, in, len(in))
	checkAccepted(t, o, len(goodRequest), "")
	if got, _ := read(t, new(Reader), noLimit, [][]byte{in[o.n:]}); len(got) != 1 || got[0] != "text hello" {
		t.Errorf("behind the handshake: %q", got)
	}
}

func TestHandshakeRequest(t *testing.T) {
	request := AppendRequest(nil, "push.example.com:8443", "/ws/a%20b?projectId=shop&token=x%2Fy?z", sampleKey,
		"Origin: https://shop.example.com",
		"authorization: Bearer abc",
		"Cookie: a=b",
		"Sec-WebSocket-Protocol: mqtt",
		"X-Forwarded-For: 203.0.113.7",
		"X-Forwarded-For: 198.51.100.1, 10.0.0.1",
		"X-Forwarded-Proto: https",
		"X-Forwarded-Host: public.example.com",
		"X-Forwarded-Port: 8443",
		"Sec-WebSocket-Protocol: v12.stomp",
	)
	want := Request{
		Path:           "/ws/a%20b",
		Query:          "projectId=shop&token=x%2Fy?z",
		Host:           "push.example.com:8443",
		Origin:         "https://shop.example.com",
		Authorization:  "Bearer abc",
		Cookie:         "a=b",
		Protocols:      "mqtt, v12.stomp",
		ForwardedFor:   "203.0.113.7, 198.51.100.1, 10.0.0.1",
		ForwardedProto: "https",
		ForwardedHost:  "public.example.com",
		ForwardedPort:  "8443",
	}
	calls := 0
	h := Handshaker{Protocols: stompProtocols, Check: func(r *Request) *Refusal {
		calls++
		if *r != want {
			t.Errorf("got  %+v\nwant %+v", *r, want)
		}
		return nil
	}}
	for _, size := range chunkSizes(request) {
		if o := handshakeIn(&h, request, size); o.protocol != "v12.stomp" {
			t.Errorf("by %d: %v", size, o)
		}
	}
	if calls != len(chunkSizes(request)) {
		t.Errorf("Check ran %d times", calls)
	}

	h.Check = func(r *Request) *Refusal {
		if r.Host != "other.example.com:81" || r.Path != "/" || r.Query != "a=b" {
			t.Errorf("absolute form: %+v", *r)
		}
		return nil
	}
	request = AppendRequest(nil, "push.example.com", "http://other.example.com:81?a=b", sampleKey)
	if o := handshakeIn(&h, request, len(request)); o.n == 0 {
		t.Errorf("absolute form: %v", o)
	}
}

func TestHandshakeCheck(t *testing.T) {
	for _, refusal := range []*Refusal{
		Forbidden, NotFound, Unavailable,
		{Status: 403, Text: "The origin https://evil.example.com is not in the list.", Header: "X-More: yes\r\n"},
	} {
		h := Handshaker{Check: func(*Request) *Refusal { return refusal }}
		o := handshakeIn(&h, []byte(goodRequest), 1)
		checkRefused(t, o, refusal.Status, "\r\n"+refusal.Header)
		if o.refusal != refusal {
			t.Errorf("another refusal: %v", o)
		}
	}
	h := Handshaker{Check: func(*Request) *Refusal { t.Error("Check saw a request that is refused without it"); return nil }}
	handshakeIn(&h, []byte(strings.Replace(goodRequest, "websocket", "h2c", 1)), 1000)
}

// TestHandshakeTooLarge finds the exact bound, and that it needs no byte more than the bound to be seen.
// TestPlain: what asks for no WebSocket, and nothing else, is for Plain to decide.
func TestPlain(t *testing.T) {
	const body = `{"a":1}`
	calls := 0
	h := Handshaker{Plain: func(r *Request, dst []byte) ([]byte, *Refusal) {
		calls++
		switch r.Path {
		case "/served":
			return AppendAnswer(dst, "application/json", "Cache-Control: no-store\r\n", []byte(body+r.Query)), Answered
		case "/busy":
			return dst, Unavailable
		}
		return dst, nil
	}}
	get := func(path string, lines ...string) string {
		return "GET " + path + " HTTP/1.1\r\nHost: a\r\n" + strings.Join(append(lines, "\r\n"), "\r\n")
	}
	for _, c := range []struct {
		in     string
		status int // 200: Answered; 101: a WebSocket
		calls  int
	}{
		{get("/served?x"), 200, 1},
		{get("/busy"), 503, 1},
		{get("/"), 426, 1},
		{string(AppendRequest(nil, "a", "/served", sampleKey)), 101, 0},
		{get("/served", "Upgrade: websocket"), 400, 0},
		{get("/served", "Content-Length: 5"), 400, 0},
		{get("/served", "Cookie: "+strings.Repeat("a", defaultMaxHeader)), 431, 0},
		{strings.Replace(get("/served?x"), "GET", "HEAD", 1), 200, 1},
		{strings.Replace(get("/busy"), "GET", "HEAD", 1), 503, 1},
		{strings.Replace(get("/"), "GET", "HEAD", 1), 405, 1},
		{strings.Replace(string(AppendRequest(nil, "a", "/served", sampleKey)), "GET", "HEAD", 1), 405, 0},
		{strings.Replace(get("/served"), "GET", "POST", 1), 405, 0},
		{get("/served")[:30], 0, 0},
		{strings.Replace(get("/served?x"), "HTTP/1.1", "HTTP/1.0", 1), 200, 1}, // of nginx, by default
		{strings.Replace(get("/busy"), "HTTP/1.1", "HTTP/1.0", 1), 503, 1},
		{strings.Replace(get("/"), "HTTP/1.1", "HTTP/1.0", 1), 400, 1},
		{strings.Replace(string(AppendRequest(nil, "a", "/served", sampleKey)), "HTTP/1.1", "HTTP/1.0", 1), 400, 0},
		{strings.Replace(get("/served"), "HTTP/1.1", "HTTP/2.0", 1), 400, 0},
	} {
		for _, size := range chunkSizes([]byte(c.in)) {
			calls = 0
			o := handshakeIn(&h, []byte(c.in), size)
			if calls != c.calls {
				t.Errorf("%q by %d: Plain ran %d times", c.in, size, calls)
			}
			switch c.status {
			case 0:
				if o.refusal != nil || o.n != 0 {
					t.Errorf("%q by %d: %v", c.in, size, o)
				}
			case 101:
				checkAccepted(t, o, len(c.in), "")
			case 200:
				method, _, _ := strings.Cut(c.in, " ")
				in := bufio.NewReader(strings.NewReader(o.resp))
				resp, err := http.ReadResponse(in, &http.Request{Method: method})
				if err != nil || o.refusal != Answered || o.n != 0 {
					t.Fatalf("%q by %d: %v, %v", c.in, size, o, err)
				}
				want := map[string]string{"GET": body + "x"}[method]
				got, err := io.ReadAll(resp.Body)
				if err != nil || string(got) != want || in.Buffered() > 0 || !resp.Close || resp.ContentLength != int64(len(body+"x")) ||
					resp.Header.Get("Content-Type") != "application/json" || resp.Header.Get("Cache-Control") != "no-store" {
					t.Errorf("%q by %d: %q, %v", c.in, size, o.resp, err)
				}
			default:
				checkRefused(t, o, c.status, "")
			}
		}
	}
}

func TestHandshakeTooLarge(t *testing.T) {
	const limit = 1000
	h := Handshaker{MaxHeader: limit}
	sized := func(n int) []byte {
		fill := "X: " + strings.Repeat("a", n-len(goodRequest)-len("X: \r\n")) + "\r\n\r\n"
		return []byte(strings.TrimSuffix(goodRequest, "\r\n") + fill)
	}
	for _, size := range []int{limit + 1, limit / 2, 1} {
		if o := handshakeIn(&h, sized(limit), size); o.n != limit {
			t.Errorf("by %d: at the bound: %v", size, o)
		}
		checkRefused(t, handshakeIn(&h, sized(limit + 1)[:limit], size), 431, "cookies")
		checkRefused(t, handshakeIn(&h, sized(limit+1), size), 431, "cookies")
	}
	h.MaxHeader = 0
	checkAccepted(t, handshakeIn(&h, sized(8192), 100), 8192, "")
	checkRefused(t, handshakeIn(&h, sized(8193), 100), 431, "")
}

func TestTarget(t *testing.T) {
	for _, c := range []struct {
		forwardedHost, proto, port string
		trusted                    bool
		host                       string
		secure                     bool
	}{
		{"", "", "", false, "inner", false},
		{"outer", "https", "8443", false, "inner", false},
		{"outer", "https", "", true, "outer", true},
		{"", "HTTPS", "", true, "inner", true},
		{"", "wss", "", true, "inner", true},
		{"outer:8443 , middle", "https , http", "", true, "outer:8443", true},
		{"", "http", "", true, "inner", false},
		{"outer", "https", "8443", true, "outer:8443", true},
		{"outer", "https", " 8443 , 80", true, "outer:8443", true},
		{"", "https", "443", true, "inner:443", true},
		{"outer:8443", "https", "443", true, "outer:8443", true},
		{"outer", "https", "80", true, "outer", true}, // of the proxy that TLS ends before
		{"outer", "http", "8080", true, "outer:8080", false},
		{"[2001:db8::1]", "https", "8443", true, "[2001:db8::1]:8443", true},
		{"[2001:db8::1]:1", "https", "8443", true, "[2001:db8::1]:1", true},
		{"outer", "https", "x", true, "outer:x", true}, // which is no host, and equals none
	} {
		r := Request{Host: "inner", ForwardedHost: c.forwardedHost, ForwardedProto: c.proto, ForwardedPort: c.port}
		if host, secure := r.Target(c.trusted); host != c.host || secure != c.secure {
			t.Errorf("%+v: got %q, %v", c, host, secure)
		}
	}
}

// gobwasAnswer runs the Upgrader of gobwas over a request.
func gobwasAnswer(request []byte, protocols []string) (string, error) {
	var out bytes.Buffer
	u := ws.Upgrader{Protocol: func(p []byte) bool {
		for _, q := range protocols {
			if string(p) == q {
				return true
			}
		}
		return false
	}}
	_, err := u.Upgrade(struct {
		io.Reader
		io.Writer
	}{bytes.NewReader(request), &out})
	return out.String(), err
}

// TestHandshakeAsGobwas compares answers byte for byte.
func TestHandshakeAsGobwas(t *testing.T) {
	h := Handshaker{Protocols: stompProtocols}
	for _, request := range [][]byte{[]byte(goodRequest), browserRequest} {
		want, err := gobwasAnswer(bytes.Clone(request), stompProtocols)
		if err != nil {
			t.Fatal(err)
		}
		if o := handshakeIn(&h, request, len(request)); o.resp != want {
			t.Errorf("got  %q\nwant %q", o.resp, want)
		}
	}
}

func TestParseAnswer(t *testing.T) {
	h := Handshaker{Protocols: stompProtocols}
	_, _, good, _ := h.Next(AppendRequest(nil, "localhost", "/ws", sampleKey, "Sec-WebSocket-Protocol: v12.stomp"), 0, nil)
	if good == nil {
		t.Fatal("AppendRequest is refused")
	}
	edit := func(from, to string) []byte {
		if !bytes.Contains(good, []byte(from)) {
			panic(from)
		}
		return bytes.Replace(good, []byte(from), []byte(to), 1)
	}
	for _, c := range []struct {
		name   string
		answer []byte
		status int    // of the error, 0 none
		text   string // part of the error; empty: accepted
	}{
		{"good", good, 0, ""},
		{"good, other spelling", bytes.ReplaceAll(good, []byte("websocket"), []byte("WebSocket")), 0, ""},
		{"refused", Forbidden.AppendTo(nil), 403, "403 Forbidden: " + Forbidden.Text},
		{"refused by a proxy", []byte("HTTP/1.0 502 Bad Gateway\r\n\r\n"), 502, "502 Bad Gateway"},
		{"no HTTP", []byte("-ERR unknown command\r\n\r\n"), 0, "HTTP"},
		{"no status", []byte("HTTP/1.1 abc\r\n\r\n"), 0, "HTTP"},
		{"accept of another key", edit(sampleAccept, "AAAAAAAAAAAAAAAAAAAAAAAAAAA="), 101, "Sec-WebSocket-Accept"},
		{"no accept", edit("Sec-WebSocket-Accept", "X"), 101, "Sec-WebSocket-Accept"},
		{"no upgrade", edit("Upgrade: websocket", "Upgrade: h2c"), 101, "upgrade"},
		{"no connection", edit("Connection: Upgrade", "Connection: close"), 101, "upgrade"},
		{"extension", edit("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"), 101, "extension"},
		{"good, with a name like another", edit("\r\n\r\n", "\r\nSec-WebSocket-Extensions-Not: a\r\n\r\n"), 0, ""},
		{"malformed", edit("\r\n\r\n", "\r\nX\r\n\r\n"), 101, "header line"},
		{"endless", bytes.Repeat([]byte("a"), maxAnswer), 0, "large"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for have := range len(c.answer) {
				if n, _, err := ParseAnswer(c.answer[:have], sampleKey); n != 0 || err != nil {
					t.Fatalf("after %d bytes: n = %d, %v", have, n, err)
				}
			}
			in := append(bytes.Clone(c.answer), "\x81\x00"...)
			n, protocol, err := ParseAnswer(in, sampleKey)
			if c.text == "" {
				if n != len(c.answer) || string(protocol) != "v12.stomp" || err != nil {
					t.Errorf("n = %d, protocol %q, error %v", n, protocol, err)
				}
				return
			}
			e, _ := err.(*AnswerError)
			if e == nil || n != 0 || e.Status != c.status || !strings.Contains(e.Error(), c.text) {
				t.Errorf("n = %d, error %v, want %d %q", n, err, c.status, c.text)
			}
		})
	}
	if n, protocol, err := ParseAnswer(edit("Sec-WebSocket-Protocol: v12.stomp\r\n", ""), sampleKey); n == 0 || len(protocol) != 0 || err != nil {
		t.Errorf("no protocol: %d, %q, %v", n, protocol, err)
	}
}

func TestNewKey(t *testing.T) {
	a, b := NewKey(), NewKey()
	if a == b || !validKey([]byte(a)) {
		t.Errorf("keys %q and %q", a, b)
	}
}

func TestRefusalLine(t *testing.T) {
	for _, r := range []*Refusal{Forbidden, NotFound, Unavailable, notGet, noUpgrade, wrongVersion, tooLarge, tooMany} {
		o := outcome{resp: string(r.AppendTo(nil)), refusal: r}
		checkRefused(t, o, r.Status, "HTTP/1.1 "+strconv.Itoa(r.Status)+" "+http.StatusText(r.Status)+"\r\n")
	}
}
