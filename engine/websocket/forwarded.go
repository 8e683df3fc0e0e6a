package websocket

import (
	"net/netip"
	"slices"
	"strings"
)

// ClientAddr returns the address of the client: peer's, unless peer is a trusted proxy; then the rightmost address of
// X-Forwarded-For that is not one, since whatever stands left of it may be made up. It is peer's, or the last proxy's,
// when the header ends there or is not a list of addresses. IPv4 in IPv6 is returned as IPv4, zones are dropped.
func ClientAddr(peer netip.Addr, forwardedFor string, trusted []netip.Prefix) netip.Addr {
	addr := plain(peer)
	for forwardedFor != "" && isTrusted(addr, trusted) {
		i := strings.LastIndexByte(forwardedFor, ',')
		next, ok := parseAddr(strings.TrimSpace(forwardedFor[i+1:]))
		if !ok {
			break
		}
		addr = next
		forwardedFor = forwardedFor[:max(i, 0)]
	}
	return addr
}

func isTrusted(addr netip.Addr, trusted []netip.Prefix) bool {
	return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// parseAddr reads an address; some proxies add the port.
func parseAddr(s string) (netip.Addr, bool) {
	if addr, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return plain(addr), true
	}
	withPort, err := netip.ParseAddrPort(s)
	return plain(withPort.Addr()), err == nil
}

func plain(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }
