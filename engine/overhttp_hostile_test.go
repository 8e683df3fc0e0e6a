package engine

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"stentor/engine/shard"
	"stentor/engine/websocket"
)

// path is that of the session, as in a request line.
func (p browser) path() string { return p.url[strings.Index(p.url, "/ws"):] }

// A session that is authenticated vouches for the few connections that its client needs: with one account, nobody takes those of
// all others.
func TestOneSessionVouchesForFew(t *testing.T) {
	n, stop := overHTTPNode(t, func(o *Options) { o.Limits.SockJS = 100 })
	defer stop()
	p := n.browser(t, nil)
	p.connect()
	body := `["\n"]`
	for i := range 10 {
		c := n.dial(t)
		c.write(t, fmt.Appendf(nil, "POST %s/xhr_send HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", p.path(), len(body), body))
		c.until(t, "204 No Content")
		c.write(t, []byte("P")) // not idle any more
		if i > 0 {
			continue
		}
		eventually(t, "no connection is vouched for", func() bool { return n.http.conns.count() < n.http.server.Conns() })
	}
	if vouched := n.http.server.Conns() - n.http.conns.count(); vouched > 4 {
		t.Errorf("one session vouches for %d connections", vouched)
	}
}

// What clients send while they only receive is nothing that anybody waits for: it takes no memory from who sends.
func TestStreamKeepsNothing(t *testing.T) {
	n, stop := overHTTPNode(t, func(*Options) {})
	defer stop()
	p := n.browser(t, nil)
	c := n.dial(t)
	c.write(t, fmt.Appendf(nil, "POST %s/xhr_streaming HTTP/1.1\r\nHost: h\r\n\r\n", p.path()))
	c.until(t, "o\n")
	in := n.stat(func(s *shard.Stats) uint64 { return s.BytesIn.Load() })
	junk := bytes.Repeat([]byte("x"), 50_000)
	c.write(t, junk)
	eventually(t, "it is not read", func() bool {
		return n.stat(func(s *shard.Stats) uint64 { return s.BytesIn.Load() }) >= in+uint64(len(junk))
	})
	if kept := n.server.Lent(); kept > 0 {
		t.Errorf("%d bytes are kept", kept)
	}
}

