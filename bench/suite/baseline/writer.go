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
func (w *writer) burst(frames []byte, size int, write writeFunc) {
	w.writes, w.stalls, w.err = 0, 0, nil
	for ; len(frames) > 0; frames = frames[size:] {
		for _, fd := range w.fds {
			if n, err := write(fd, frames[:size]); n == size {
				w.writes++
			} else if w.err = w.finish(fd, frames[max(n, 0):size], err); w.err != nil {
				return
			}
		}
	}
}

// finish writes b, the rest of a short write, whose last error was err.
func (w *writer) finish(fd int, b []byte, err error) error {
	w.stalls++
	for len(b) > 0 {
		switch err {
		case nil, unix.EINTR:
		case unix.EAGAIN:
			if err := await(fd, unix.POLLOUT); err != nil {
				return err
			}
		default:
			return err
		}
		var n int
		n, err = wrapped(fd, b)
		b = b[max(n, 0):]
	}
	w.writes++
	return nil
}

// writeFunc is one write(2) to a socket that does not block.
type writeFunc func(fd int, b []byte) (int, error)

func wrapped(fd int, b []byte) (int, error) { return unix.Write(fd, b) }

func raw(fd int, b []byte) (int, error) {
	n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
