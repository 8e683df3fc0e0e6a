package loop

import (
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"

	"stentor/engine/websocket"
)

// acceptor takes the connections of one listener from the kernel and spreads them over the loops. A goroutine of its
// own runs it. No error of accept ends it.
type acceptor struct {
	Listener
	net    *network
	socket *os.File
	raw    syscall.RawConn
	addr   netip.AddrPort // bound, with the port that the kernel chose; zero for a Unix socket
	accept func(listener uintptr) (int, netip.AddrPort, error)

	short bool // the burst ended for lack of descriptors or memory, and the waiting clients could not be refused
}

const (
	// burst is how many connections are accepted before the acceptor checks whether it has to end.
	burst = 256
	// shortPause is how long nothing is accepted when there are no descriptors, or no memory, for another connection.
	shortPause = 20 * time.Millisecond
)

// run accepts until the socket is closed.
func (a *acceptor) run() {
	for a.raw.Read(a.burst) == nil {
		var wait <-chan time.Time
		if a.short {
			wait = time.After(shortPause)
		} else if a.net.door() != nil {
			continue
		}
		select {
		case <-wait:
		case <-a.net.room:
		case <-a.net.closing:
			return
		}
	}
}

// burst accepts the waiting connections. It reports false when the kernel has no more, true when there is another reason to
// stop.
func (a *acceptor) burst(listener uintptr) bool {
	a.short = false
	a.net.spare.mu.RLock()
	err := a.acceptSome(listener, burst)
	a.net.spare.mu.RUnlock()
	switch {
	case err == nil:
		return true
	case err == unix.EAGAIN:
		return false
	}
	a.net.errs.count(err)
	a.short = !a.relieve(listener)
	return a.short
}

// acceptSome accepts most connections at most, until the doors are full or an error occurs that concerns more than one
// connection. The caller ensures that the spare descriptor is not lent out.
func (a *acceptor) acceptSome(listener uintptr, most int) error {
	for range most {
		d := a.net.door()
		if d == nil {
			return nil
		}
		fd, peer, err := a.accept(listener)
		switch {
		case err == nil:
			a.take(d, fd, peer)
		case passes(err):
			a.net.errs.count(err)
		case err != unix.EINTR && err != unix.ECONNABORTED:
			return err
		}
	}
	return nil
}

// help accepts a few connections in place of the acceptor, which is yet to run; it leaves all errors to the acceptor.
func (a *acceptor) help(listener uintptr) {
	if !a.net.spare.mu.TryRLock() {
		return
	}
	defer a.net.spare.mu.RUnlock()
	const few = 32
	_ = a.acceptSome(listener, few)
}

// take hands a connection to its loop, unless the host refuses it.
func (a *acceptor) take(d *door, fd int, peer netip.AddrPort) {
	if a.Path != "" {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer) // TCP's options come from the listener
	}
	one := arrival{fd: fd, peer: peer, on: a}
	if answer, ok := a.net.host.arrive(&one); !ok {
		a.refuse(fd, a.readable(answer))
	} else if !d.put(one) {
		_ = unix.Close(fd)
		a.net.host.lost(&one)
	}
}

// readable is an answer, unless the client could not read it: over TLS there is nothing to read before the handshake.
func (a *acceptor) readable(answer []byte) []byte {
	if a.TLS {
		return nil
	}
	return answer
}

// refuse closes a connection with an answer that the client can read: with input unread, close would reset it.
func (a *acceptor) refuse(fd int, answer []byte) {
	if len(answer) > 0 {
		_, _ = unix.Write(fd, answer)
		var drain [512]byte
		_, _, _ = unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&drain)), unsafe.Sizeof(drain))
	}
	_ = unix.Close(fd)
}

// relieve refuses the clients that wait while no descriptor is free, with the one that is kept for this. They would
// otherwise wait until they time out, while a new attempt may reach another node. It reports whether nobody is left.
func (a *acceptor) relieve(listener uintptr) bool {
	spare := &a.net.spare
	spare.mu.Lock() // no client may be accepted with the spare one
	defer spare.mu.Unlock()
	if !spare.give() {
		return false // another one in the process, or of all processes, was faster
	}
	defer spare.keep()
	for range burst {
		fd, peer, err := a.accept(listener)
		if err != nil {
			return err == unix.EAGAIN
		}
		a.refuse(fd, a.readable(unavailable))
		a.net.errs.refused.Add(1)
		a.net.host.short(peer)
	}
	return false
}

