package baseline

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// writer is one thread's share of the connections, and what its last burst did.
type writer struct {
	fds            []int
	writes, stalls int
	err            error
}

// burst writes each frame to every connection of w, frame by frame.
func (w *writer) burst(frames []byte, size int) {
	w.writes, w.stalls, w.err = 0, 0, nil
	for ; len(frames) > 0; frames = frames[size:] {
		for _, fd := range w.fds {
			if n, errno := write(fd, frames[:size]); n == size {
				w.writes++
			} else if w.err = w.finish(fd, frames[n:size], errno); w.err != nil {
				return
			}
		}
	}
}

// finish does what a write that was cut short left over: b, the last error being errno.
func (w *writer) finish(fd int, b []byte, errno unix.Errno) error {
	w.stalls++
	for len(b) > 0 {
		switch errno {
		case 0, unix.EINTR:
		case unix.EAGAIN:
			if err := await(fd, unix.POLLOUT); err != nil {
				return err
			}
		default:
			return errno
		}
		var n int
		n, errno = write(fd, b)
		b = b[n:]
	}
	w.writes++
	return nil
}

// write is write(2) with nothing around it: the sockets do not block, so the Go scheduler need not be told.
func write(fd int, b []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}
