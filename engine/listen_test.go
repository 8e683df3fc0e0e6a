package engine

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestBind(t *testing.T) {
	for _, one := range []struct{ address, host string }{
		{"127.0.0.1:0", "127.0.0.1"},
		{"localhost:0", "127.0.0.1"},
		{":0", "0.0.0.0"},
		{"[::1]:0", "::1"},
		{"[::]:0", "::"},
		{"[::ffff:127.0.0.1]:0", "127.0.0.1"},
	} {
		parsed, err := ParseListener(one.address)
		if err != nil {
			t.Errorf("%s: %v", one.address, err)
			continue
		}
		socket, addr, err := bindTCP(parsed.Address, families(parsed.Address, nil), 0)
		if err != nil {
			t.Errorf("%s: %v", one.address, err)
			continue
		}
		if addr.Addr() != netip.MustParseAddr(one.host) || addr.Port() == 0 {
			t.Errorf("%s: %v", one.address, addr)
		}
		c, err := net.DialTimeout("tcp", addr.String(), time.Second)
		if err != nil {
			t.Errorf("%s: %v", one.address, err)
		} else {
			_ = c.Close()
		}
		if addr.Addr().IsUnspecified() { // of IPv4 too
			c, err := net.DialTimeout("tcp4", netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), addr.Port()).String(), time.Second)
			if err != nil {
				t.Errorf("%s: %v", one.address, err)
			} else {
				_ = c.Close()
			}
		}
		_ = socket.Close()
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for address, want := range map[string]string{
		taken.Addr().String(): "address already in use",
		"stentor.test:8080":   "must be an IP address",
		"127.0.0.1":           "missing port",
		"203.0.113.7:0":       "cannot assign",
	} {
		l, err := ParseListener(address)
		if err == nil {
			_, _, err = bindTCP(l.Address, only6, 0)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v, want %q", address, l, err, want)
		}
	}
}

// TestCapacity: clients never get the descriptors that the rest of the process needs.
func TestCapacity(t *testing.T) {
	if n, err := capacity(10, 100); n != 10 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	all, err := capacity(1<<30, 0)
	if err != nil {
		t.Fatal(err)
	}
	if less, err := capacity(1<<30, 100); less != all-100 || err != nil {
		t.Errorf("%d of %d, %v", less, all, err)
	}
	if n, err := capacity(10, all); err == nil {
		t.Errorf("%d clients without descriptors", n)
	}
}

// TestAsManyAsFit: who asked for more connections than there are descriptors is warned; who asked for as many as fit is told
// how many that are.
func TestAsManyAsFit(t *testing.T) {
	for _, asked := range []bool{true, false} {
		var log bytes.Buffer
		n, stop := startNodeWith(t, nil, func(o *Options) {
			o.Limits.Connections, o.Limits.AsManyAsFit = 1<<30, !asked
			o.Log = slog.New(slog.NewTextHandler(&log, nil))
		})
		stop()
		if n.capacity >= 1<<30 {
			t.Skip("there is no limit of descriptors here")
		}
		warned := strings.Contains(log.String(), "level=WARN msg=\"fewer connections than wanted")
		told := strings.Contains(log.String(), fmt.Sprintf("level=INFO msg=\"as many connections as memory and descriptors allow\" possible=%d ", n.capacity))
		if warned != asked || told == asked || strings.Contains(log.String(), "WARN") != asked {
			t.Errorf("asked %v: %s", asked, log.String())
		}
	}
}

// TestKeepAlive: the kernel asks idle peers only where the node does not.
func TestKeepAlive(t *testing.T) {
	for ping, want := range map[time.Duration]int{30 * time.Second: 0, 0: 1} {
		n, stop := startNodeWith(t, nil, func(o *Options) { o.Shard.Ping = ping })
		c := n.dial(t)
		c.upgrade(t)
		fd := acceptedFrom(t, c.conn.LocalAddr().(*net.TCPAddr))
		if got, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE); got != want || err != nil {
			t.Errorf("pings every %v: keep-alive %d, %v, want %d", ping, got, err, want)
		}
		_ = c.conn.Close()
		stop()
	}
}

// TestSocketOptions: what is set on a listener holds for what it accepts.
func TestSocketOptions(t *testing.T) {
	n, stop := startNode(t, nil)
	defer stop()
	c := n.dial(t)
	c.upgrade(t)
	fd := acceptedFrom(t, c.conn.LocalAddr().(*net.TCPAddr))
	for option, want := range map[int]int{unix.TCP_NOTSENT_LOWAT: notSentLowAt, unix.TCP_NODELAY: 1} {
		if got, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, option); got != want || err != nil {
			t.Errorf("option %d: %d, %v, want %d", option, got, err, want)
		}
	}
}

// acceptedFrom finds the descriptor of this process whose peer is at an address.
func acceptedFrom(t *testing.T, peer *net.TCPAddr) int {
	t.Helper()
	for fd := range 1000 {
		if a, err := unix.Getpeername(fd); err == nil {
			if a, ok := a.(*unix.SockaddrInet4); ok && a.Port == peer.Port && netip.AddrFrom4(a.Addr) == peer.AddrPort().Addr().Unmap() {
				return fd
			}
		}
	}
	t.Fatalf("no socket has the peer %v", peer)
	return 0
}

// [::] takes IPv4 as well, unless that port of IPv4 has a listener of its own.
func TestFamilies(t *testing.T) {
	listeners := func(all ...string) (list []Listener) {
		for _, text := range all {
			l, err := ParseListener(text)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, l)
		}
		return list
	}
	for _, c := range []struct {
		list []Listener
		want int
	}{
		{listeners("[::]:8080"), both},
		{listeners("[::]:8080", "0.0.0.0:8081", "unix:/run/s"), both},
		{listeners("[::]:8080", "0.0.0.0:8080"), only6},
		{listeners("[::]:8080", "127.0.0.1:8080"), only6},
		{listeners("[::]:0", "127.0.0.1:0"), both},
		{listeners("[::1]:8080"), only6},
	} {
		if got := families(c.list[0].Address, c.list); got != c.want {
			t.Errorf("%v: IPV6_V6ONLY %d, want %d", c.list, got, c.want)
		}
	}
}
