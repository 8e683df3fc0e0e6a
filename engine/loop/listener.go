package loop

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Listener is one of the addresses that clients connect to.
type Listener struct {
	// Address is where TCP listens; port 0 takes a free one.
	Address netip.AddrPort
	// Path of a Unix socket, "" for TCP. What connects there counts as a trusted proxy.
	Path string
	// Mode and Group of that socket's file; Group is a name or a number, "" for the process's own.
	Mode  fs.FileMode
	Group string
	// ProxyProtocol: every connection begins with a header of the PROXY protocol, from a trusted proxy.
	ProxyProtocol bool
	// TLS: what follows is TLS.
	TLS bool
}

const (
	unixScheme  = "unix:"
	unixMode    = 0o660
	listenerFor = "host:port or unix:/path, optionally with tls and proxy_protocol, and for a Unix socket with mode=0660 and group=NAME"
)

// ParseListener reads an address and its options, as in "10.0.0.5:8080 proxy_protocol" or "unix:/run/stentor/ws.sock
// mode=0660 group=www-data".
func ParseListener(text string) (Listener, error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return Listener{}, errors.New("no address, allowed: " + listenerFor)
	}
	var (
		l   Listener
		err error
	)
	if path, ok := strings.CutPrefix(words[0], unixScheme); ok {
		if !strings.HasPrefix(path, "/") || strings.HasSuffix(path, "/") {
			return Listener{}, fmt.Errorf("found %q, allowed: unix: and the absolute path of a file", words[0])
		}
		l.Path, l.Mode = path, unixMode
	} else if l.Address, err = parseAddress(words[0]); err != nil {
		return Listener{}, err
	}
	seen := map[string]bool{}
	for _, word := range words[1:] {
		if err := l.option(word); err != nil {
			return Listener{}, err
		}
		name, _, _ := strings.Cut(word, "=")
		if seen[name] {
			return Listener{}, fmt.Errorf("found %s twice, allowed: once", name)
		}
		seen[name] = true
	}
	return l, nil
}

func (l *Listener) option(word string) error {
	name, value, valued := strings.Cut(word, "=")
	switch {
	case word == "proxy_protocol":
		l.ProxyProtocol = true
	case word == "tls":
		l.TLS = true
	case l.Path != "" && name == "mode":
		mode, err := strconv.ParseUint(value, 8, 32)
		if err != nil || mode > 0o777 {
			return fmt.Errorf("found %q, allowed: an octal number up to 0777, as in mode=0660", word)
		}
		l.Mode = fs.FileMode(mode)
	case l.Path != "" && name == "group" && valued && value != "":
		l.Group = value
	default:
		return fmt.Errorf("found %q, allowed: %s", word, listenerFor)
	}
	return nil
}

func parseAddress(text string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("listen on %q: %w", text, err)
	}
	if host == "" {
		host = "0.0.0.0"
	} else if host == "localhost" {
		host = "127.0.0.1"
	}
	addr, err := netip.ParseAddrPort(net.JoinHostPort(host, port))
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("listen on %q: the host must be an IP address: %w", text, err)
	}
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()), nil
}

// String is the address without its options.
func (l Listener) String() string {
	if l.Path != "" {
		return unixScheme + l.Path
	}
	return l.Address.String()
}
