package websocket

import (
	"net/netip"
	"testing"
)

func TestOrigins(t *testing.T) {
	same, shop, any, loopback, under := []string{}, []string{"https://Shop.example.com", "http://192.0.2.1:8080"}, []string{"*"}, []string{"loopback"}, []string{"https://*.example.com", "http://*.test:81"}
	apps := []string{"null", "file://", "capacitor://localhost", "Moz-Extension://*"}
	for _, c := range []struct {
		list   []string
		origin string
		host   string
		secure bool
		want   bool
	}{
		{same, "", "push.example.com", false, true},
		{same, "http://push.example.com", "push.example.com", false, true},
		{same, "http://PUSH.example.com", "push.example.com", false, true},
		{same, "http://push.example.com:80", "push.example.com", false, true},
		{same, "http://push.example.com", "push.example.com:80", false, true},
		{same, "http://push.example.com:8080", "push.example.com:8080", false, true},
		{same, "http://push.example.com:8080", "push.example.com", false, false},
		{same, "http://push.example.com", "push.example.com:8080", false, false},
		{same, "https://push.example.com", "push.example.com", true, true},
		{same, "https://push.example.com", "push.example.com:443", true, true},
		{same, "https://push.example.com", "push.example.com", false, false},
		{same, "http://push.example.com", "push.example.com", true, false},
		{same, "http://push.example.com:443", "push.example.com:443", true, false},
		{same, "ws://push.example.com", "push.example.com", false, true},
		{same, "wss://push.example.com", "push.example.com", true, true},
		{same, "http://[::1]:8080", "[::1]:8080", false, true},
		{same, "http://[::1]", "[::1]", false, true},
		{same, "http://evil.example.com", "push.example.com", false, false},
		{same, "null", "push.example.com", false, false},
		{same, "http://", "", false, false},
		{same, "://push.example.com", "push.example.com", false, false},
		{same, "http://push.example.com:", "push.example.com", false, false},
		{same, "http://push.example.com:a", "push.example.com:a", false, false},
		{same, "push.example.com", "push.example.com", false, false},
		{same, "http://rebound.example.com:8080", "rebound.example.com:8080", false, false}, // its page chose where it resolves
		{same, "https://rebound.example.com", "rebound.example.com", true, true},            // the certificate has the name
		{same, "http://127.0.0.1:8080", "127.0.0.1:8080", false, true},
		{same, "http://localhost:8080", "localhost:8080", false, true},

		{shop, "https://shop.example.com", "push.example.com", false, true},
		{shop, "https://shop.example.com:443", "push.example.com", false, true},
		{shop, "wss://shop.example.com", "push.example.com", false, true},
		{shop, "http://shop.example.com", "push.example.com", false, false},
		{shop, "https://shop.example.com:8443", "push.example.com", false, false},
		{shop, "https://shop.example.com.evil.com", "push.example.com", false, false},
		{shop, "https://evilshop.example.com", "push.example.com", false, false},
		{shop, "http://192.0.2.1:8080", "push.example.com", false, true},
		{shop, "http://192.0.2.1", "push.example.com", false, false},
		{shop, "", "push.example.com", false, true},
		{shop, "http://push.example.com", "push.example.com", false, false},

		{any, "https://anything", "push.example.com", false, true},
		{any, "null", "push.example.com", false, true},

		{loopback, "http://localhost:3000", "localhost:8080", false, true},
		{loopback, "https://LOCALHOST", "localhost:8080", false, true},
		{loopback, "http://127.0.0.1:3000", "localhost:8080", false, true},
		{loopback, "http://127.8.9.1", "localhost:8080", false, true},
		{loopback, "http://[::1]:3000", "localhost:8080", false, true},
		{loopback, "http://localhost.evil.com", "localhost:8080", false, false},
		{loopback, "http://192.168.0.1", "localhost:8080", false, false},
		{loopback, "http://rebound.example.com:8080", "rebound.example.com:8080", false, false},
		{loopback, "null", "localhost:8080", false, false},

		{loopback, "capacitor://localhost", "localhost:8080", false, false}, // any phone's
		{loopback, "file://", "localhost:8080", false, false},

		{apps, "null", "push.example.com", false, true},
		{apps, "file://", "push.example.com", false, true},
		{apps, "FILE://", "push.example.com", false, true},
		{apps, "capacitor://localhost", "push.example.com", false, true},
		{apps, "ionic://localhost", "push.example.com", false, false},
		{apps, "capacitor://evil", "push.example.com", false, false},
		{apps, "capacitor://", "push.example.com", false, false},
		{apps, "moz-extension://00000000-0000-0000-0000-000000000000", "push.example.com", false, true},
		{apps, "moz-extension://", "push.example.com", false, true},
		{apps, "moz-extension2://a", "push.example.com", false, false},
		{apps, "https://shop.example.com", "push.example.com", false, false},
		{apps, "NULL", "push.example.com", false, false},
		{apps, "null ", "push.example.com", false, false},
		{apps, "file:///etc", "push.example.com", false, false},
		{shop, "null", "push.example.com", false, false},
		{shop, "file://", "push.example.com", false, false},
		{same, "file://", "", false, false},

		{under, "https://a.example.com", "push.example.com", false, true},
		{under, "https://a.b.EXAMPLE.com", "push.example.com", false, true},
		{under, "https://example.com", "push.example.com", false, false},
		{under, "https://.example.com", "push.example.com", false, false},
		{under, "https://evilexample.com", "push.example.com", false, false},
		{under, "http://a.example.com", "push.example.com", false, false},
		{under, "https://a.example.com:8443", "push.example.com", false, false},
		{under, "https://evil.com/.example.com", "push.example.com", false, false},
		{under, "https://evil.com#.example.com", "push.example.com", false, false},
		{under, "https://user@a.example.com", "push.example.com", false, false},
		{under, "http://a.test:81", "push.example.com", false, true},
		{under, "http://a.test", "push.example.com", false, false},
	} {
		o, err := ParseOrigins(c.list)
		if err != nil {
			t.Fatal(err)
		}
		if got := o.Allows(c.origin, c.host, c.secure, &own); got != c.want {
			t.Errorf("%q: origin %q, host %q, secure %v: %v", c.list, c.origin, c.host, c.secure, got)
		}
	}
	both, err := ParseOrigins([]string{"https://a.com", "https://b.com", "https://*.c.com", "https://*.d.com", "loopback"})
	if err != nil {
		t.Fatal(err)
	}
	for _, origin := range []string{"https://a.com", "https://b.com", "https://x.c.com", "https://x.d.com", "http://localhost"} {
		if !both.Allows(origin, "", false, &own) {
			t.Errorf("%s is not allowed", origin)
		}
	}
}

