package engine

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"stentor/engine/refusal"
	"stentor/engine/shard"
)

// The places of sockjs.connections are for all, before CONNECT mostly for others, and come back when sessions are gone.
func TestPlacesOverHTTP(t *testing.T) {
	n, stop := overHTTPNode(t, func(o *Options) { o.Limits.SockJS, o.expiry = 30, 50*time.Millisecond })
	defer stop()
	open := func(p browser) int {
		r := p.do("POST", "/xhr", "")
		p.answer(r)
		p.http.CloseIdleConnections()
		return r.StatusCode
	}
	met := func(why refusal.Reason) uint64 { return n.refusals.Count(why) }
	var kept []streamed
	for met(refusal.SockJSConnectionsPerAddress) == 0 { // one address may have a tenth of what is free
		p := n.browser(t, nil)
		if s := p.stream("/xhr_streaming"); s.StatusCode == http.StatusOK {
			s.line(t)
			s.line(t)
			kept = append(kept, s)
		} else {
			p.answer(s.Response)
		}
		p.http.CloseIdleConnections()
	}
	if len(kept) == 0 || len(kept) > 3 {
		t.Errorf("%d sessions of one address", len(kept))
	}
	for _, s := range kept {
		_ = s.Body.Close()
	}
	n.left(t)
	kept = nil
	for range 30 { // those that are authenticated count for nobody's address
		p := n.browser(t, nil)
		s := p.stream("/xhr_streaming")
		kept = append(kept, s)
		s.line(t)
		s.line(t)
		p.sends(connectFrame)
		s.line(t)
		p.http.CloseIdleConnections()
	}
	eventually(t, "strangers are left", func() bool { return n.http.places.count() == 0 })
	if got := open(n.browser(t, nil)); got != http.StatusServiceUnavailable || met(refusal.SockJSConnections) == 0 {
		t.Errorf("%d", got)
	}
	for _, s := range kept {
		_ = s.Body.Close()
	}
	n.left(t)
	if got := open(n.browser(t, nil)); got != http.StatusOK {
		t.Errorf("%d", got)
	}
}

// A receiver that reads nothing is slow, like every other client, and the node holds little for it.
func TestSlowReceiver(t *testing.T) {
	for _, transport := range []string{"/xhr_streaming", "/xhr"} {
		n, stop := overHTTPNode(t, func(o *Options) {
			o.Projects[0].SlowTimeout = 100 * time.Millisecond
			o.History.Bytes, o.Limits.PendingBytes = 32<<20, 32<<20
		})
		p := n.browser(t, nil)
		p.connect()
		c := n.dial(t)
		c.write(t, fmt.Appendf(nil, "POST %s%s HTTP/1.1\r\nHost: h\r\n\r\n", p.url[strings.Index(p.url, "/ws"):], transport))
		eventually(t, "it is no receiver", func() bool { return n.http.sessions.Receivers() == 1 })
		for range 8 {
			n.says(t, strings.Repeat("x", 1_000_000))
		}
		eventually(t, "it is not closed", func() bool { return n.stat(func(s *shard.Stats) uint64 { return s.SlowCloses.Load() }) == 1 })
		eventually(t, "it still receives", func() bool { return n.http.sessions.Receivers() == 0 })
		stop()
	}
}

// A client that goes on sending what nobody reads loses its connection, and no other does.
func TestFloodOverHTTP(t *testing.T) {
	n, stop := overHTTPNode(t, func(*Options) {})
	defer stop()
	p := n.browser(t, nil)
	p.connect()
	c := n.dial(t)
	c.write(t, fmt.Appendf(nil, "POST %s/xhr_streaming HTTP/1.1\r\nHost: h\r\n\r\n", p.url[strings.Index(p.url, "/ws"):]))
	c.until(t, strings.Repeat("h", 2048))
	for err := error(nil); err == nil; {
		_, err = c.conn.Write(make([]byte, 64<<10))
	}
	c.end(t)
	other := n.browser(t, nil)
	other.connect()
	if lent := n.server.Lent(); lent != 0 {
		t.Errorf("%d bytes are still counted", lent)
	}
}

// The kernel gives up a client that has vanished in the middle of a response; a WebSocket has pings for that.
func TestVanishedClientOverHTTP(t *testing.T) {
	n, stop := overHTTPNode(t, func(*Options) {})
	defer stop()
	c := n.dial(t)
	timeout := func() int {
		fd := serverEnd(t, c.conn.LocalAddr().(*net.TCPAddr).Port)
		ms, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
		if err != nil {
			t.Fatal(err)
		}
		return ms
	}
	c.write(t, []byte("OPTIONS /ws/000/abcdefgh/xhr HTTP/1.1\r\nHost: h\r\n\r\n"))
	c.until(t, "\r\n\r\n")
	if got := timeout(); got != 60_000 {
		t.Errorf("%d ms while it is lent", got)
	}
	c.connect(t)
	if got := timeout(); got != 0 {
		t.Errorf("%d ms of a WebSocket", got)
	}
}

// serverEnd is the descriptor of this process whose peer has that port.
func serverEnd(t *testing.T, port int) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range all {
		fd, err := strconv.Atoi(one.Name())
		if err != nil {
			t.Fatal(err)
		}
		if peer, err := unix.Getpeername(fd); err == nil {
			if a, ok := peer.(*unix.SockaddrInet4); ok && a.Port == port {
				return fd
			}
		}
	}
	t.Fatal("it is not connected")
	return 0
}
