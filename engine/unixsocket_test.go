package engine

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"stentor/engine/websocket"
	"stentor/stomp"
)

// TestUnixSocket: clients over a Unix socket and over TCP have one node, whose every loop gets the pushes.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ws.sock")
	group := strconv.Itoa(os.Getgid())
	n, stop := startNodeWith(t, nil, func(o *Options) { o.Listen = []string{"127.0.0.1:0", "unix:" + path + " mode=0604 group=" + group} })
	stopped := false
	defer func() {
		if !stopped {
			stop()
		}
	}()
	if len(n.shards) != 3 {
		t.Errorf("there are %d loops, want 3 for all listeners", len(n.shards))
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != fs.ModeSocket|0o604 {
		t.Fatalf("%v, %v", info, err)
	}
	if all, err := os.ReadDir(filepath.Dir(path)); err != nil || len(all) != 1 {
		t.Errorf("beside the socket there is something left: %v, %v", all, err)
	}
	var clients []*testClient
	for i := range 12 {
		c := n.dialUnix(t, path, i%2 == 0)
		c.connect(t)
		c.send(t, stomp.Subscribe, "id", "a", "destination", "/topic/shop/all", "receipt", "r")
		c.until(t, "RECEIPT")
		clients = append(clients, c)
	}
	addresses := strings.Join(n.sessionAddresses(t), " ")
	if strings.Count(addresses, "unix") != 6 || strings.Count(addresses, "127.0.0.1:") != 6 {
		t.Errorf("the sessions are from %s", addresses)
	}
	clients[0].send(t, stomp.Send, "destination", "/topic/shop/all", "mark", "first")
	clients[1].send(t, stomp.Send, "destination", "/topic/shop/all", "mark", "second")
	for _, c := range clients {
		c.until(t, "MESSAGE")
		c.until(t, "MESSAGE")
	}
	stop()
	stopped = true
	for i, c := range clients {
		if rest, _ := io.ReadAll(c.conn); !strings.Contains(string(append(c.seen, rest...)), "\x03\xf4") {
			t.Errorf("client %d was not closed with 1012: %q", i, rest)
		}
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}

func (n testNode) dialUnix(t *testing.T, path string, local bool) *testClient {
	if local {
		return dialTest(t, "unix", path)
	}
	return n.dial(t)
}

// TestUnixForwarded: who connects to a Unix socket is believed about whom it speaks for.
func TestUnixForwarded(t *testing.T) {
	dir := t.TempDir()
	plain, proxied := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	n, stop := startNodeWith(t, nil, func(o *Options) { o.Listen = []string{"unix:" + plain, "unix:" + proxied + " proxy_protocol"} })
	defer stop()
	if len(n.shards) != 3 || len(n.Addresses()) != 0 || len(n.Paths()) != 2 {
		t.Errorf("%d loops, addresses %v, paths %v", len(n.shards), n.Addresses(), n.Paths())
	}
	for _, c := range []struct{ path, header, forwarded, want string }{
		{plain, "", "198.51.100.4", "198.51.100.4"},
		{plain, "", "198.51.100.4, 127.0.0.1", "127.0.0.1"},
		{plain, "", "", "unix"},
		{proxied, line4, "", "203.0.113.7:4711"},
		{proxied, localHeader, "", "unix"},
	} {
		client := dialTest(t, "unix", c.path)
		request := string(websocket.AppendRequest(nil, "h", "/ws", websocket.NewKey()))
		if c.forwarded != "" {
			request = strings.Replace(request, "\r\n", "\r\nX-Forwarded-For: "+c.forwarded+"\r\n", 1)
		}
		client.write(t, []byte(c.header+request))
		client.until(t, "\r\n\r\n")
		client.send(t, stomp.Connect)
		client.until(t, "CONNECTED")
		if got := n.sessionAddresses(t); len(got) != 1 || got[0] != c.want {
			t.Errorf("%+v: %v", c, got)
		}
		_ = client.conn.Close()
		n.gone(t)
	}
}

// TestUnixSlow: a client that does not read is held to what the kernel takes at most, and costs the others nothing.
func TestUnixSlow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ws.sock")
	_, stop := startNodeWith(t, nil, func(o *Options) {
		o.Listen = []string{"unix:" + path}
		o.Loops = 1
	})
	defer stop()
	slow, reader := dialTest(t, "unix", path), dialTest(t, "unix", path)
	for _, c := range []*testClient{slow, reader} {
		c.connect(t)
		c.send(t, stomp.Subscribe, "id", "a", "destination", "/topic/shop/all", "receipt", "r")
		c.until(t, "RECEIPT")
	}
	filler := strings.Repeat("x", 1000)
	const pushes = 150
	for range pushes {
		reader.send(t, stomp.Send, "destination", "/topic/shop/all", "filler", filler)
		reader.until(t, "MESSAGE")
	}
	raw, err := slow.conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	waiting := 0
	if err := raw.Control(func(fd uintptr) { waiting, err = unix.IoctlGetInt(int(fd), unix.TIOCINQ) }); err != nil || waiting == 0 {
		t.Fatal(waiting, err)
	}
	const sendBuffer = 16 << 10 // which a listener sets
	if most := 4 * sendBuffer; waiting > most {
		t.Errorf("the kernel holds %d bytes for a client that does not read, want at most %d", waiting, most)
	}
	for range pushes { // and when it reads it has missed nothing
		slow.until(t, "MESSAGE")
	}
}

// TestUnixCapacity: there is one limit for the clients of all listeners.
func TestUnixCapacity(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ws.sock")
	n, stop := startNodeWith(t, nil, func(o *Options) {
		o.Listen = []string{"127.0.0.1:0", "unix:" + path}
		o.Limits.Connections = 4
	})
	defer stop()
	var clients []*testClient
	for i := range 6 {
		c := n.dialUnix(t, path, i%2 == 1)
		c.write(t, websocket.AppendRequest(nil, "h", "/ws", websocket.NewKey()))
		want := "HTTP/1.1 101"
		if i >= 4 {
			want = "HTTP/1.1 503"
		}
		c.until(t, want)
		clients = append(clients, c)
	}
	for _, c := range clients {
		_ = c.conn.Close()
	}
	n.gone(t)
}
