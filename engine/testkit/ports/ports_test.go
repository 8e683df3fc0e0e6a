package ports

import (
	"net"
	"net/netip"
	"sync"
	"testing"
)

// Two processes that ask at the same time get no port twice, and none that the kernel gives away.
func TestFree(t *testing.T) {
	const each = size + size/2 // and so of more than one block
	var got [2][each]netip.AddrPort
	pools := make([]pool, len(got))
	var all sync.WaitGroup
	for i := range got {
		p := &pools[i]
		t.Cleanup(func() { release(p) })
		for j := range each {
			all.Go(func() {
				var err error
				if got[i][j], err = p.free(netip.Addr{}); err != nil {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	seen := map[uint16]bool{}
	for i := range got {
		for _, at := range got[i] {
			if at.Addr().String() != "127.0.0.1" || at.Port() < first || at.Port() >= 32768 || seen[at.Port()] {
				t.Errorf("%s: elsewhere, taken by outgoing connections, or twice", at)
			}
			seen[at.Port()] = true
		}
	}
}

// A port where somebody listens is left out.
func TestTaken(t *testing.T) {
	var p pool
	t.Cleanup(func() { release(&p) })
	at, err := p.free(netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	taken := netip.AddrPortFrom(at.Addr(), at.Port()+1)
	l, err := net.Listen("tcp", taken.String())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if at, err = p.free(netip.Addr{}); err != nil || at == taken {
		t.Errorf("%s, %v", at, err)
	}
	if at, err = p.free(netip.MustParseAddr("192.0.2.1")); err == nil {
		t.Errorf("%s is not of this host", at)
	}
}

func release(p *pool) {
	for _, l := range p.locks {
		l.Close()
	}
}
