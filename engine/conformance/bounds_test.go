package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"stentor/engine/loop"
	"stentor/engine/websocket"
)

func TestMessageLimit(t *testing.T) {
	const limit = 1000
	e := start(t, limit)
	defer stop(t, e)
	address := e.Addresses()[0].String()
	full := strings.Repeat("x", limit)
	for name, c := range map[string]conversation{
		"just":                 {"", append([][]byte{message(full)}, fragments(opText, pieces(full, 10)...)...), []string{text(full), text(full)}},
		"a frame is too large": failing("", 1009, nil, message(full+"x")),
		"by its header":        failing("", 1009, nil, message(full + "x")[:8]),
		"fragments":            failing("", 1009, []string{text("a")}, append([][]byte{message("a")}, fragments(opBinary, full, "x")...)...),
		"many fragments":       failing("", 1009, nil, fragments(opText, pieces(full+"x", 7)...)...),
		"the last empty":       {"", fragments(opText, full, ""), []string{text(full)}},
	} {
		t.Run(name, func(t *testing.T) {
			client := dial(t, address)
			client.send(c.send...)
			client.expect(c.want...)
			if c.closes() {
				client.expect("FIN")
			} else {
				client.bye()
			}
		})
	}
}

// TestClientDoesNotRead has a client send and never read: it is closed before much waits for it.
func TestClientDoesNotRead(t *testing.T) {
	const limit = 256 << 10
	e := start(t, limit)
	defer stop(t, e)
	for name, unit := range map[string][]byte{
		"large": message(strings.Repeat("x", limit)),
		"small": bytes.Repeat(message("a small message"), 1000),
		"pings": bytes.Repeat(ping(strings.Repeat("p", 125)), 1000),
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, e.Addresses()[0].String())
			sent := 0
			var err error
			for err == nil && sent < 1<<30 {
				var n int
				n, err = c.conn.Write(unit)
				sent += n
			}
			if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("%d bytes were sent: %v", sent, err)
			}
			// Beside what waits in the server, the kernel's buffers of both sides are full.
			if most := 2*limit + 16<<20; sent > most {
				t.Errorf("%d bytes were taken, at most %d should be", sent, most)
			}
		})
	}
}

// TestSlowClient reads a large message bit by bit: being slow is not being closed.
func TestSlowClient(t *testing.T) {
	c := dial(t, server(t))
	s := long(2 << 20)
	c.send(message(s), message("and more"))
	c.room = make([]byte, 1000)
	c.expect(text(s), text("and more"))
	c.bye()
}

// TestClientNeverEnds closes and keeps its side of the TCP connection open: the server waits for a while, then not.
func TestClientNeverEnds(t *testing.T) {
	t.Parallel()
	e, err := loop.NewEcho(loop.EchoOptions{Listen: "127.0.0.1:0", MaxMessage: maxMessage, Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		err = e.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, e)
	c := dial(t, e.Addresses()[0].String())
	c.send(closing(1000, ""))
	c.expect("close 1000", "FIN")
	for {
		if _, err := c.conn.Write(ping("")); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("the server keeps the connection")
		} else if err != nil {
			return
		}
		time.Sleep(10 * time.Millisecond) // not to wait for something, but not to busy the machine
	}
}

func TestHandshakes(t *testing.T) {
	address := server(t)
	key := websocket.NewKey()
	good := string(websocket.AppendRequest(nil, address, "/", key))
	for _, c := range []struct {
		name, request string
		status        int
	}{
		{"good", good, 101},
		{"method", strings.Replace(good, "GET", "POST", 1), 405},
		{"version", strings.Replace(good, "Version: 13", "Version: 8", 1), 426},
		{"no upgrade", strings.Replace(good, "Upgrade: websocket\r\n", "", 1), 426},
		{"no key", strings.Replace(good, "Sec-WebSocket-Key: "+key+"\r\n", "", 1), 400},
		{"HTTP/1.0", strings.Replace(good, "HTTP/1.1", "HTTP/1.0", 1), 400},
		{"not HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400},
		{"too large", "GET / HTTP/1.1\r\nCookie: " + strings.Repeat("a", 9<<10), 431},
	} {
		for _, size := range []int{1, 100, 1 << 20} {
			t.Run(fmt.Sprintf("%s by %d", c.name, size), func(t *testing.T) {
				t.Parallel()
				client := tcp(t, address)
				for _, p := range chop([]byte(c.request), size) {
					if _, err := client.conn.Write(p); err != nil && c.status == 101 {
						t.Fatal(err)
					}
				}
				if c.status == 101 {
					client.send(message("hello"), closing(1000, ""))
				}
				got, err := io.ReadAll(client.conn)
				if want := fmt.Sprintf("HTTP/1.1 %d ", c.status); err != nil || !bytes.HasPrefix(got, []byte(want)) {
					t.Fatalf("%.200q, %v", got, err)
				}
				if c.status == 101 && !bytes.HasSuffix(got, []byte("\r\n\r\n\x81\x05hello\x88\x02\x03\xE8")) {
					t.Errorf("%q", got)
				}
			})
		}
	}
}

// TestStop closes clients in all states.
func TestStop(t *testing.T) {
	before := runtime.NumGoroutine()
	e := start(t, 1<<20)
	address := e.Addresses()[0].String()
	halfway := tcp(t, address)
	halfway.send([]byte("GET / HT"))
	var open []*client
	for range 20 { // connections are accepted in order: once these are open, the one before is
		c := dial(t, address)
		c.send(message("hello"))
		c.expect(text("hello"))
		open = append(open, c)
	}
	open[0].send(fragments(opText, "begun", "")[0])
	open[1].send(ping("last"))
	open[1].expect("pong last")

	var wg sync.WaitGroup
	wg.Go(func() { stop(t, e) })
	for _, c := range open {
		c.expect("close 1001", "FIN")
		_ = c.conn.Close()
	}
	halfway.expect("FIN")
	_ = halfway.conn.Close()
	wg.Wait()
	if err := e.Err(); err != nil {
		t.Error(err)
	}
	for deadline := time.Now().Add(patience); runtime.NumGoroutine() > before && time.Now().Before(deadline); {
		runtime.Gosched()
	}
	if now := runtime.NumGoroutine(); now > before {
		t.Errorf("%d goroutines, %d before", now, before)
	}
}

// TestManyClients has connections come and go at all moments; their sockets' numbers are used again, and nobody gets
// what belongs to another.
func TestManyClients(t *testing.T) {
	address := server(t)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 60 {
				c := dial(t, address)
				s := fmt.Sprintf("%d/%d %s", w, i, strings.Repeat("x", 20*i))
				c.send(message(s), message(s)[:3*i%20])
				c.expect(text(s))
				switch i % 3 {
				case 0:
					_ = c.conn.SetLinger(0) // resets
				case 1:
					_ = c.conn.CloseWrite()
					c.expect("FIN")
				}
				_ = c.conn.Close()
			}
		})
	}
	wg.Wait()
}
