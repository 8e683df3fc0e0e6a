package websocket

import (
	"fmt"
	"net/netip"
	"strings"
)

// Names are what a server is called. A request's Host says what its client thinks the server is called, and a web page
// can make a browser think anything: it has its own name resolve to the server's address (DNS rebinding), and then has the
// server's own origin. No page does that with an address, or with localhost: these are always names. The zero value has
// no others. It is immutable, so that any goroutine may use it.
type Names struct {
	exact map[string]bool // in lower case
	under []string        // ".example.com"
}

// ParseNames reads host names, "push.example.com", or "*.example.com" for all below one.
func ParseNames(list []string) (Names, error) {
	n := Names{exact: map[string]bool{}}
	for _, s := range list {
		name := strings.ToLower(s)
		suffix, wild := strings.CutPrefix(name, "*.")
		if wild {
			name = suffix
		}
		if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" || name[0] == '.' || strings.HasSuffix(name, ".") || strings.Contains(name, "..") {
			return Names{}, fmt.Errorf("name %q: expected a host name as in push.example.com or *.example.com, without scheme and port", s)
		}
		if wild {
			n.under = append(n.under, "."+name)
		} else {
			n.exact[name] = true
		}
	}
	return n, nil
}

// Has reports whether host, as it stands in a request's Host, is one of the server's names.
func (n *Names) Has(host string) bool {
	name, _, ok := splitPort("", host)
	if !ok {
		return false
	}
	if _, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")); err == nil {
		return true
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if name == "localhost" || strings.HasSuffix(name, ".localhost") || n.exact[name] {
		return true
	}
	for _, suffix := range n.under {
		if strings.HasSuffix(name, suffix) && len(name) > len(suffix) {
			return true
		}
	}
	return false
}
