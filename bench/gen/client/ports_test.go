package client

import (
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWindows(t *testing.T) {
	p := Ports{1000, 1000 + 3*window + 5}
	for n, want := range map[int]int{0: 1000, 31: 1000, 32: 1064, 64: 1128, 95: 1128, 96: 1000, 191: 1128, 192: 1000} {
		if got := p.window(n); got != (Ports{want, want + window - 1}) {
			t.Errorf("connection %d: %v, want from %d", n, got, want)
		}
	}
	if few := (Ports{1000, 1010}); few.window(7) != few || few.Len() != 11 {
		t.Error(few.window(7))
	}
	if got, err := LocalPorts(); err != nil || got.Len() < 1000 || got.High > 65535 {
		t.Errorf("%v, %v", got, err)
	}
}

// connect(2) takes ports of the window as long as there are any, and then any other.
func TestDialFromWindow(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	all, err := LocalPorts()
	if err != nil {
		t.Fatal(err)
	}
	four := Ports{all.High - 3, all.High}
	inside := 0
	for range four.Len() + 1 {
		fd, err := dial(netip.MustParseAddrPort(l.Addr().String()), netip.MustParseAddr("127.0.77.1"), four, Reading)
		if err != nil {
			t.Fatal(err)
		}
		defer reset(fd)
		own, err := unix.Getsockname(fd)
		if err != nil {
			t.Fatal(err)
		}
		if port := own.(*unix.SockaddrInet4).Port; port >= four.Low && port <= four.High {
			inside++
		}
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_LOCAL_PORT_RANGE, 0); err != nil {
		t.Skip("before Linux 6.3 the kernel chooses: ", err)
	}
	if inside != four.Len() {
		t.Errorf("%d of %d ports of the window are taken", inside, four.Len())
	}
}
