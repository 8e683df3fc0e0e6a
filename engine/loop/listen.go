package loop

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// IPV6_V6ONLY of a socket that listens on [::]: both is every address of the host, of IPv4 too, as for net.Listen.
const (
	both  = 0
	only6 = 1
)

// families is both for [::], unless another listener has the same port at an IPv4 address: then each serves its own family.
func families(addr netip.AddrPort, listeners []Listener) int {
	shared := slices.ContainsFunc(listeners, func(l Listener) bool {
		return l.Path == "" && l.Address.Addr().Is4() && l.Address.Port() == addr.Port() && addr.Port() != 0
	})
	if addr.Addr() != netip.IPv6Unspecified() || shared {
		return only6
	}
	return both
}

// bindTCP makes a socket that listens on an address, and says which port it has. Options of accepted sockets are set on it:
// these inherit them. v6only counts for an IPv6 address. keepAlive 0 is none.
func bindTCP(addr netip.AddrPort, v6only int, keepAlive time.Duration) (*os.File, netip.AddrPort, error) {
	family := unix.AF_INET6
	var sa unix.Sockaddr = &unix.SockaddrInet6{Port: int(addr.Port()), Addr: addr.Addr().As16()}
	options := []socketOption{
		{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1}, // the port of an earlier run, some of whose connections linger
		{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, notSentLowAt},
		{unix.IPPROTO_TCP, unix.TCP_MAXSEG, largestSegment},
	}
	if addr.Addr().Is4() {
		family = unix.AF_INET
		sa = &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}
	} else {
		options = append(options, socketOption{unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, v6only})
	}
	if keepAlive > 0 {
		const probes = 5
		options = append(options,
			socketOption{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
			socketOption{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, int(keepAlive.Seconds())},
			socketOption{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, int(keepAlive.Seconds()) / probes},
			socketOption{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, probes})
	}
	fd, err := listenAt(family, sa, options)
	if err != nil {
		return nil, addr, fmt.Errorf("listen on %s: %w", addr, err)
	}
	socket := os.NewFile(uintptr(fd), "listener "+addr.String())
	bound, err := unix.Getsockname(fd)
	if err != nil {
		_ = socket.Close()
		return nil, addr, os.NewSyscallError("getsockname", err)
	}
	switch b := bound.(type) {
	case *unix.SockaddrInet4:
		addr = netip.AddrPortFrom(addr.Addr(), uint16(b.Port))
	case *unix.SockaddrInet6:
		addr = netip.AddrPortFrom(addr.Addr(), uint16(b.Port))
	}
	return socket, addr, nil
}

// bindUnix makes a Unix socket that listens at a path where no file is.
func bindUnix(path string) (*os.File, error) {
	fd, err := listenAt(unix.AF_UNIX, &unix.SockaddrUnix{Name: path}, nil)
	if err != nil {
		return nil, fmt.Errorf("listen on %s%s: %w", unixScheme, path, err)
	}
	return os.NewFile(uintptr(fd), "listener "+path), nil
}

type socketOption struct{ level, name, value int }

// listenAt returns a non-blocking socket that listens. The kernel's queue of waiting connections is as long as it allows
// (net.core.somaxconn).
func listenAt(family int, sa unix.Sockaddr, options []socketOption) (fd int, err error) {
	const longest = 1<<16 - 1
	if fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	for _, o := range options {
		if err == nil {
			err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, o.level, o.name, o.value))
		}
	}
	if err == nil {
		err = os.NewSyscallError("bind", unix.Bind(fd, sa))
	}
	if err == nil {
		err = os.NewSyscallError("listen", unix.Listen(fd, longest))
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// Headroom is how many sockets above the limit are still accepted, to be answered with a 503 that the client can
// read; beyond it they are closed at once.
const Headroom = 256

// Descriptors is how many descriptors a Server needs beside those of its clients.
func Descriptors(loops, listeners int) int {
	const perLoop = 2 + watcherDescriptors // gnet's, and ours
	return perLoop*loops + listeners + 1   // the spare one
}

// Capacity is how many clients the process may hold: as many as wanted, or fewer if its descriptors do not suffice.
func Capacity(wanted, reserved int) (int, error) {
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
	free := int64(min(limit.Cur, 1<<40)) - int64(reserved) - Headroom
	if free < 1 {
		return 0, fmt.Errorf("the process may open %d files only; %d are needed beside those of the clients: raise LimitNOFILE (systemd) or ulimit -n",
			limit.Cur, reserved+Headroom)
	}
	return int(min(int64(wanted), free)), nil
}

// largestSegment is the payload of a jumbo frame. On loopback, where proxies are, it would be 64 KiB: the kernel sends a
// segment that does not fit into the other end's window only when a timer fires, and a reader with a small buffer then gets
// some 16 KiB in 200 ms.
const largestSegment = 8960

// notSentLowAt is how much unsent data the kernel takes for a TCP socket. Without it the kernel hides up to 2.8 MB for
// every client that does not read.
const notSentLowAt = 16 << 10

// sendBuffer is its counterpart for a Unix socket, where unread bytes count for the sender: the kernel takes as much until
// it returns EAGAIN, its own overhead included (it doubles the number for that).
const sendBuffer = 16 << 10
