// Package ports chooses ports for servers of other processes, which listen only a while after that.
package ports

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
)

// The ports are below those that the kernel gives to outgoing connections: one of the thousands that a measurement opens
// would take one of these before its server listens, or while the server is started again. A process has whole blocks of them.
const (
	first  = 10_000
	size   = 100
	blocks = 220
)

// process has the ports of this process, which it keeps until it ends.
var process pool

// Free returns a port of host, or of 127.0.0.1 without a host, on which nobody listens. This process gets it only once, and
// no other process on this network that asks here gets it at the same time: whoever does not listen there leaves it closed.
func Free(host netip.Addr) (netip.AddrPort, error) { return process.free(host) }

// pool has blocks of ports that no other pool has.
type pool struct {
	mu        sync.Mutex
	next, end int // what is left of the last block
	looked    int // how many blocks it has looked at
	locks     []net.Listener
}

func (p *pool) free(host netip.Addr) (netip.AddrPort, error) {
	if !host.IsValid() {
		host = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		if p.next == p.end {
			if err := p.lock(); err != nil {
				return netip.AddrPort{}, fmt.Errorf("no free port on %s: %w", host, err)
			}
		}
		at := netip.AddrPortFrom(host, uint16(p.next))
		p.next++
		l, err := net.Listen("tcp", at.String())
		if err == nil {
			return at, l.Close()
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return netip.AddrPort{}, err
		}
	}
}

// lock takes another block. Processes begin at different ones, so that a server that outlives its process by a moment is in
// nobody's way.
func (p *pool) lock() error {
	for p.looked < blocks {
		block := (os.Getpid() + p.looked) % blocks
		p.looked++
		l, err := hold(fmt.Sprintf("@stentor-ports-%d", block))
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			return err
		}
		p.locks = append(p.locks, l) // else it would be closed as garbage
		p.next = first + block*size
		p.end = p.next + size
		return nil
	}
	return errors.New("all are given away")
}

// hold listens on an abstract Unix socket: like the ports it belongs to the network namespace, and it goes with the process.
// A goroutine of its own is in the namespace of the process, wherever the caller's thread is.
func hold(name string) (l net.Listener, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		l, err = net.Listen("unix", name)
	}()
	<-done
	return l, err
}
