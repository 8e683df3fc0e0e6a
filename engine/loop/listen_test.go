package loop

import (
	"net"
	"net/netip"
	"strings"
	"testing"
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
		c, err := net.Dial("tcp", addr.String())
		if err != nil {
			t.Errorf("%s: %v", one.address, err)
		} else {
			_ = c.Close()
		}
		if addr.Addr().IsUnspecified() { // of IPv4 too
			c, err := net.Dial("tcp4", netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), addr.Port()).String())
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
	if n, err := Capacity(10, 100); n != 10 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	all, err := Capacity(1<<30, 0)
	if err != nil {
		t.Fatal(err)
	}
	if less, err := Capacity(1<<30, 100); less != all-100 || err != nil {
		t.Errorf("%d of %d, %v", less, all, err)
	}
	if n, err := Capacity(10, all); err == nil {
		t.Errorf("%d clients without descriptors", n)
	}
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
