package load

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func TestPreflight(t *testing.T) {
	big := host{files: 2_000_000, ports: 28_232, available: 64 << 30, hasSource: func(netip.Addr) error { return nil }}
	local := &target{addresses: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:8080")}}
	far := &target{addresses: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:8080")}}
	twoPorts := &target{addresses: append(far.addresses, netip.MustParseAddrPort("192.0.2.1:8081"))}
	small, poor, strange := big, big, big
	small.files, poor.available = 1024, 1<<30
	strange.hasSource = func(a netip.Addr) error {
		if a == netip.MustParseAddr("192.0.2.7") {
			return errors.New("cannot assign requested address")
		}
		return nil
	}
	for _, c := range []struct {
		name    string
		h       host
		to      *target
		n       string
		sources string
		want    int // addresses
		says    []string
	}{
		{"a million on loopback", big, local, "1000000", "", 125, nil},
		{"few, far away", big, far, "20000", "", 0, nil},
		{"many, far away", big, far, "100000", "", 0, []string{"need 4 source addresses", "ip addr add ADDRESS/32", "ip addr del"}},
		{"on two ports", big, twoPorts, "100000", "", 0, []string{"need 2 source addresses"}},
		{"enough sources", big, far, "100000", "192.0.2.2-192.0.2.5", 4, nil},
		{"too few sources", big, far, "100000", "192.0.2.2-192.0.2.4", 0, []string{"need 4", "has 3", "ip_local_port_range"}},
		{"sources of another host", strange, far, "100000", "192.0.2.5-192.0.2.8", 0, []string{"1 of 4", "ip addr add 192.0.2.7/32", "ip addr del 192.0.2.7/32"}},
		{"descriptors", small, local, "1000", "", 0, []string{"1000 connections need 1256", "1024", "ulimit"}},
		{"memory and descriptors", func() host { h := poor; h.files = 10; return h }(), local, "1000000", "", 0, []string{"descriptors", "memory", "GiB"}},
	} {
		s := parse(t, "connect", "--connections="+c.n)
		if c.sources != "" {
			s.Sources = []string{c.sources}
		}
		from, err := s.preflightOn(&c.h, c.to)
		if len(c.says) == 0 && (err != nil || len(from) != c.want) {
			t.Errorf("%s: %d addresses, %v", c.name, len(from), err)
		}
		for _, text := range c.says {
			if err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("%s: %v, want %q", c.name, err, text)
			}
		}
	}
}
