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
	"slices"
	"strconv"
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
	family, err := s.family()
	if err != nil {
		return nil, err
	}
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
		addresses, err := resolve(ctx, u.Hostname(), port, family)
		if err != nil {
			return nil, fmt.Errorf("--url %s: %w", text, err)
		}
		t.addresses = append(t.addresses, oneFamily(ctx, addresses, reachable)...)
	}
	if len(t.addresses) == 0 {
		return nil, fmt.Errorf("--url: where do clients connect?")
	}
	for _, a := range t.addresses {
		if first := t.addresses[0]; a.Addr().Is4() != first.Addr().Is4() {
			return nil, fmt.Errorf("--url: %v and %v are of two families: use one", first, a)
		}
	}
	if scheme == "wss" {
		return t, t.secure(s)
	}
	return t, nil
}

// family is that of --source: "ip4", "ip6", or "ip" when there is none.
func (s *Spec) family() (string, error) {
	from, err := sources(s.Sources)
	switch {
	case err != nil || len(from) == 0:
		return "ip", err
	case from[0].Is4():
		return "ip4", nil
	}
	return "ip6", nil
}

// oneFamily drops the addresses of one family when a host has both: the IPv6 ones, unless one of them is reachable and no
// IPv4 address is.
func oneFamily(ctx context.Context, all []netip.AddrPort, reachable func(context.Context, netip.AddrPort) bool) []netip.AddrPort {
	var four, six []netip.AddrPort
	for _, a := range all {
		if a.Addr().Is4() {
			four = append(four, a)
		} else {
			six = append(six, a)
		}
	}
	if len(four) == 0 || len(six) == 0 {
		return all
	}
	can := func(some []netip.AddrPort) bool {
		const most = 4
		return slices.ContainsFunc(some[:min(len(some), most)], func(a netip.AddrPort) bool { return reachable(ctx, a) })
	}
	if !can(four) && can(six) {
		return six
	}
	return four
}

// reachable tries to connect.
func reachable(ctx context.Context, a netip.AddrPort) bool {
	d := net.Dialer{Timeout: 2 * time.Second}
	c, err := d.DialContext(ctx, "tcp", a.String())
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// resolve returns the addresses of a host of a family. The zone of one is the number of its interface.
func resolve(ctx context.Context, host, port, family string) (all []netip.AddrPort, err error) {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	n, err := net.DefaultResolver.LookupPort(ctx, "tcp", port)
	if err != nil {
		return nil, err
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, family, host)
	if err != nil {
		return nil, err
	}
	for _, ip := range ips {
		if ip = ip.Unmap(); ip.Zone() != "" {
			device, err := net.InterfaceByName(ip.Zone())
			if err != nil {
				return nil, err
			}
			ip = ip.WithZone(strconv.Itoa(device.Index))
		}
		all = append(all, netip.AddrPortFrom(ip, uint16(n)))
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
	if s.TLSResume {
		t.tls.ClientSessionCache = tls.NewLRUClientSessionCache(1) // all servers have one name, and so one entry
	}
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

// local reports whether all servers are on this host's loopback.
func (t *target) local() bool {
	for _, a := range t.addresses {
		if !a.Addr().IsLoopback() {
			return false
		}
	}
	return true
}

// maxSources bounds the size of a range.
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
		if err != nil || first.Is4() != last.Is4() || first.Is4In6() || last.Is4In6() || last.Less(first) || first.Zone() != "" || last.Zone() != "" {
			return nil, fmt.Errorf("--source: found %q, allowed: an address or a range as in 127.0.0.2-127.0.0.60 or 2001:db8::2-2001:db8::9", text)
		}
		if len(all) > 0 && all[0].Is4() != first.Is4() {
			return nil, fmt.Errorf("--source: %v and %v are of two families: use one", all[0], first)
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
