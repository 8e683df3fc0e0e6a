package websocket

import "testing"

func TestNames(t *testing.T) {
	n, err := ParseNames([]string{"Push.example.com", "*.push.example.net", "stentor"})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{
		"127.0.0.1": true, "127.0.0.1:8080": true, "192.0.2.1:80": true, "[::1]": true, "[::1]:8081": true, "[fe80::1]:1": true,
		"localhost": true, "LOCALHOST:8081": true, "app.localhost:1": true, "localhost.": true,
		"push.example.com": true, "PUSH.example.com:8080": true, "push.example.com.": true, "stentor:8081": true,
		"a.push.example.net": true, "a.b.push.example.net:1": true,
		"": false, ":8080": false, "evil.test": false, "evil.test:8080": false, "push.example.com.evil.test": false, "apush.example.com": false,
		"push.example.net": false, ".push.example.net": false, "xpush.example.net": false, "localhost.evil.test": false, "notlocalhost": false,
		"127.0.0.1.evil.test": false, "push.example.com:x": false, "127.0.0.1:": false, "0x7f.1": false, "2130706433": false,
	} {
		if got := n.Has(host); got != want {
			t.Errorf("%q: %v, want %v", host, got, want)
		}
	}
	var none Names
	if !none.Has("127.0.0.1:1") || none.Has("push.example.com") {
		t.Error("the zero value is wrong")
	}
	for _, bad := range []string{"", "*", "*.", ".a", "a.", "a..b", "http://a", "a:80", "a/b", "a b", "*a.b", "ä"} {
		if _, err := ParseNames([]string{bad}); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// own are the names of the server in tests of origins.
var own = Names{exact: map[string]bool{"push.example.com": true}}
