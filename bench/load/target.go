package load

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"
)

// target is where clients connect.
type target struct {
	addresses []netip.AddrPort
	host      string // for the Host header
	path      string
	tls       *tls.Config // nil for ws://
}

const resolveTimeout = 10 * time.Second

// newTarget reads the URLs, which must differ in host and port only.
func newTarget(ctx context.Context, s *Spec) (*target, error) {
	t := &target{host: s.Host}
	scheme := ""
	for i, text := range s.URLs {
		u, err := url.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("--url: %w", err)
		}
		if u.Scheme != "ws" && u.Scheme != "wss" || u.Hostname() == "" {
			return nil, fmt.Errorf("--url: found %q, allowed: ws://host:port/path or wss://host:port/path", text)
		}
		path := u.RequestURI()
		if i == 0 {
			scheme, t.path = u.Scheme, path
		}
		if u.Scheme != scheme || path != t.path {
			return nil, fmt.Errorf("--url: %q and %q differ in more than host and port", s.URLs[0], text)
		}
		port := u.Port()
		if port == "" {
			port = map[string]string{"ws": "80", "wss": "443"}[scheme]
		}
		if _, err := netip.ParseAddr(u.Hostname()); err != nil && t.host == "" {
			t.host = u.Host
		}
		addresses, err := resolve(ctx, u.Hostname(), port)
		if err != nil {
			return nil, fmt.Errorf("--url %s: %w", text, err)
		}
		t.addresses = append(t.addresses, addresses...)
	}
	if len(t.addresses) == 0 {
		return nil, fmt.Errorf("--url: where do clients connect?")
	}
	if scheme == "wss" {
		return t, t.secure(s)
	}
	return t, nil
}

// resolve returns the IPv4 addresses of a host.
func resolve(ctx context.Context, host, port string) (all []netip.AddrPort, err error) {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	n, err := net.DefaultResolver.LookupPort(ctx, "tcp", port)
	if err != nil {
		return nil, err
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", host)
	if err != nil {
		return nil, err
	}
	for _, ip := range ips {
		all = append(all, netip.AddrPortFrom(ip.Unmap(), uint16(n)))
	}
	return all, nil
}

func (t *target) secure(s *Spec) error {
	name := t.host
	if name == "" {
		name = t.addresses[0].Addr().String()
	}
	if host, _, err := net.SplitHostPort(name); err == nil {
		name = host
	}
	t.tls = &tls.Config{ServerName: name, InsecureSkipVerify: s.Insecure, MinVersion: tls.VersionTLS12}
	text := []byte(s.CAText)
	if s.CA != "" {
		var err error
		if text, err = os.ReadFile(s.CA); err != nil {
			return fmt.Errorf("--ca: %w", err)
		}
	}
	if len(text) == 0 {
		return nil
	}
	t.tls.RootCAs = x509.NewCertPool()
	if !t.tls.RootCAs.AppendCertsFromPEM(text) {
		return fmt.Errorf("--ca %s: no certificate in PEM form", s.CA)
	}
	return nil
}

// local reports whether all servers are on 127.0.0.0/8.
func (t *target) local() bool {
	for _, a := range t.addresses {
		if !a.Addr().IsLoopback() {
			return false
		}
	}
	return true
}

// maxSources bounds what a range may spell.
const maxSources = 1 << 16

// sources reads addresses and ranges, as in 127.0.0.2-127.0.0.60.
func sources(texts []string) (all []netip.Addr, err error) {
	for _, text := range texts {
		from, to, isRange := strings.Cut(text, "-")
		first, err := netip.ParseAddr(strings.TrimSpace(from))
		last := first
		if err == nil && isRange {
			last, err = netip.ParseAddr(strings.TrimSpace(to))
		}
		if err != nil || !first.Is4() || !last.Is4() || last.Less(first) {
			return nil, fmt.Errorf("--source: found %q, allowed: an IPv4 address or a range as in 127.0.0.2-127.0.0.60", text)
		}
		for a := first; ; a = a.Next() {
			if all = append(all, a); len(all) > maxSources {
				return nil, fmt.Errorf("--source: more than %d addresses", maxSources)
			}
			if a == last {
				break
			}
		}
	}
	return all, nil
}
