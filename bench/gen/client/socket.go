package client

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"
)

// silentBuffer is the receive buffer of a silent connection, which the kernel doubles. With the usual one the client's side
// would absorb some 150 KB before the server's side fills. With a much smaller one the server's kernel would cut its queue
// into segments that fit the window, and need twice the memory for the same data.
const silentBuffer = 32 << 10

var errNoPort = errors.New("connect: no local port is left towards this server (more source addresses, or a wider net.ipv4.ip_local_port_range)")

// dial starts to connect, from the given address if there is one, and from one of the ports while one is free. The connection
// may not be open yet when it returns.
func dial(to netip.AddrPort, from netip.Addr, ports Ports, kind Kind) (fd int, err error) {
	family := unix.AF_INET
	if to.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	if err := setUp(fd, from, kind); err != nil {
		unix.Close(fd)
		return -1, err
	}
	ports.bound(fd)
	server := sockaddr(to)
	if err = unix.Connect(fd, server); err == unix.EADDRNOTAVAIL {
		Ports{}.bound(fd) // which is any
		err = unix.Connect(fd, server)
	}
	if err != nil && err != unix.EINPROGRESS {
		unix.Close(fd)
		if err == unix.EADDRNOTAVAIL {
			return -1, errNoPort
		}
		return -1, fmt.Errorf("connect: %w", err)
	}
	return fd, nil
}

// sockaddr is a in the kernel's form. A zone has been made a number: see Options.
func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}
	}
	zone, _ := strconv.ParseUint(a.Addr().Zone(), 10, 32) // 0 for none
	return &unix.SockaddrInet6{Addr: a.Addr().As16(), Port: int(a.Port()), ZoneId: uint32(zone)}
}

// addrPort is the reverse of sockaddr.
func addrPort(s unix.Sockaddr) netip.AddrPort {
	switch s := s.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(s.Addr), uint16(s.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(s.Addr), uint16(s.Port))
	}
	return netip.AddrPort{}
}

func setUp(fd int, from netip.Addr, kind Kind) error {
	// Frames that are written separately must also travel separately.
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return fmt.Errorf("TCP_NODELAY: %w", err)
	}
	if kind != Reading {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, silentBuffer); err != nil {
			return fmt.Errorf("SO_RCVBUF: %w", err)
		}
	}
	if !from.IsValid() {
		return nil
	}
	// connect(2) chooses the port: it needs to be free only towards this server.
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
		return fmt.Errorf("IP_BIND_ADDRESS_NO_PORT: %w", err)
	}
	if err := unix.Bind(fd, sockaddr(netip.AddrPortFrom(from, 0))); err != nil {
		return fmt.Errorf("bind to %v: %w", from, err)
	}
	return nil
}

// reset closes a connection at once on both sides, which frees its port.
func reset(fd int) {
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}) // else it is closed gently
	unix.Close(fd)
}
