package proc

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestCPU(t *testing.T) {
	// The process goes on using time between two readings: each is between two of the other clock.
	read := func() (before, used, after time.Duration) {
		before = OwnCPU()
		used, err := CPU(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		return before, used, OwnCPU()
	}
	least1, used1, most1 := read()
	sum := 0
	for start := time.Now(); time.Since(start) < 30*time.Millisecond; {
		sum++
	}
	least2, used2, most2 := read()
	used := used2 - used1
	if used <= 0 || used > 10*time.Second {
		t.Errorf("a busy loop of 30 ms used %v", used)
	}
	const tick = 20 * time.Millisecond
	if least, most := least2-most1, most2-least1; used < least-tick || used > most+tick {
		t.Errorf("the process clock says %v, getrusage %v to %v", used, least, most)
	}
	if _, err := CPU(1 << 28); err == nil {
		t.Error("no error for a process that is not there")
	}
}

func TestUserCPU(t *testing.T) {
	if d, err := userTime([]byte("7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 250 30 0")); d != 2500*time.Millisecond || err != nil {
		t.Errorf("%v, %v", d, err)
	}
	for _, bad := range []string{"", "7 (a) S 1 2", "7 (a) S 1 2 3 4 5 6 7 8 9 10 x 30"} {
		if _, err := userTime([]byte(bad)); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
	if _, err := UserCPU(os.Getpid()); err != nil {
		t.Error(err)
	}
}

func TestRSS(t *testing.T) {
	before, err := RSS(os.Getpid())
	if err != nil {
		t.Skip(err) // a kernel without smaps_rollup
	}
	// Not from the heap, whose pages the race detector and the collector manage in their own ways.
	const size = 32 << 20
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(b)
	for i := 0; i < size; i += 1024 {
		b[i] = 1
	}
	after, err := RSS(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if grown := after - before; grown < size*3/4 || grown > size*5/4 {
		t.Errorf("%d bytes touched, %d more resident", size, grown)
	}
}

func TestKilobytes(t *testing.T) {
	const text = "5581 rw-p\nRss:               12 kB\nPss:   7 kB\nRss: x kB\n"
	if n, err := kilobytes([]byte(text), "Rss:"); n != 12<<10 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	for _, bad := range []string{"", "Rss: 12\n", "Rss: x kB\n"} {
		if _, err := kilobytes([]byte(bad), "Rss:"); err == nil {
			t.Errorf("no error for %q", bad)
		}
	}
}

// A connection whose client does not read must show at its server's end what the server wrote.
func TestSockets(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if err := client.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	const written = 100_000
	if _, err := server.Write(make([]byte, written)); err != nil {
		t.Fatal(err)
	}
	port := netip.MustParseAddrPort(l.Addr().String()).Port()
	all, err := Sockets(port)
	if err != nil {
		t.Skip(err) // a kernel without sock_diag
	}
	// An outgoing connection of another process may have the port as well.
	all = slices.DeleteFunc(all, func(s Socket) bool { return s.Remote.String() != client.LocalAddr().String() })
	if len(all) != 1 {
		t.Fatalf("%d connections, want 1: %+v", len(all), all)
	}
	s := all[0]
	if s.Remote.String() != client.LocalAddr().String() || s.Local.String() != server.LocalAddr().String() {
		t.Errorf("connection %v - %v", s.Local, s.Remote)
	}
	if s.Unsent == 0 || s.Unsent > written || s.Buffers < int64(s.Unsent) {
		t.Errorf("%d of %d bytes unsent in %d bytes of buffers", s.Unsent, written, s.Buffers)
	}
}

func TestThisMachine(t *testing.T) {
	m := ThisMachine()
	if m.Cores < 1 || m.Memory < 1<<20 || m.Kernel == "" {
		t.Errorf("%+v", m)
	}
	if got := processor([]byte("processor\t: 0\nmodel name\t: A: B\n")); got != "A: B" {
		t.Errorf("processor %q", got)
	}
}

func TestOwnRSS(t *testing.T) {
	quick, err := OwnRSS()
	if err != nil {
		t.Fatal(err)
	}
	exact, err := RSS(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if quick < exact/2 || quick > exact*2 {
		t.Errorf("%d bytes, exactly %d", quick, exact)
	}
}

func TestFamily(t *testing.T) {
	// The shell waits for what it has started: itself and two others are there until its input ends.
	cmd := exec.Command("sh", "-c", "exec 3<&0; cat <&3 & cat <&3 & wait")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(10 * time.Second); ; {
		all, err := Family(cmd.Process.Pid)
		if err == nil && len(all) == 3 && all[0] == cmd.Process.Pid {
			break
		}
		if time.Now().After(until) {
			t.Errorf("%v %v", all, err)
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if all, err := Family(cmd.Process.Pid); err == nil {
		t.Errorf("the family of a process that has ended is %v", all)
	}
}
