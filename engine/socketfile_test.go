package engine

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"stentor/engine/websocket"
	"stentor/stomp"
)

func TestParseListener(t *testing.T) {
	for text, want := range map[string]Listener{
		"unix:/run/s.sock":                 {Path: "/run/s.sock", Mode: 0o660},
		"unix:/s mode=0600 group=www-data": {Path: "/s", Mode: 0o600, Group: "www-data"},
		"unix:/s proxy_protocol  mode=777": {Path: "/s", Mode: 0o777, ProxyProtocol: true},
		"127.0.0.1:1 proxy_protocol":       {Address: netip.MustParseAddrPort("127.0.0.1:1"), ProxyProtocol: true},
		"localhost:1":                      {Address: netip.MustParseAddrPort("127.0.0.1:1")},
	} {
		if got, err := ParseListener(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", " ", "unix:", "unix:s.sock", "unix:/run/", "unix:@abstract", "127.0.0.1:1 mode=0600", "127.0.0.1:1 proxy", "unix:/s mode=8", "unix:/s mode=1777",
		"unix:/s mode=", "unix:/s group=", "unix:/s group", "127.0.0.1:1 proxy_protocol=on",
	} {
		if got, err := ParseListener(text); err == nil {
			t.Errorf("%q is taken: %+v", text, got)
		}
	}
}

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
	if len(n.loops) != 3 {
		t.Errorf("there are %d loops, want 3 for all listeners", len(n.loops))
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
	if len(n.loops) != 3 || len(n.Addresses()) != 0 || len(n.Paths()) != 2 {
		t.Errorf("%d loops, addresses %v, paths %v", len(n.loops), n.Addresses(), n.Paths())
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
	if most := 4 * sendBuffer; waiting > most {
		t.Errorf("the kernel holds %d bytes for a client that does not read, want at most %d", waiting, most)
	}
	for range pushes { // and when it reads it has missed nothing
		slow.until(t, "MESSAGE")
	}
}

// TestSocketFile: a place is taken only when nobody listens there, and given up only by who has it.
func TestSocketFile(t *testing.T) {
	dir := t.TempDir()
	place := func(name string) string { return filepath.Join(dir, name) }
	listener := func(path string) Listener { return Listener{Path: path, Mode: 0o600} }

	if err := os.WriteFile(place("file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	live, err := net.Listen("unix", place("live"))
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	for path, want := range map[string]string{
		place("file"):                     "no socket",
		place("live"):                     "address already in use",
		place("nowhere/s"):                "no such file",
		place(strings.Repeat("long", 30)): "too long",
	} {
		if _, err := newSocketFile(listener(path)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}

	stale, err := net.Listen("unix", place("s"))
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = stale.Close()
	f, err := newSocketFile(listener(place("s")))
	if err != nil {
		t.Fatal(err)
	}
	ours, err := net.Listen("unix", f.bound())
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	if err := f.place(); err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialTimeout("unix", place("s"), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	// Another one came to the place.
	if err := os.Remove(place("s")); err != nil {
		t.Fatal(err)
	}
	other, err := net.Listen("unix", place("s"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	f.remove()
	if _, err := os.Lstat(place("s")); err != nil {
		t.Errorf("the file of another one was removed: %v", err)
	}

	// Another one was faster.
	if f, err = newSocketFile(listener(place("late"))); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{f.bound(), place("late")} {
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
	if err := f.place(); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("a place that was taken meanwhile: %v", err)
	}
	f.remove()

	if f, err = newSocketFile(Listener{Path: place("g"), Group: "there-is-no-such-group"}); err != nil {
		t.Fatal(err)
	}
	lost, err := net.Listen("unix", f.bound())
	if err != nil {
		t.Fatal(err)
	}
	defer lost.Close()
	if err := f.place(); err == nil || !strings.Contains(err.Error(), "there-is-no-such-group") {
		t.Errorf("group: %v", err)
	}
	f.remove()
	all, err := os.ReadDir(dir)
	if names := len(all); err != nil || names != 4 {
		t.Errorf("left are %v, %v", all, err)
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