// A request whose end two parties could see at different places is the last one of its connection, and one that is wrong is so too.
func TestDoubtfulFraming(t *testing.T) {
	n, stop := overHTTPNode(t, func(*Options) {})
	defer stop()
	const chunks, body = "6\r\n[\"\\n\"]\r\n0\r\n\r\n", `["\n"]`
	for _, c := range []struct{ name, head, status string }{
		{"length and coding", "HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks, "204"},
		{"coding", "HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks, "204"},
		{"trailer", "HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: Origin\r\n\r\n6\r\n[\"\\n\"]\r\n0\r\nOrigin: https://evil.example\r\n\r\n", "204"},
		{"HTTP/1.0 with coding", "HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n" + body, "204"},
		{"HTTP/1.0", "HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\nContent-Length: 6\r\n\r\n" + body, "204"},
		{"two lengths", "HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\nContent-Length: 7\r\n\r\n" + body, "400"},
		{"a length with a sign", "HTTP/1.1\r\nHost: h\r\nContent-Length: +6\r\n\r\n" + body, "400"},
		{"a space before the colon", "HTTP/1.1\r\nHost: h\r\nContent-Length : 6\r\n\r\n" + body, "400"},
		{"two codings", "HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + chunks, "501"},
		{"another coding", "HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n" + chunks, "501"},
		{"two hosts", "HTTP/1.1\r\nHost: h\r\nHost: g\r\nContent-Length: 6\r\n\r\n" + body, "400"},
		{"a null byte", "HTTP/1.1\r\nHost: h\r\nX: \x00\r\nContent-Length: 6\r\n\r\n" + body, "400"},
		{"another expectation", "HTTP/1.1\r\nHost: h\r\nExpect: more\r\nContent-Length: 6\r\n\r\n" + body, "417"},
	} {
		p := n.browser(t, nil)
		if got := p.poll(); got != "o\n" {
			t.Fatal(got)
		}
		conn := n.dial(t).conn
		_, _ = io.WriteString(conn, "POST "+p.path()+"/xhr_send "+c.head+"OPTIONS "+p.path()+"/xhr HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
		if all, err := io.ReadAll(conn); strings.Count(string(all), "HTTP/1.") != 1 || !strings.HasPrefix(string(all), "HTTP/1.") || string(all[9:12]) != c.status {
			t.Errorf("%s: %.300q, %v", c.name, all, err)
		}
	}
}

// A connection goes back to its loop only with all that its client has sent.
func TestGivenBackWhole(t *testing.T) {
	n, stop := overHTTPNode(t, func(*Options) {})
	defer stop()
	p := n.browser(t, nil)
	conn := n.dial(t).conn
	_, _ = fmt.Fprintf(conn, "POST %s/xhr HTTP/1.1\r\nHost: h\r\n\r\n", p.path()) // the first one is answered, the second one waits
	_, _ = fmt.Fprintf(conn, "POST %s/xhr HTTP/1.1\r\nHost: h\r\n\r\n%s", p.path(), websocket.AppendRequest(nil, "h", "/ws", websocket.NewKey()))
	eventually(t, "it is no receiver", func() bool { return n.http.sessions.Receivers() == 1 })
	in := n.stat(func(s *shard.Stats) uint64 { return s.BytesIn.Load() })
	junk := make([]byte, n.opts.bodyBytes()+n.opts.Session.HandshakeBytes+lentSlack+100)
	_, _ = conn.Write(junk)
	eventually(t, "it is not read", func() bool {
		return n.stat(func(s *shard.Stats) uint64 { return s.BytesIn.Load() }) >= in+uint64(len(junk))
	})
	p.sends("SEND||") // answers the second one
	if all, _ := io.ReadAll(conn); strings.Count(string(all), "HTTP/1.1 200") != 2 || strings.Contains(string(all), "HTTP/1.1 101") {
		t.Errorf("%q", all)
	}
}

// Behind a proxy, connections do not say whose they are: clients that never send all of their requests are bounded by what the proxy
// says of each request.
func TestSlowBodiesBehindProxy(t *testing.T) {
	n, stop := overHTTPNode(t, func(o *Options) { o.TrustedProxies, o.Limits.SockJS = trustLoopback, 100 })
	defer stop()
	p := n.browser(t, nil)
	p.connect()
	slow := func(client string) *testClient {
		c := n.dial(t)
		c.write(t, fmt.Appendf(nil, "POST %s/xhr_send HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: %s\r\nContent-Length: 100\r\n\r\n[", p.path(), client))
		return c
	}
	for range 20 { // a tenth of the connections
		slow("203.0.113.7")
	}
	eventually(t, "they are not counted", func() bool { return n.http.requests.count() >= 18 })
	refused := slow("203.0.113.7")
	for range 5 {
		refused = slow("203.0.113.7")
	}
	refused.until(t, "503")
	c := slow("203.0.113.8")
	c.write(t, []byte(`"\n"]`+strings.Repeat(" ", 100-6)))
	c.until(t, "204")
}

// Nobody waits for what a client does not send of a request that is refused.
func TestRefusedAtOnce(t *testing.T) {
	n, stop := overHTTPNode(t, func(*Options) {})
	defer stop()
	p := n.browser(t, nil)
	for _, request := range []string{"POST " + p.path() + "/xhr_send", "POST /ws/000/short/xhr", "PUT " + p.path() + "/xhr"} {
		c := n.dial(t)
		c.write(t, fmt.Appendf(nil, "%s HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n[", request))
		c.until(t, "Connection: close")
		eventually(t, "it waits for "+request, func() bool { return n.http.server.Conns() == 0 })
	}
}
