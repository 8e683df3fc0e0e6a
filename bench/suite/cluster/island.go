package cluster

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// An island is a network namespace that stands for another host: one cable leads to it, which can be cut. The kernel ends it
// with the last process in it.
type island struct {
	near, far netip.Addr   // the ends of the cable
	shores    []netip.Addr // addresses of this end, near among them, for clients
	cable     string       // name of this end

	calls chan func()
	ended chan struct{}

	mu    sync.Mutex
	cut   bool
	done  bool
	open  map[io.Closer]bool
	flows sync.WaitGroup
}

// islandShores are addresses for so many clients at once as client.Crowd has for each, 100.
const islandShores = 120

// newIsland makes one. It needs root, and a kernel that allows it.
func newIsland() (*island, error) {
	net := netip.AddrFrom4([4]byte{198, 18 + byte(rand.N(2)), byte(rand.N(256)), 0}).As4() // for benchmarks (RFC 2544)
	at := func(last byte) netip.Addr { net[3] = last; return netip.AddrFrom4(net) }
	i := &island{near: at(1), far: at(254), cable: fmt.Sprintf("bench%08x", rand.Uint32()), calls: make(chan func()), ended: make(chan struct{}), open: map[io.Closer]bool{}}
	for last := range islandShores {
		i.shores = append(i.shores, at(byte(1+last)))
	}
	made := make(chan error)
	go i.live(made)
	if err := <-made; err != nil {
		return nil, fmt.Errorf("a network namespace cannot be made: %w", err)
	}
	if err := i.connect(); err != nil {
		i.close()
		return nil, fmt.Errorf("a network namespace cannot be connected: %w", err)
	}
	return i, nil
}

// live is the goroutine whose thread is on the island. The thread ends with it.
func (i *island) live(made chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() == os.Getpid() {
		// The namespace of a process's first thread is that of the process for everybody else: the cable would begin on the
		// island too. While this thread is held the next one is another.
		go i.live(made)
		<-i.ended
		runtime.UnlockOSThread()
		return
	}
	defer close(i.ended)
	err := unix.Unshare(unix.CLONE_NEWNET)
	made <- err
	if err != nil {
		return
	}
	for f := range i.calls {
		f()
	}
}

// do calls f on the island: the sockets that it makes and the processes that it starts are there.
func (i *island) do(f func() error) error {
	err := make(chan error)
	i.calls <- func() { err <- f() }
	return <-err
}

// connect lays the cable.
func (i *island) connect() error {
	const inside = "cable"
	err := i.do(func() error {
		return ip(
			"link set lo up",
			fmt.Sprintf("link add %s type veth peer name %s netns %d", inside, i.cable, os.Getpid()),
			fmt.Sprintf("addr add %s/24 dev %s", i.far, inside),
			"link set "+inside+" up",
		)
	})
	if err != nil {
		return err
	}
	lines := []string{"link set " + i.cable + " up"}
	for _, a := range i.shores {
		lines = append(lines, fmt.Sprintf("addr add %s/24 dev %s", a, i.cable))
	}
	var hardware string
	err = i.do(func() error {
		one, err := net.InterfaceByName(inside)
		if err == nil {
			hardware = one.HardwareAddr.String()
		}
		return err
	})
	// Else the silence would show in ARP, at once for those who connect.
	lines = append(lines, fmt.Sprintf("neigh replace %s lladdr %s dev %s nud permanent", i.far, hardware, i.cable))
	return errors.Join(err, ip(lines...))
}

// ip runs commands of ip(8).
func ip(lines ...string) error {
	cmd := exec.Command("ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// reach lets the island connect to an address of loopback, which is this host's.
func (i *island) reach(address string) error {
	var l net.Listener
	err := i.do(func() (err error) {
		l, err = net.Listen("tcp4", address)
		return err
	})
	if err != nil || !i.keep(l) {
		return err
	}
	i.flows.Go(func() {
		for {
			inner, err := l.Accept()
			if err != nil {
				return
			}
			outer, err := net.Dial("tcp4", address)
			if err != nil {
				inner.Close()
				continue
			}
			if i.keep(inner) && i.keep(outer) {
				i.flows.Go(func() { i.flow(inner, outer) })
				i.flows.Go(func() { i.flow(outer, inner) })
			}
		}
	})
	return nil
}

// keep has close close c.
func (i *island) keep(c io.Closer) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.done {
		c.Close()
		return false
	}
	i.open[c] = true
	return true
}

// flow copies from one to the other, until the cable is cut: then neither end hears of anything.
func (i *island) flow(to, from net.Conn) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		i.mu.Lock()
		cut := i.cut
		i.mu.Unlock()
		if cut {
			return
		}
		if err == nil {
			_, err = to.Write(buffer[:n])
		}
		if err != nil {
			to.Close()
			from.Close()
			return
		}
	}
}

// silence cuts the cable: packets are lost, and nobody is told.
func (i *island) silence() error {
	i.mu.Lock()
	i.cut = true
	i.mu.Unlock()
	return i.do(func() error { return ip("link set cable down") })
}

// close leaves the island, when no process is on it any more.
func (i *island) close() {
	i.mu.Lock()
	i.done = true
	for c := range i.open {
		c.Close()
	}
	i.mu.Unlock()
	i.flows.Wait()
	_ = ip("link del " + i.cable) // else the kernel does, when the thread has ended
	close(i.calls)
	<-i.ended
}
