package client

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Ports are local ports, from Low to High.
type Ports struct{ Low, High int }

// LocalPorts are the ports that connect(2) uses: net.ipv4.ip_local_port_range.
func LocalPorts() (p Ports, err error) {
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return p, err
	}
	if _, err := fmt.Sscan(string(b), &p.Low, &p.High); err != nil {
		return p, fmt.Errorf("net.ipv4.ip_local_port_range: found %q", b)
	}
	return p, nil
}

// Len is the number of ports.
func (p Ports) Len() int { return p.High - p.Low + 1 }

// window is how many ports connect(2) chooses from. It takes ports of one parity first, and searches thousands of them for
// each connection when few are left.
const window = 64

// window is the part of p for connection n between the same two addresses. All parts are half full before any fills up.
func (p Ports) window(n int) Ports {
	parts := p.Len() / window
	if parts == 0 {
		return p
	}
	low := p.Low + n/(window/2)%parts*window
	return Ports{low, low + window - 1}
}

// bound makes connect(2) use one of p. Kernels before Linux 6.3 ignore it and use any port, more slowly.
func (p Ports) bound(fd int) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_LOCAL_PORT_RANGE, p.High<<16|p.Low)
}
