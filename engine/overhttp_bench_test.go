package engine

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"stentor/engine/websocket"
)

// BenchmarkMemoryOfAClient is what an idle client costs the node: over a WebSocket, and over HTTP while it receives. The clients
// are bare descriptors, which take nothing of the process's heap.
func BenchmarkMemoryOfAClient(b *testing.B) {
	const clients = 1000
	for _, c := range []struct{ name, request, answer string }{
		{"websocket", string(websocket.AppendRequest(nil, "h", "/ws", websocket.NewKey())), "\r\n\r\n"},
		{"xhr_streaming", "POST /ws/000/client%06d/xhr_streaming HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", "o\n"},
		{"eventsource", "GET /ws/000/client%06d/eventsource HTTP/1.1\r\nHost: h\r\n\r\n", "o\r\n"},
		{"xhr", "POST /ws/000/client%06d/xhr HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", "o\n"},
	} {
		b.Run(c.name, func(b *testing.B) {
			n, stop := overHTTPNode(b, func(o *Options) {
				o.Limits.SockJS, o.Limits.Unauthenticated, o.Limits.UnauthenticatedPerAddress, o.Limits.Connections = 20*clients, 20*clients, 20*clients, 20*clients
			})
			defer stop()
			before := taken()
			var all []int
			for i := range clients {
				request := c.request
				if strings.Contains(request, "%06d") {
					request = fmt.Sprintf(request, i)
				}
				all = append(all, bare(b, n, request, c.answer))
				if c.name == "xhr" { // the first poll opens the session, the second one waits
					if _, err := unix.Write(all[i], []byte(request)); err != nil {
						b.Fatal(err)
					}
				}
			}
			if c.name != "websocket" {
				eventually(b, "not all receive", func() bool { return n.http.sessions.Receivers() == clients })
			}
			b.ReportMetric(float64(taken()-before)/clients, "B/client")
			for _, fd := range all {
				_ = unix.Close(fd)
			}
		})
	}
}

// taken is the memory of heap and stacks.
func taken() int64 {
	time.Sleep(100 * time.Millisecond)
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// bare opens a connection, and returns its descriptor when the answer to its request has come.
func bare(b *testing.B, n testNode, request, answer string) int {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		b.Fatal(err)
	}
	address := n.Addresses()[0]
	if err = unix.Connect(fd, &unix.SockaddrInet4{Port: int(address.Port()), Addr: address.Addr().As4()}); err == nil {
		_, err = unix.Write(fd, []byte(request))
	}
	if err != nil {
		b.Fatal(err)
	}
	var seen strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(seen.String(), answer) {
		k, err := unix.Read(fd, buf)
		if err != nil || k == 0 {
			b.Fatal(seen.String(), err)
		}
		seen.Write(buf[:k])
	}
	return fd
}
