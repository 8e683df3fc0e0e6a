package admin

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestEmptyLines: an empty line before a request is skipped (RFC 9112 section 2.2), however it comes, and so is the one that
// old clients send behind the body of a POST.
func TestEmptyLines(t *testing.T) {
	_, address := serve(t, newGate(), 10)
	const (
		get  = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
		post = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n\r\n{}"
	)
	for name, pieces := range map[string][]string{
		"before the first":       {"\r\n" + get},
		"two":                    {"\r\n\r\n" + get},
		"LF":                     {"\n" + get},
		"in pieces":              {"\r", "\n", get},
		"behind a POST":          {post, post + "\r\n" + get, "\r\n" + get},
		"before each":            {"\r\n" + get, "\r\n" + post, "\r\n" + get},
		"a body that is an end":  {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n", "\r\n", get},
		"a body behind the head": {"\r\nPOST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n", "\r\n", "\r\n", "\r\n" + get},
	} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		answers := bufio.NewReader(conn)
		sent, answered := "", 0
		for _, piece := range pieces {
			fmt.Fprint(conn, piece)
			sent += piece
			for ; answered < strings.Count(sent, "HTTP/1.1")-pendingBody(sent); answered++ {
				r, err := http.ReadResponse(answers, nil)
				if err != nil {
					t.Fatalf("%s: answer %d: %v", name, answered, err)
				}
				_ = r.Body.Close()
				if r.StatusCode != http.StatusOK {
					t.Errorf("%s: answer %d is %s", name, answered, r.Status)
				}
			}
		}
		_ = conn.Close()
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprint(conn, strings.Repeat("\r\n", 3)+get)
	if r, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || r.StatusCode != http.StatusBadRequest {
		t.Errorf("empty lines without end are answered %v, %v", r, err)
	}
}

// TestEmptyLineBehindAnswer: an empty line is skipped as well when it comes before net/http has finished the request before.
func TestEmptyLineBehindAnswer(t *testing.T) {
	s := NewServer(ServerOptions{MaxConns: 10, Log: discard, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	})})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	startOn(t, s, delaying{l, t})
	for _, method := range []string{"GET", "POST", "DELETE"} {
		for _, body := range []string{"\r\n", "Content-Length: 2\r\n\r\n{}", "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"} {
			for _, before := range []string{"\r\n", "\n", "\r\n\r\n"} {
				c := dial(t, l.Addr().String())
				for range 3 {
					fmt.Fprintf(c, "%s%s / HTTP/1.1\r\nHost: h\r\n%s", before, method, body)
					if r, err := http.ReadResponse(c.r, nil); err != nil || r.StatusCode != http.StatusOK {
						t.Fatalf("%s with %q behind %q: %+v, %v", method, body, before, r, err)
					}
				}
				_ = c.Close()
			}
		}
	}
}

// delaying is a listener whose connections finish writing an answer only when more has been read.
type delaying struct {
	net.Listener
	t *testing.T
}

func (l delaying) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &delayed{c, l.t, make(chan bool, 1)}, err
}

type delayed struct {
	net.Conn
	t    *testing.T
	more chan bool
}

func (c *delayed) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	select {
	case c.more <- true:
	default:
	}
	return n, err
}

func (c *delayed) Write(p []byte) (int, error) {
	select {
	case <-c.more: // of the request
	default:
	}
	n, err := c.Conn.Write(p)
	select {
	case <-c.more:
	case <-c.t.Context().Done():
	}
	return n, err
}

// TestPipelinedHeads: a request may be sent before the last one is answered, in pieces that begin with the end of a line.
func TestPipelinedHeads(t *testing.T) {
	_, address := serve(t, newGate(), 10)
	for _, next := range []string{"GET / HTTP/1.1\r\nHost: h|\r\n\r\n", "GET / HTTP/1.1|\r\nHost: h\r\n\r\n", "GET / HTTP/1.1\r\nHost: h\r\n|\r\n", "GET / HTTP/1.1\r\nHost: h\r\n\r|\n"} {
		c := dial(t, address)
		begin, rest, _ := strings.Cut(next, "|")
		fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"+begin)
		c.want(t, http.StatusOK)
		fmt.Fprint(c, rest)
		c.want(t, http.StatusOK)
	}
}

// pendingBody is 1 while the body of the last request that was sent is not whole.
func pendingBody(sent string) int {
	last := sent[max(0, strings.LastIndex(sent, "HTTP/1.1")):]
	head, body, _ := strings.Cut(last, "\r\n\r\n")
	for n := range 5 {
		if strings.Contains(head, fmt.Sprintf("Content-Length: %d", n)) && len(body) < n {
			return 1
		}
	}
	return 0
}
