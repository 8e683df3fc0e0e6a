package websocket

import (
	"fmt"
	"net/netip"
	"strings"
)

// Origins says from which web pages browsers may connect. The zero value allows the server's own origin only. It is
// immutable, so that any goroutine may use it.
type Origins struct {
	list     bool // the rules below hold; else the same origin does
	any      bool
	loopback bool
	opaque   bool // "null"
	exact    []origin
	under    []origin // the host is a suffix, ".example.com"
	schemes  []string // of apps, with any host
}

// origin is scheme, host and port (RFC 6454), in lower case. Port 443 of https and 80 of http are left out. Those of an app's
// own scheme may have no host, as file:// has none.
type origin struct{ scheme, host, port string }

// ParseOrigins reads what an endpoint allows: nothing for the same origin, "*" for any, "loopback" for any on this machine,
// "https://shop.example.com" or "http://192.0.2.1:8080" for just that one, "https://*.example.com" for all hosts below that
// one; of apps "capacitor://localhost", "file://", or "moz-extension://*" for any host of a scheme; "null" for what browsers
// send for pages without an origin. A list replaces the same-origin rule.
func ParseOrigins(list []string) (Origins, error) {
	o := Origins{list: len(list) > 0}
	for _, s := range list {
		switch s {
		case "*":
			o.any = true
			continue
		case "loopback":
			o.loopback = true
			continue
		case "null":
			o.opaque = true
			continue
		}
		scheme, rest, cut := strings.Cut(s, "://")
		if rest == "*" && isAppScheme(scheme) {
			o.schemes = append(o.schemes, strings.ToLower(scheme))
			continue
		}
		suffix, wild := strings.CutPrefix(rest, "*")
		p, ok := splitOrigin(strings.ToLower(scheme + "://" + suffix))
		if !cut || !ok || wild && (len(p.host) < 2 || p.host[0] != '.') {
			return Origins{}, fmt.Errorf("origin %q: expected *, null, loopback, scheme://host, scheme://host:port or scheme://*.host, without a path; of an app's own scheme also scheme:// and scheme://*", s)
		}
		if wild {
			o.under = append(o.under, p)
		} else {
			o.exact = append(o.exact, p)
		}
	}
	return o, nil
}

// Allows decides about a request with the header Origin as given, "" when there is none: then the client is not a web page,
// and is accepted. host and secure are what Request.Target returns. The same origin counts as the server's own only when it
// is one of the server's names; over TLS the certificate has proved that.
func (o *Origins) Allows(header, host string, secure bool, names *Names) bool {
	if header == "" || o.any {
		return true
	}
	if header == "null" {
		return o.opaque
	}
	p, ok := splitOrigin(header)
	if !ok {
		return false
	}
	if !o.list {
		self := origin{scheme: "http"}
		if secure {
			self.scheme = "https"
		}
		self.host, self.port, ok = splitPort(self.scheme, host)
		return ok && p.equal(self) && (secure || names.Has(host))
	}
	if o.loopback && !isAppScheme(p.scheme) && isLoopback(p.host) {
		return true
	}
	for _, scheme := range o.schemes {
		if strings.EqualFold(p.scheme, scheme) {
			return true
		}
	}
	for _, q := range o.exact {
		if p.equal(q) {
			return true
		}
	}
	for _, q := range o.under {
		if at := len(p.host) - len(q.host); at > 0 && q.equal(origin{p.scheme, p.host[at:], p.port}) {
			return true
		}
	}
	return false
}

func (p origin) equal(q origin) bool {
	return strings.EqualFold(p.scheme, q.scheme) && strings.EqualFold(p.host, q.host) && p.port == q.port
}

// splitOrigin reads the text of an origin. Some clients other than browsers name the WebSocket's own scheme: ws stands for
// http and wss for https.
func splitOrigin(s string) (p origin, ok bool) {
	scheme, rest, ok := strings.Cut(s, "://")
	switch {
	case strings.EqualFold(scheme, "ws"):
		scheme = "http"
	case strings.EqualFold(scheme, "wss"):
		scheme = "https"
	}
	if !ok || scheme == "" || strings.ContainsAny(rest, `*/\?#@, `) {
		return origin{}, false
	}
	p.scheme = scheme
	if rest == "" && isAppScheme(scheme) {
		return p, true
	}
	p.host, p.port, ok = splitPort(scheme, rest)
	return p, ok
}

// isAppScheme reports whether a scheme is none of the web's: apps and browsers' extensions have their own.
func isAppScheme(scheme string) bool {
	for _, web := range []string{"http", "https", "ws", "wss"} {
		if strings.EqualFold(scheme, web) {
			return false
		}
	}
	for i := range len(scheme) { // RFC 3986, 3.1
		c := scheme[i] | 0x20
		letter := 'a' <= c && c <= 'z'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789+-.", rune(scheme[i]))) {
			return false
		}
	}
	return scheme != ""
}

// splitPort splits host and port, which it leaves out when it is the scheme's own.
func splitPort(scheme, s string) (host, port string, ok bool) {
	host = s
	if i := strings.LastIndexByte(s, ':'); i >= 0 && i > strings.LastIndexByte(s, ']') {
		host, port = s[:i], s[i+1:]
		if port == "" || strings.Trim(port, "0123456789") != "" {
			return "", "", false
		}
	}
	if port == "80" && strings.EqualFold(scheme, "http") || port == "443" && strings.EqualFold(scheme, "https") {
		port = ""
	}
	return host, port, host != ""
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.IsLoopback()
}