func TestParseOriginsErrors(t *testing.T) {
	for _, s := range []string{"", "shop.example.com", "https://", "https://*", "https://*.", "https://*example.com", "https://a.*.com", "https://a.com/", "https://a.com/x", "https://a.com:x", "https://a.com:", "https://a b", "Null", "file", "file:///", "://", "://*", "1app://*", "a b://", "https://", "ws://*", "app://*.", "app://x*", "app://a/b", "*.example.com", "https://a.com,https://b.com", "https://a@b"} {
		if _, err := ParseOrigins([]string{s}); err == nil {
			t.Errorf("%q is accepted", s)
		}
	}
}

func TestClientAddr(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:ffff::/48")}
	for _, c := range []struct{ peer, forwarded, want string }{
		{"203.0.113.7", "", "203.0.113.7"},
		{"203.0.113.7", "198.51.100.1", "203.0.113.7"},
		{"10.0.0.1", "", "10.0.0.1"},
		{"10.0.0.1", "198.51.100.1", "198.51.100.1"},
		{"::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"},
		{"10.0.0.1", "1.2.3.4, 198.51.100.1", "198.51.100.1"},
		{"10.0.0.1", "1.2.3.4,198.51.100.1 , 10.0.0.2,10.0.0.3", "198.51.100.1"},
		{"10.0.0.1", "10.0.0.9, 10.0.0.2", "10.0.0.9"},
		{"10.0.0.1", "198.51.100.1, unknown", "10.0.0.1"},
		{"10.0.0.1", "198.51.100.1, unknown, 10.0.0.2", "10.0.0.2"},
		{"10.0.0.1", "198.51.100.1,", "10.0.0.1"},
		{"10.0.0.1", ",", "10.0.0.1"},
		{"10.0.0.1", "198.51.100.1:4711", "198.51.100.1"},
		{"10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"},
		{"10.0.0.1", "2001:db8::1", "2001:db8::1"},
		{"10.0.0.1", "[2001:db8::1]", "2001:db8::1"},
		{"10.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"},
		{"10.0.0.1", "fe80::1%eth0", "fe80::1"},
		{"2001:db8:ffff::1", "203.0.113.7", "203.0.113.7"},
		{"2001:db8:fffe::1", "203.0.113.7", "2001:db8:fffe::1"},
	} {
		got := ClientAddr(netip.MustParseAddr(c.peer), c.forwarded, trusted)
		if got != netip.MustParseAddr(c.want) {
			t.Errorf("%s for %q: got %s, want %s", c.peer, c.forwarded, got, c.want)
		}
	}
	if got := ClientAddr(netip.MustParseAddr("10.0.0.1"), "1.2.3.4", nil); got != netip.MustParseAddr("10.0.0.1") {
		t.Errorf("no proxy is trusted: got %s", got)
	}
}
