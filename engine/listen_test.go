package engine

import (
	"net"
	"net/netip"
	"strings"
	"testing"
)

func TestReserve(t *testing.T) {
	for _, one := range []struct{ address, host, scheme string }{
		{"127.0.0.1:0", "127.0.0.1", "tcp4"},
		{"localhost:0", "127.0.0.1", "tcp4"},
		{":0", "0.0.0.0", "tcp4"},
		{"[::1]:0", "::1", "tcp6"},
		{"[::]:0", "::", "tcp6"},
		{"[::ffff:127.0.0.1]:0", "127.0.0.1", "tcp4"},
	} {
		parsed, err := ParseListener(one.address)
		if err != nil {
			t.Errorf("%s: %v", one.address, err)
			continue
		}
		l, err := reserve(parsed.Address)
		if err != nil {
			t.Errorf("%s: %v", one.address, err)
			continue
		}
		if l.addr.Addr() != netip.MustParseAddr(one.host) || l.addr.Port() == 0 || l.url() != one.scheme+"://"+l.addr.String() {
			t.Errorf("%s: %v as %s", one.address, l.addr, l.url())
		}
		_ = l.held.Close()
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
			_, err = reserve(l.Address)
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