// unavailable is the answer to those for whom there is no room.
var unavailable = websocket.Unavailable.AppendTo(nil)

// passes reports whether an error of accept concerns one connection only, which is gone by then: accept passes on errors of
// the network, see accept(2).
func passes(err error) bool {
	switch err {
	case unix.ENETDOWN, unix.EPROTO, unix.ENOPROTOOPT, unix.EHOSTDOWN, unix.ENONET, unix.EHOSTUNREACH, unix.EOPNOTSUPP, unix.ENETUNREACH, unix.EPERM, unix.ECONNRESET, unix.ETIMEDOUT:
		return true
	}
	return false
}

// accept takes a connection from a listener; it never blocks. The call is raw as those of write.go are.
func accept(listener uintptr) (fd int, peer netip.AddrPort, err error) {
	var from unix.RawSockaddrAny
	size := uint32(unix.SizeofSockaddrAny)
	r, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, listener, uintptr(unsafe.Pointer(&from)), uintptr(unsafe.Pointer(&size)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	if errno != 0 {
		return -1, peer, errno
	}
	return int(r), addrPort(&from), nil
}

// LocalPeer stands for the other end of a Unix socket. No client over TCP has this address, and it counts as a trusted
// proxy: the file's mode decides who may connect.
var LocalPeer = netip.IPv6Unspecified()

func addrPort(from *unix.RawSockaddrAny) netip.AddrPort {
	switch from.Addr.Family {
	case unix.AF_INET:
		a := (*unix.RawSockaddrInet4)(unsafe.Pointer(from))
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), a.Port>>8|a.Port<<8)
	case unix.AF_INET6:
		a := (*unix.RawSockaddrInet6)(unsafe.Pointer(from))
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), a.Port>>8|a.Port<<8)
	}
	return netip.AddrPortFrom(LocalPeer, 0)
}

// spare is a descriptor that is kept open, to be closed when no other is free.
type spare struct {
	mu sync.RWMutex // read while connections are accepted, written while fd is lent out
	fd int          // -1: none
}

// keep opens the descriptor, if one is free.
func (s *spare) keep() {
	// An eventfd is a file of its own, of which a system has a number too; a duplicate would not be.
	if fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC); err == nil {
		s.fd = fd
	}
}

// give closes it for others, and reports whether that frees a descriptor. If there was no spare one and now there is, more
// may be free again: nobody is refused until accept has failed once more.
func (s *spare) give() bool {
	if s.fd < 0 {
		s.keep()
		return false
	}
	_ = unix.Close(s.fd)
	s.fd = -1
	return true
}

func (s *spare) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd >= 0 {
		_ = unix.Close(s.fd)
		s.fd = -1
	}
}

// acceptErrors counts failed accepts, and logs them, rate-limited.
type acceptErrors struct {
	files, systemFiles, memory, other atomic.Uint64
	refused                           atomic.Uint64 // connections, for these reasons
	say                               rate.Sometimes
	log                               *slog.Logger
}

func (e *acceptErrors) count(err error) {
	counter, advice := &e.other, "the client's network or a firewall"
	switch {
	case errors.Is(err, unix.EMFILE):
		counter, advice = &e.files, "the process has no more file descriptors: raise LimitNOFILE (systemd) or ulimit -n"
	case errors.Is(err, unix.ENFILE):
		counter, advice = &e.systemFiles, "the system has no more file descriptors: raise fs.file-max, or find the process that holds them"
	case errors.Is(err, unix.ENOBUFS), errors.Is(err, unix.ENOMEM), errors.Is(err, unix.ENOSPC):
		counter, advice = &e.memory, "the kernel has no memory for another socket (net.ipv4.tcp_mem, the cgroup's limit, fs.epoll.max_user_watches)"
	}
	counter.Add(1)
	e.say.Do(func() {
		e.log.Warn("new connections cannot be accepted; open ones are not affected", "error", err, "see", advice)
	})
}
