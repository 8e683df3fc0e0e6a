package engine

import (
	"encoding/binary"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"stentor/engine/refusal"
	"stentor/engine/websocket"
)

// addresses counts connections by their client's address, from the moment that it is known: at accept, or when a trusted
// proxy names it. A trusted proxy's own address stands for no client and is not counted. There is an entry of some 30 bytes
// for each address with strangers, and for every address when open connections have a limit.
type addresses struct {
	most      int // strangers of the node
	mostEach  int // strangers of one address; 0: its part of the free places
	mostOpen  int // connections of one address; 0 unlimited
	mu        sync.Mutex
	strangers int               // connections whose CONNECT has not been accepted, including those of proxies
	fresh     map[uint64]uint32 // strangers by address
	wide      map[uint64]uint32 // strangers by IPv6 /48
	open      map[uint64]uint32 // all connections by address
}

// refusals of the addresses.
var (
	crowded = &websocket.Refusal{Reason: refusal.ConnectionsPerAddress, Status: http.StatusServiceUnavailable, Text: "Your address has reached its limit of connections (limits.connections_per_address).", Header: "Retry-After: 30\r\n"}
	hasty   = &websocket.Refusal{Reason: refusal.UnauthenticatedPerAddress, Status: http.StatusServiceUnavailable, Text: "Too many connections of your address have not sent CONNECT yet (limits.unauthenticated_per_address). Try again soon.", Header: "Retry-After: 2\r\n"}
	greedy  = &websocket.Refusal{Reason: refusal.Unauthenticated, Status: http.StatusServiceUnavailable, Text: "Too many connections have not sent CONNECT yet (limits.unauthenticated). Try again soon.", Header: "Retry-After: 2\r\n"}
)

// Of the places for strangers that are free, one address may take a tenth and, of IPv6, a /48 a quarter. So an address that
// holds many finds fewer and fewer, and leaves some to everybody else: one address gets an eleventh of them all, ten get
// half, and a hundred leave a tenth.
const (
	freePart     = 10
	freePartWide = 4
)

func newAddresses(l Limits) addresses {
	return addresses{
		most: l.Unauthenticated, mostEach: l.UnauthenticatedPerAddress, mostOpen: l.PerAddress,
		fresh: map[uint64]uint32{}, wide: map[uint64]uint32{}, open: map[uint64]uint32{},
	}
}

// arrive counts a connection that was accepted. client is false for a trusted proxy's.
func (c *addresses) arrive(a netip.Addr, client bool) *websocket.Refusal {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.strangers >= c.most {
		return greedy
	}
	if client {
		if refused := c.enter(a); refused != nil {
			return refused
		}
	}
	c.strangers++
	return nil
}

// identify counts a connection of a trusted proxy for the client that it speaks for.
func (c *addresses) identify(a netip.Addr) *websocket.Refusal {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.enter(a)
}

func (c *addresses) enter(a netip.Addr) *websocket.Refusal {
	key, wide, six := addressKeys(a)
	free := c.most - c.strangers
	each := c.mostEach
	if each == 0 {
		each = max(1, free/freePart)
		if six && int(c.wide[wide]) >= max(1, free/freePartWide) {
			return hasty
		}
	}
	switch {
	case c.mostOpen > 0 && int(c.open[key]) >= c.mostOpen:
		return crowded
	case int(c.fresh[key]) >= each:
		return hasty
	}
	c.fresh[key]++
	if six {
		c.wide[wide]++
	}
	if c.mostOpen > 0 {
		c.open[key]++
	}
	return nil
}

// count is how many strangers there are.
func (c *addresses) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.strangers
}

// patience is how long a stranger who comes now may take; quiet is how long it may in quiet times. The fewer places are
// free, the shorter. An attacker with more addresses than there are places cannot keep them without reconnecting again and
// again.
func (c *addresses) patience(quiet time.Duration) time.Duration {
	c.mu.Lock()
	free := c.most - c.strangers
	c.mu.Unlock()
	const least = 2 * time.Second
	return max(time.Duration(float64(quiet)*float64(max(0, free))/float64(c.most)), min(quiet, least))
}

// known takes a connection out of the strangers.
func (c *addresses) known(a netip.Addr, client bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.greet(a, client)
}

// again takes a connection back among the strangers, whatever there are.
func (c *addresses) again(a netip.Addr, client bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.strangers++
	if client {
		key, wide, six := addressKeys(a)
		c.fresh[key]++
		if six {
			c.wide[wide]++
		}
	}
}

func (c *addresses) greet(a netip.Addr, client bool) {
	c.strangers--
	if client {
		key, wide, six := addressKeys(a)
		less(c.fresh, key)
		if six {
			less(c.wide, wide)
		}
	}
}

// leave undoes all that was counted for a connection.
func (c *addresses) leave(a netip.Addr, client, stranger bool) {
	if !stranger && (!client || c.mostOpen == 0) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if stranger {
		c.greet(a, client)
	}
	if client && c.mostOpen > 0 {
		key, _, _ := addressKeys(a)
		less(c.open, key)
	}
}

func less(m map[uint64]uint32, key uint64) {
	if n := m[key]; n > 1 {
		m[key] = n - 1
	} else {
		delete(m, key)
	}
}

// addressKeys are what a client's address is counted under: for IPv6 its /64, and also its /48. IPv4 uses an unassigned
// part of IPv6's space.
func addressKeys(a netip.Addr) (key, wide uint64, six bool) {
	if a = a.Unmap(); a.Is4() {
		b := a.As4()
		return 0xffff<<32 | uint64(binary.BigEndian.Uint32(b[:])), 0, false
	}
	b := a.As16()
	key = binary.BigEndian.Uint64(b[:8])
	return key, key >> 16, true
}
