// Package address says which addresses are one client's, wherever clients are counted or bounded by their address.
package address

import "net/netip"

// Client returns what stands for the client at an address: the address itself, or of IPv6 the /64, all of which one host may
// have. An IPv4 address within IPv6 is an IPv4 address.
func Client(a netip.Addr) netip.Addr {
	if a = a.Unmap().WithZone(""); a.Is6() {
		p, _ := a.Prefix(64)
		return p.Addr()
	}
	return a
}
