package address

import (
	"net/netip"
	"testing"
)

func TestClient(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.7":              "192.0.2.7",
		"::ffff:192.0.2.7":       "192.0.2.7",
		"2001:db8:1:2:3:4:5:6":   "2001:db8:1:2::",
		"fe80::1:2%eth0":         "fe80::",
		"2001:db8:1:2::ffff:1:2": "2001:db8:1:2::",
	} {
		if got := Client(netip.MustParseAddr(text)); got != netip.MustParseAddr(want) {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	if got := Client(netip.Addr{}); got.IsValid() {
		t.Errorf("of no address: %s", got)
	}
}
