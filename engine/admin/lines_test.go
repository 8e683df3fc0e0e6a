package admin

import (
	"bufio"
	"fmt"
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
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
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
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprint(conn, strings.Repeat("\r\n", 3)+get)
	if r, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || r.StatusCode != http.StatusBadRequest {
		t.Errorf("empty lines without end are answered %v, %v", r, err)
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
