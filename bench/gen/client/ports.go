package client

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Ports are local ports, from Low to High.
type Ports struct{ Low, High int }

// LocalPorts are those that connect(2) takes: net.ipv4.ip_local_port_range.
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

// Len is how many they are.
func (p Ports) Len() int { return p.High - p.Low + 1 }

// window is how many ports connect(2) chooses from. Of all that there are it takes those of one parity first, and looks
// through thousands of them for each connection when few are left.
const window = 64

// window is the part of p for connection n of those that have the same address at either end. Parts are half taken before
// any is filled up.
func (p Ports) window(n int) Ports {
	parts := p.Len() / window
	if parts == 0 {
		return p
	}
	low := p.Low + n/(window/2)%parts*window
	return Ports{low, low + window - 1}
}

// bound has connect(2) take one of p. Kernels before Linux 6.3 do not know that, and take any: it takes them longer.
func (p Ports) bound(fd int) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_LOCAL_PORT_RANGE, p.High<<16|p.Low)
}
