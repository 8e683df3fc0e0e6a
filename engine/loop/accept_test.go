package loop

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"
)

// parrot is a host that says back what it hears.
type parrot struct {
	in, out, missed atomic.Int64
}

func (p *parrot) arrive(*arrival) ([]byte, bool) { p.in.Add(1); return nil, true }
func (p *parrot) lost(*arrival)                  { p.missed.Add(1) }
func (p *parrot) short(netip.AddrPort)           {}
func (p *parrot) open(int, gnet.Conn, *arrival)  {}

func (p *parrot) onTraffic(_ int, c gnet.Conn) gnet.Action {
	in, _ := c.Next(-1)
	_, _ = c.Write(bytes.Clone(in))
	return gnet.None
}

func (p *parrot) onClose(c gnet.Conn) {
	if _, ok := c.Context().(marker); !ok {
		p.out.Add(1)
	}
}

// startParrot starts a parrot on a free port, whose accept calls are made by call.
func startParrot(t *testing.T, loops int, call func(listener uintptr) (int, netip.AddrPort, error)) (*parrot, *network) {
	t.Helper()
	n := newNetwork(slog.New(slog.DiscardHandler))
	p := &parrot{}
	l, err := ParseListener("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := n.listen(p, []Listener{l}, loops, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	n.acceptors[0].accept = call
	if err := n.accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := n.close(ctx); err != nil {
			t.Error(err)
		}
	})
	return p, &n
}

func speak(t *testing.T, conn net.Conn) {
	t.Helper()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := conn.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
}

// TestAcceptErrors: whatever accept says, who is there stays, and who comes is served as soon as it goes again.
func TestAcceptErrors(t *testing.T) {
	var (
		next atomic.Int64 // the error of the next calls; 0 none
		left atomic.Int64 // how many calls
	)
	p, n := startParrot(t, 2, func(listener uintptr) (int, netip.AddrPort, error) {
		if left.Load() > 0 {
			left.Add(-1)
			return -1, netip.AddrPort{}, unix.Errno(next.Load())
		}
		return accept(listener)
	})
	address := n.addresses()[0].String()
	first, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	speak(t, first)
	for _, errno := range []unix.Errno{unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.EPERM, unix.EPROTO, unix.ENETDOWN, unix.ECONNABORTED, unix.EINTR, unix.EINVAL, unix.EIO} {
		next.Store(int64(errno))
		left.Store(3)
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(errno, err)
		}
		speak(t, conn)
		speak(t, first)
		_ = conn.Close()
		if left.Load() > 0 {
			t.Errorf("%v was not met", errno)
		}
	}
	for name, count := range map[string]*atomic.Uint64{"files": &n.errs.files, "system": &n.errs.systemFiles, "memory": &n.errs.memory, "other": &n.errs.other} {
		if count.Load() == 0 {
			t.Errorf("no error of %s was counted", name)
		}
	}
	select {
	case <-n.ended:
		t.Error("the loops have ended:", n.failure())
	default:
	}
	if p.missed.Load() != 0 {
		t.Errorf("%d were lost", p.missed.Load())
	}
}

// TestAcceptSpreads: connections go to the loops in turn, and more of them than the doors hold come in all the same.
func TestAcceptSpreads(t *testing.T) {
	p, n := startParrot(t, 3, accept)
	stop := make(chan struct{})
	held := make(chan struct{})
	for _, d := range n.doors { // every loop stands still
		if err := d.el.Execute(context.Background(), runnable(func() { held <- struct{}{}; <-stop })); err != nil {
			t.Fatal(err)
		}
		<-held
	}
	const clients = 3*doorRoom + 200
	var all []net.Conn
	for range clients {
		conn, err := net.Dial("tcp", n.addresses()[0].String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		all = append(all, conn)
	}
	for end := time.Now().Add(10 * time.Second); p.in.Load() < 3*doorRoom; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d came to the doors", p.in.Load())
		}
	}
	if in := p.in.Load(); in != 3*doorRoom {
		t.Errorf("%d wait at the doors, want %d", in, 3*doorRoom)
	}
	close(stop)
	for _, conn := range all {
		speak(t, conn)
	}
}

// TestShut: who waits at a door when the loops end is closed, and given back.
func TestShut(t *testing.T) {
	n := newNetwork(slog.New(slog.DiscardHandler))
	p := &parrot{}
	n.host = p
	ours, theirs, err := pair()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	f, err := theirs.(*net.UnixConn).File()
	if err != nil {
		t.Fatal(err)
	}
	_ = theirs.Close()
	fd, err := unix.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	d := newDoor(&n, nil)
	d.called = true // as if the loop were on its way
	if !d.put(arrival{fd: fd}) {
		t.Fatal("the door is shut")
	}
	d.shut()
	if _, err := ours.Read(make([]byte, 1)); err != io.EOF || p.missed.Load() != 1 {
		t.Errorf("%v, %d given back", err, p.missed.Load())
	}
	if d.put(arrival{}) || d.room() {
		t.Error("a door that is shut takes somebody")
	}
}

// TestSpare: who waits is refused only while there is no descriptor. One that was lost and can be had again is a sign that there
// are others.
func TestSpare(t *testing.T) {
	s := spare{fd: -1}
	defer s.drop()
	if s.give() || s.fd < 0 {
		t.Error("refused by a descriptor that was free, or none is kept")
	}
	if !s.give() || s.fd >= 0 {
		t.Error("the spare one is not given")
	}
}

// TestAddrPort: addresses come from the kernel as they are.
func TestAddrPort(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := ParseListener(address)
		if err != nil {
			t.Fatal(err)
		}
		socket, bound, err := bindTCP(l.Address, only6, 0)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", bound.String())
		if err != nil {
			t.Fatal(err)
		}
		raw, err := socket.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		var peer netip.AddrPort
		if err := raw.Read(func(listener uintptr) bool {
			fd, from, err := accept(listener)
			if err == unix.EAGAIN {
				return false
			}
			peer = from
			_ = unix.Close(fd)
			return true
		}); err != nil {
			t.Fatal(err)
		}
		if want := conn.LocalAddr().String(); peer.String() != want || strings.Contains(want, "::ffff") {
			t.Errorf("%s: %v, want %s", address, peer, want)
		}
		_, _ = conn.Close(), socket.Close()
	}
}
