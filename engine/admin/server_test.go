package admin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// gate is a handler whose requests have a valid key, of shop, but for those of /healthz. It holds those for /wait: each
// sends to came, and then to leave before it answers.
type gate struct{ came, leave chan struct{} }

func newGate() gate { return gate{make(chan struct{}), make(chan struct{})} }

func (g gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/healthz" {
		if p := connOf(r.Context()).claim("shop"); p != nil {
			p.write(w)
			return
		}
	}
	if r.URL.Path == "/wait" {
		g.came <- struct{}{}
		g.leave <- struct{}{}
	}
	_, _ = io.WriteString(w, "done")
}

// serve runs a server with room for n connections on loopback until the test ends.
func serve(t *testing.T, h http.Handler, n int) (*Server, string) {
	t.Helper()
	s := NewServer(ServerOptions{Handler: h, MaxConns: n, Log: discard})
	s.http.ReadHeaderTimeout = time.Minute // no test of it
	return s, start(t, s)
}

func start(t *testing.T, s *Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	startOn(t, s, l)
	return l.Addr().String()
}

func startOn(t *testing.T, s *Server, l net.Listener) {
	t.Helper()
	served := make(chan error)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve returned %v", err)
		}
	})
}

// client is one keep-alive connection.
type client struct {
	net.Conn
	r *bufio.Reader
}

func dial(t *testing.T, addr string) *client {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	t.Cleanup(func() { _ = c.Close() })
	return &client{c, bufio.NewReader(c)}
}

func (c *client) ask(t *testing.T, path string) {
	t.Helper()
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path); err != nil {
		t.Fatal(err)
	}
}

func (c *client) want(t *testing.T, status int) *http.Response {
	t.Helper()
	r, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != status {
		t.Fatalf("%d %s, %v, want %d", r.StatusCode, body, err, status)
	}
	return r
}

func (c *client) wantClosed(t *testing.T) {
	t.Helper()
	if b, err := c.r.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read %q, %v from what should be closed", b, err)
	}
}

// waitFor polls until the server holds that many connections: net/http tells of an idle one after its answer is out.
func waitFor(t *testing.T, s *Server, open, idle int) {
	t.Helper()
	for range 20_000 {
		if o, i := s.conns.counts(); o == open && i == idle {
			return
		}
		time.Sleep(time.Millisecond)
	}
	o, i := s.conns.counts()
	t.Fatalf("%d connections, %d idle, want %d and %d", o, i, open, idle)
}

// TestIdleEviction fills the server with idle connections: the one that has been idle longest makes room.
func TestIdleEviction(t *testing.T) {
	s, addr := serve(t, newGate(), 2)
	first, second := dial(t, addr), dial(t, addr)
	for _, c := range []*client{second, first} {
		c.ask(t, "/")
		c.want(t, 200)
		waitFor(t, s, 2, 2) // a connection that has sent nothing yet counts as idle too
	}
	second.ask(t, "/") // now the first has been idle longest
	second.want(t, 200)
	waitFor(t, s, 2, 2)
	third := dial(t, addr)
	third.ask(t, "/")
	third.want(t, 200)
	first.wantClosed(t)
	waitFor(t, s, 2, 2)
	second.ask(t, "/")
	second.want(t, 200)
	if n := testutil.ToFloat64(s.conns.evicted); n != 1 {
		t.Errorf("%v evicted", n)
	}
}

// TestBusyConnections fills the server with requests of one key that wait for an answer: another one is told 503, and
// a probe is answered all the same.
func TestBusyConnections(t *testing.T) {
	g := newGate()
	s := NewServer(ServerOptions{Handler: g, MaxConns: 3, Log: discard})
	rested := make(chan bool, 10)
	s.http.ConnState = func(nc net.Conn, state http.ConnState) {
		if s.conns.state(nc, state); state == http.StateIdle {
			rested <- true
		}
	}
	addr := start(t, s)
	first, second := dial(t, addr), dial(t, addr)
	first.ask(t, "/wait")
	<-g.came
	waitFor(t, s, 2, 1)
	second.ask(t, "/")
	r := second.want(t, 429)
	if r.Header.Get("Retry-After") == "" || r.Header.Get("Content-Type") != problemMedia {
		t.Errorf("%+v", r)
	}
	<-rested // it counts as idle all along, but from now on it waits
	third := dial(t, addr)
	third.ask(t, "/healthz")
	third.want(t, 200)
	waitFor(t, s, 3, 2)
	fourth := dial(t, addr) // in the place of the second, which is idle longest
	fourth.ask(t, "/healthz")
	fourth.want(t, 200)
	second.wantClosed(t)
	<-g.leave
	first.want(t, 200)
	waitFor(t, s, 3, 3)
	fourth.ask(t, "/")
	fourth.want(t, 200)
	if n := testutil.ToFloat64(s.conns.keyed.crowded); n != 1 {
		t.Errorf("%v refused", n)
	}
}

