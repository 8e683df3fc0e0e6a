package load

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"stentor/bench/internal/fake"
	"stentor/bench/machine/server"
	"stentor/engine/testkit"
)

// ipv6 skips where there is none.
func ipv6(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		testkit.Missing(t, "this host has no IPv6: "+err.Error())
	}
	l.Close()
}

// IPv6 as IPv4: from the kernel's choice of address, and from one that is named.
func TestIPv6(t *testing.T) {
	ipv6(t)
	s, err := fake.Listen("[::1]:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	at := []string{"--url=ws://" + s.Address().String() + "/ws", "--api=" + serveAPI(t, s), "--api-key=key", "--open-rate=0", "--connections=50", "--rate=20", "--duration=500ms", "--hold=10ms"}
	for _, more := range [][]string{nil, {"--source=::1"}} {
		r := runs(t, "reconnect", append(at, more...)...)
		if all := r.Total(); !r.Verdict.Good || all.Opened != 100 || all.Delivered == 0 {
			t.Errorf("%q: %+v %v", more, all, r.Verdict.Problems)
		}
	}
}

// onlyIPv6 is a port that is free at ::1 and at which nobody listens at 127.0.0.1 until the test has ended.
func onlyIPv6(t *testing.T) (port string) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	const most = 100
	for range most {
		l, err := net.Listen("tcp6", "[::1]:0")
		if err != nil {
			t.Fatal(err)
		}
		at := l.Addr().(*net.TCPAddr).Port
		err = unix.Bind(fd, &unix.SockaddrInet4{Port: at, Addr: [4]byte{127, 0, 0, 1}})
		l.Close()
		if err == nil {
			return strconv.Itoa(at)
		}
	}
	t.Fatalf("%d ports that are free at ::1 are all in use at 127.0.0.1", most)
	return ""
}

// A name of which the server has the IPv6 address alone, and a real node.
func TestIPv6Node(t *testing.T) {
	ipv6(t)
	c := server.NewCredentials()
	port := onlyIPv6(t)
	client := "[::1]:" + port
	s, _, err := server.Start(bounded(t), stentor, t.TempDir(), server.Config{Credentials: c, Listen: []string{client}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	urls := []string{client}
	if all, err := net.LookupHost("localhost"); err == nil && slices.Contains(all, "::1") {
		urls = append(urls, "localhost:"+port)
	}
	for _, at := range urls {
		r := runs(t, "broadcast", "--url=ws://"+at+server.Path, "--api="+s.API(), "--api-key="+c.APIKey, "--project="+server.Project,
			"--secret="+c.Secret, "--open-rate=0", "--connections=50", "--rate=20", "--duration=500ms")
		if all := r.Total(); !r.Verdict.Good || all.Delivered != 500 || len(r.Notes) > 0 {
			t.Errorf("%s: %+v %v %v", at, all, r.Verdict.Problems, r.Notes)
		}
	}
}

func TestOneFamily(t *testing.T) {
	four, six := netip.MustParseAddrPort("192.0.2.1:80"), netip.MustParseAddrPort("[2001:db8::1]:80")
	for _, c := range []struct{ all, up, want []netip.AddrPort }{
		{[]netip.AddrPort{six}, nil, []netip.AddrPort{six}},
		{[]netip.AddrPort{four}, nil, []netip.AddrPort{four}},
		{[]netip.AddrPort{six, four}, []netip.AddrPort{four, six}, []netip.AddrPort{four}},
		{[]netip.AddrPort{six, four}, []netip.AddrPort{six}, []netip.AddrPort{six}},
		{[]netip.AddrPort{six, four}, nil, []netip.AddrPort{four}},
	} {
		got := oneFamily(t.Context(), c.all, func(_ context.Context, a netip.AddrPort) bool { return slices.Contains(c.up, a) })
		if !slices.Equal(got, c.want) {
			t.Errorf("of %v, when %v are up: %v", c.all, c.up, got)
		}
	}
}

func TestFamilies(t *testing.T) {
	for want, args := range map[string][]string{
		"two families: use one":  {"--url=ws://127.0.0.1:1/ws,ws://[::1]:1/ws"},
		"127.0.0.2 and ::1":      {"--source=127.0.0.2,::1"},
		"allowed: an address or": {"--source=127.0.0.2-::1"},
		"no suitable address":    {"--url=ws://[::1]:1/ws", "--source=127.0.0.2"},
	} {
		_, err := newTarget(t.Context(), parse(t, "connect", args...))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", args, err, want)
		}
	}
	got, err := sources([]string{"2001:db8::fe-2001:db8::101"})
	if err != nil || len(got) != 4 || got[3] != netip.MustParseAddr("2001:db8::101") {
		t.Errorf("%v, %v", got, err)
	}
}
