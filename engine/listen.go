package engine

import (
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// port is a TCP address to listen on. Until gnet listens it is held by a socket of our own.
type port struct {
	addr netip.AddrPort
	held *os.File
}

// reserve checks that an address can be listened on and chooses its port. gnet itself would share the port with
// another server silently (SO_REUSEPORT), and says "bad file descriptor" when it cannot have it.
func reserve(addr netip.AddrPort) (port, error) {
	if addr.Port() != 0 {
		probe, err := net.Listen("tcp", addr.String())
		if err != nil {
			return port{}, fmt.Errorf("listen on %s: %w", addr, err)
		}
		if err := probe.Close(); err != nil {
			return port{}, err
		}
	}
	return hold(addr)
}

// hold binds a socket that does not listen, so that nobody else is given a port chosen by the kernel.
func hold(addr netip.AddrPort) (port, error) {
	family := unix.AF_INET6
	var sa unix.Sockaddr = &unix.SockaddrInet6{Port: int(addr.Port()), Addr: addr.Addr().As16()}
	if addr.Addr().Is4() {
		family = unix.AF_INET
		sa = &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return port{}, os.NewSyscallError("socket", err)
	}
	held := os.NewFile(uintptr(fd), "port "+addr.String())
	for _, option := range []int{unix.SO_REUSEADDR, unix.SO_REUSEPORT} {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, 1); err != nil {
			return port{}, os.NewSyscallError("setsockopt", err)
		}
	}
	if err := unix.Bind(fd, sa); err != nil {
		_ = held.Close()
		return port{}, fmt.Errorf("listen on %s: %w", addr, err)
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		_ = held.Close()
		return port{}, os.NewSyscallError("getsockname", err)
	}
	number := addr.Port()
	switch b := bound.(type) {
	case *unix.SockaddrInet4:
		number = uint16(b.Port)
	case *unix.SockaddrInet6:
		number = uint16(b.Port)
	}
	return port{addr: netip.AddrPortFrom(addr.Addr(), number), held: held}, nil
}

// url is the address as gnet wants it. With a bare tcp:// two listeners would turn to IPv6.
func (p port) url() string {
	if p.addr.Addr().Is6() {
		return "tcp6://" + p.addr.String()
	}
	return "tcp4://" + p.addr.String()
}

// headroom is how many sockets above the limit are still accepted, to be answered with a 503 that the client can
// read; beyond it they are closed at once.
const headroom = 256

// capacity is how many clients the process may hold: as many as wanted, unless its descriptors do not suffice. An
// accept that runs out of descriptors would end the engine and with it every connection.
func capacity(wanted, reserved int) (int, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, os.NewSyscallError("getrlimit", err)
	}
	if limit.Cur < limit.Max {
		raised := unix.Rlimit{Cur: limit.Max, Max: limit.Max}
		if unix.Setrlimit(unix.RLIMIT_NOFILE, &raised) == nil {
			limit = raised
		}
	}
	free := int64(min(limit.Cur, 1<<40)) - int64(reserved) - headroom
	if free < 1 {
		return 0, fmt.Errorf("the process may open %d files only; %d are needed beside those of the clients: raise LimitNOFILE (systemd) or ulimit -n",
			limit.Cur, reserved+headroom)
	}
	return int(min(int64(wanted), free)), nil
}