// TestSilentConnections fills the server with connections that never send a request: they make room, and are told.
func TestSilentConnections(t *testing.T) {
	s, addr := serve(t, newGate(), 2)
	first, second := dial(t, addr), dial(t, addr)
	waitFor(t, s, 2, 2)
	next := dial(t, addr)
	next.ask(t, "/")
	next.want(t, 200)
	for _, silent := range []*client{first, second}[:1] {
		if r := silent.want(t, 503); r.Header.Get("Retry-After") == "" || r.Header.Get("Content-Type") != problemMedia || !r.Close {
			t.Errorf("%+v", r)
		}
		silent.wantClosed(t)
	}
	waitFor(t, s, 2, 2)
	second.ask(t, "/")
	second.want(t, 200)
}

// TestManyClients has more clients than connections at it at once, and checks that the count is right afterwards.
func TestManyClients(t *testing.T) {
	const room, clients = 4, 32
	s, addr := serve(t, newGate(), room)
	answers := make(chan string)
	for range clients {
		go func() {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				answers <- err.Error()
				return
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(time.Minute))
			if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
				answers <- "write: closed"
				return
			}
			status, err := bufio.NewReader(c).ReadString('\n')
			if err != nil {
				status = "read: closed"
			}
			answers <- strings.TrimSpace(status)
		}()
	}
	counts := map[string]int{}
	for range clients {
		counts[<-answers]++
	}
	served := counts["HTTP/1.1 200 OK"]
	if served == 0 || served+counts["HTTP/1.1 429 Too Many Requests"]+counts["HTTP/1.1 503 Service Unavailable"] < clients/2 {
		t.Errorf("answers %v", counts)
	}
	waitFor(t, s, 0, 0)
}

func TestHeaderLimit(t *testing.T) {
	_, addr := serve(t, newGate(), 2)
	c := dial(t, addr)
	if _, err := fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n", strings.Repeat("x", maxHeaderBlock+8192)); err != nil {
		t.Fatal(err)
	}
	c.want(t, 431)
}

func TestSlowHeader(t *testing.T) {
	s := NewServer(ServerOptions{Handler: newGate(), MaxConns: 2, Log: discard})
	s.http.ReadHeaderTimeout = 10 * time.Millisecond
	c := dial(t, start(t, s))
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\n"); err != nil {
		t.Fatal(err)
	}
	c.wantClosed(t)
	waitFor(t, s, 0, 0)
}

// TestLargeBody declares a body that is too long and sends a part of it: the 413 arrives whole.
func TestLargeBody(t *testing.T) {
	h, _, _ := newTest(t, nil)
	_, addr := serve(t, h, 2)
	c := dial(t, addr)
	const length = 100 << 20
	c.post(t, pushPath, "shop-key", length)
	_, _ = io.WriteString(c, strings.Repeat("x", 1<<20)) // on a slow machine the server has stopped reading before its end
	c.want(t, 413)
}

func TestShutdown(t *testing.T) {
	before := runtime.NumGoroutine()
	g := newGate()
	registry := prometheus.NewRegistry()
	s := NewServer(ServerOptions{Handler: g, Registerer: registry, Log: discard})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served, stopped := make(chan error), make(chan error)
	go func() { served <- s.Serve(l) }()
	idle, busy := dial(t, l.Addr().String()), dial(t, l.Addr().String())
	idle.ask(t, "/")
	idle.want(t, 200)
	busy.ask(t, "/wait")
	<-g.came
	if n, err := testutil.GatherAndCount(registry); n != 6 || err != nil {
		t.Errorf("%d metrics, %v", n, err)
	}
	go func() { stopped <- s.Shutdown(t.Context()) }()
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("Serve returned %v", err)
	}
	idle.wantClosed(t)
	<-g.leave
	busy.want(t, 200)
	if err := <-stopped; err != nil {
		t.Errorf("Shutdown returned %v", err)
	}
	waitFor(t, s, 0, 0)
	for range 5000 { // the last connection's goroutine ends a moment after it is closed
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}

// TestShutdownTimeout gives up on a request that does not end.
func TestShutdownTimeout(t *testing.T) {
	g := newGate()
	s, addr := serve(t, g, 2)
	c := dial(t, addr)
	c.ask(t, "/wait")
	<-g.came
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown returned %v", err)
	}
	<-g.leave
}
