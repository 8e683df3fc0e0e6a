package xhr

import (
	"bufio"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"stentor/engine/testkit"
)

// pipe is a connection that a test is the client of.
type pipe struct {
	net.Conn
	stubConn
}

func (p *pipe) Abort() { _ = p.Conn.Close() }
func (p *pipe) Vouch() {}

// The methods of both: net.Conn's are the pipe's.
func (p *pipe) Close() error                       { return p.Conn.Close() }
func (p *pipe) Read(b []byte) (int, error)         { return p.Conn.Read(b) }
func (p *pipe) Write(b []byte) (int, error)        { return p.Conn.Write(b) }
func (p *pipe) LocalAddr() net.Addr                { return p.Conn.LocalAddr() }
func (p *pipe) RemoteAddr() net.Addr               { return p.Conn.RemoteAddr() }
func (p *pipe) SetDeadline(t time.Time) error      { return p.Conn.SetDeadline(t) }
func (p *pipe) SetReadDeadline(t time.Time) error  { return p.Conn.SetReadDeadline(t) }
func (p *pipe) SetWriteDeadline(t time.Time) error { return p.Conn.SetWriteDeadline(t) }

// All connections that there may be can come at once, before net/http has accepted one.
func TestManyComeAtOnce(t *testing.T) {
	const most = 2000
	s := NewServer(ServerConfig{
		Handler: http.NotFoundHandler(), Conns: most, HeaderBytes: 4096, HeaderTime: time.Minute, Idle: time.Minute, BodyTime: time.Minute, AnswerTime: time.Minute,
		Known: func(Conn) {}, Gone: func(Conn, bool) {}, Log: slog.New(slog.DiscardHandler),
	})
	defer s.Stop()
	for i := range most {
		ours, theirs := net.Pipe()
		defer func() { _ = ours.Close() }()
		if !s.Take(&pipe{Conn: theirs}) {
			t.Fatalf("number %d is refused", i+1)
		}
	}
	if s.Take(&pipe{}) {
		t.Error("one too many is not")
	}
}

// Idle connections are given up for new ones, those first that have been idle for the longest time; connections that work for
// somebody never are.
func TestIdleConnections(t *testing.T) {
	gone := make(chan Conn, 100)
	s := NewServer(ServerConfig{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/wait" {
				<-r.Context().Done()
			}
		}),
		Conns: 4, HeaderBytes: 4096, HeaderTime: time.Minute, Idle: time.Minute, BodyTime: time.Minute, AnswerTime: time.Minute,
		Known: func(Conn) {}, Gone: func(c Conn, _ bool) { gone <- c }, Log: slog.New(slog.DiscardHandler),
	})
	defer s.Stop()
	connect := func(path string) (Conn, bool) {
		ours, theirs := net.Pipe()
		t.Cleanup(func() { _ = ours.Close() })
		c := &pipe{Conn: theirs}
		if !s.Take(c) {
			return nil, false
		}
		_, _ = fmt.Fprintf(ours, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", path)
		if path != "/wait" {
			if _, err := http.ReadResponse(bufio.NewReader(ours), nil); err != nil {
				t.Fatal(err)
			}
		}
		return c, true
	}
	idle := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.idle.Len()
	}
	rests := func(n int) {
		t.Helper()
		testkit.Eventually(t, 30*time.Second, func() string { return fmt.Sprintf("%d are idle, want %d", idle(), n) }, func() bool { return idle() == n })
	}
	first, _ := connect("/a")
	rests(1)
	second, _ := connect("/b")
	rests(2)
	if _, ok := connect("/c"); !ok { // a third idle one of four: more than half
		t.Fatal("refused")
	}
	if c := <-gone; c != first {
		t.Error("not the first one was given up for being idle")
	}
	rests(2)
	for range 2 {
		if _, ok := connect("/wait"); !ok {
			t.Fatal("refused")
		}
	}
	if _, ok := connect("/wait"); !ok {
		t.Fatal("refused")
	}
	if c := <-gone; c != second {
		t.Error("not the second one was given up for a new one")
	}
	if _, ok := connect("/wait"); !ok {
		t.Fatal("refused")
	}
	<-gone
	if _, ok := connect("/wait"); ok {
		t.Error("one that works was given up")
	}
	if n := s.Conns(); n != 4 {
		t.Errorf("%d connections", n)
	}
}
