package baseline

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"stentor/engine/testkit/proc"
)

const (
	// The process ends when a connection does not come, or a socket accepts nothing, for this long.
	patience = 30 * time.Second
	maxBurst = 64 << 20 // bytes of frames in one command
)

// Serve listens on a free loopback port, prints it, and obeys commands until in ends. Only one runs at a time in a
// process, because CPU time is counted for the whole of it.
func Serve(in io.Reader, out io.Writer, threads int) error {
	listener, address, err := listen()
	if err != nil {
		return err
	}
	defer unix.Close(listener)
	s := server{listener: listener, writers: make([]writer, threads)}
	defer s.close()

	reader, answers := bufio.NewReader(in), json.NewEncoder(out)
	if err := answers.Encode(greeting{address.String()}); err != nil {
		return err
	}
	for {
		line, err := reader.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		var c command
		if err := json.Unmarshal(line, &c); err != nil {
			return fmt.Errorf("command %q: %w", line, err)
		}
		if c.Frames < 0 || c.Size < 0 || c.Frames > maxBurst || c.Size > maxBurst || c.Frames*c.Size > maxBurst {
			return fmt.Errorf("command %q: too many bytes", line)
		}
		frames := make([]byte, c.Frames*c.Size)
		if _, err := io.ReadFull(reader, frames); err != nil {
			return err
		}
		if err := answers.Encode(s.obey(c, frames)); err != nil {
			return err
		}
	}
}

func listen() (fd int, address netip.AddrPort, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, address, err
	}
	err = errors.Join(
		unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}),
		unix.Listen(fd, unix.SOMAXCONN),
	)
	name, nameErr := unix.Getsockname(fd)
	if err = errors.Join(err, nameErr); err != nil {
		unix.Close(fd)
		return -1, address, err
	}
	a := name.(*unix.SockaddrInet4)
	return fd, netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)), nil
}

// server is owned by the goroutine of Serve; during a burst each writer is owned by a goroutine of its own.
type server struct {
	listener int
	writers  []writer
	next     int // the writer that gets the next connection
}

func (s *server) obey(c command, frames []byte) answer {
	if err := s.accept(c.Accept); err != nil {
		return answer{Error: err.Error()}
	}
	if c.Frames == 0 {
		return answer{}
	}
	b, err := s.burst(frames, c.Size, c.Call)
	if err != nil {
		return answer{Error: err.Error()}
	}
	return answer{Burst: b}
}

func (s *server) accept(n int) error {
	for i := range n {
		if err := await(s.listener, unix.POLLIN); err != nil {
			return fmt.Errorf("connection %d of %d: %w", i+1, n, err)
		}
		fd, _, err := unix.Accept4(s.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			return fmt.Errorf("connection %d of %d: %w", i+1, n, err)
		}
		w := &s.writers[s.next]
		w.fds = append(w.fds, fd)
		s.next = (s.next + 1) % len(s.writers)
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) burst(frames []byte, size int, call Call) (Burst, error) {
	write := wrapped
	if call == Raw {
		write = raw
	}
	cpu, start := proc.OwnCPU(), time.Now()
	var all sync.WaitGroup
	for i := range s.writers {
		all.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			s.writers[i].burst(frames, size, write)
		})
	}
	all.Wait()
	b := Burst{CPU: proc.OwnCPU() - cpu, Wall: time.Since(start)}
	for i := range s.writers {
		w := &s.writers[i]
		if w.err != nil {
			return b, w.err
		}
		b.Writes += w.writes
		b.Stalls += w.stalls
	}
	return b, nil
}

func (s *server) close() {
	for i := range s.writers {
		for _, fd := range s.writers[i].fds {
			unix.Close(fd)
		}
	}
}

// await waits until fd is ready for events.
func await(fd int, events int16) error {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: events}}, int(patience.Milliseconds()))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return err
		case n == 0:
			return fmt.Errorf("nothing happened for %v", patience)
		default:
			return nil
		}
	}
}
