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
		warned := strings.Contains(log.String(), "level=WARN msg=\"fewer connections than configured")
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
	for option, want := range map[int]int{unix.TCP_NOTSENT_LOWAT: 16 << 10, unix.TCP_NODELAY: 1} {
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
