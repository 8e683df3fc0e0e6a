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

// connect(2) takes ports of the window as long as there are any, and then any other. Another process may have one of
// them: there are other windows.
func TestDialFromWindow(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_LOCAL_PORT_RANGE, 0); err != nil {
		t.Skip("before Linux 6.3 the kernel chooses: ", err)
	}
	all, err := LocalPorts()
	if err != nil {
		t.Fatal(err)
	}
	to, inside := netip.MustParseAddrPort(l.Addr().String()), 0
	for high := all.High; high > all.High-10*window; high -= window {
		four := Ports{high - 3, high}
		if inside = dialFrom(t, to, four); inside == four.Len() {
			return
		}
	}
	t.Errorf("of no window all four ports are taken: of the last %d", inside)
}

// dialFrom connects once more than there are ports, and returns how many connections have one of them.
func dialFrom(t *testing.T, to netip.AddrPort, p Ports) (inside int) {
	t.Helper()
	for range p.Len() + 1 {
		fd, err := dial(to, netip.MustParseAddr("127.0.77.1"), p, Reading)
		if err != nil {
			t.Fatal(err)
		}
		defer reset(fd)
		own, err := unix.Getsockname(fd)
		if err != nil {
			t.Fatal(err)
		}
		if port := own.(*unix.SockaddrInet4).Port; port >= p.Low && port <= p.High {
			inside++
		}
	}
	return inside
}
