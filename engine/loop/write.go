package loop

import (
	"unsafe"

	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"

	"stentor/engine/shard"
)

// write hands p to the kernel. It leaves to gnet what is not simple: bytes that the kernel does not take, and errors.
//
// The call is raw: a write to a non-blocking socket takes some microseconds and never waits, so telling Go's scheduler of
// it, as gnet's own write does, would add a tenth or more, and under load cost the loop its processor.
func write(c gnet.Conn, p []byte) (int, error) {
	if len(p) == 0 || c.OutboundBuffered() > 0 {
		return c.Write(p)
	}
	n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(c.Fd()), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	if errno != 0 {
		return c.Write(p)
	}
	if int(n) < len(p) {
		if _, err := c.Write(p[n:]); err != nil {
			return int(n), err
		}
	}
	return len(p), nil
}

// writeSome writes what the kernel takes of p, and is silent on errors: the loop meets them as well.
func writeSome(fd int, p []byte) int {
	n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	if errno != 0 {
		return 0
	}
	return int(n)
}

// offer writes as much of p as the kernel takes, and buffers nothing. The call is raw for the same reason.
func offer(c gnet.Conn, p []byte) (int, error) {
	if c.OutboundBuffered() > 0 {
		return 0, nil
	}
	n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(c.Fd()), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	switch errno {
	case 0:
		return int(n), nil
	case unix.EAGAIN, unix.EINTR:
		return 0, nil
	}
	_ = c.EventLoop().Close(c)
	return 0, errno
}

// unsent asks the kernel how many bytes it has taken and not sent. The call is raw for the same reason. For a Unix socket
// it is unknown; there the kernel itself takes no more than sendBuffer.
func unsent(s shard.Socket) int {
	if virtual(s) != nil {
		return 0
	}
	var n int32
	_, _, errno := unix.RawSyscall(unix.SYS_IOCTL, uintptr(raw(s).Fd()), unix.SIOCOUTQNSD, uintptr(unsafe.Pointer(&n)))
	if errno != 0 {
		return 0
	}
	return int(n)
}

// closeWrite sends FIN.
func closeWrite(c gnet.Conn) { _ = unix.Shutdown(c.Fd(), unix.SHUT_WR) }
