package engine

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"stentor/engine/refusal"
	"stentor/engine/shard"
	"stentor/engine/websocket"
)

func four(i uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 10<<24+i)
	return netip.AddrFrom4(b)
}

// six is an address of its own /64; 65536 of them have one /48.
func six(i uint32) netip.Addr {
	b := [16]byte{0: 0x20, 1: 1}
	binary.BigEndian.PutUint32(b[4:], i)
	return netip.AddrFrom16(b)
}

// TestAddressesShare: however many strangers come from some addresses, there is room for one who comes from another, and all
// that was counted is given back.
func TestAddressesShare(t *testing.T) {
	for name, attackers := range map[string][]netip.Addr{
		"one":            {four(1)},
		"ten":            addressesOf(10, four),
		"a hundred":      addressesOf(100, four),
		"a /64":          {six(1), six(1).Next()},
		"a /48":          addressesOf(20_000, func(i uint32) netip.Addr { return six(i) }),
		"a proxy's list": addressesOf(500, four),
	} {
		c := newAddresses(Limits{Unauthenticated: 10_000})
		var in []netip.Addr
		for range 3 {
			for range 1 + 10_000/len(attackers)*2 {
				for _, a := range attackers {
					if c.arrive(a, true) == nil {
						in = append(in, a)
					}
				}
			}
		}
		if len(in) < 900 {
			t.Errorf("%s: only %d came in", name, len(in))
		}
		newcomer := netip.MustParseAddr("192.0.2.1")
		for i := range 10 {
			if r := c.arrive(newcomer, true); r != nil && i == 0 || len(in) < 9000 && r != nil {
				t.Errorf("%s hold %d places: newcomer %d is told %q", name, len(in), i, r.Text)
			} else if r == nil {
				defer c.leave(newcomer, true, true)
			}
		}
		for _, a := range in {
			c.leave(a, true, true)
		}
		if left := len(c.fresh) - 1 + len(c.wide) + len(c.open); left != 0 { // the newcomer is there
			t.Errorf("%s: %d entries are left", name, left)
		}
	}
}

func addressesOf(n uint32, of func(uint32) netip.Addr) (all []netip.Addr) {
	for i := range n {
		all = append(all, of(i))
	}
	return all
}

// TestAddressesBounds: the whole has a bound, one address has what is configured, and a proxy's connections count for
// whom they turn out to be.
func TestAddressesBounds(t *testing.T) {
	c := newAddresses(Limits{Unauthenticated: 10, UnauthenticatedPerAddress: 4, PerAddress: 6})
	for i := range 5 {
		if r := c.arrive(four(1), true); (r == nil) != (i < 4) || r != nil && r != hasty {
			t.Errorf("connection %d: %v", i, r)
		}
	}
	for range 4 {
		c.known(four(1), true)
	}
	for i := range 3 { // the sessions count on
		if r := c.arrive(four(1), true); (r == nil) != (i < 2) || r != nil && r != crowded {
			t.Errorf("connection %d: %v", i, r)
		}
	}
	for i := range 9 { // a proxy's, beside the two that wait
		if r := c.arrive(four(2), false); (r == nil) != (i < 8) || r != nil && r != greedy {
			t.Errorf("a proxy's connection %d: %v", i, r)
		}
	}
	for i := range 5 {
		if r := c.identify(four(3)); (r == nil) != (i < 4) {
			t.Errorf("a proxy's client %d: %v", i, r)
		}
	}
	for range 4 {
		c.leave(four(1), true, false)
		c.leave(four(3), true, true)
		c.leave(four(2), false, true)
	}
	c.leave(four(1), true, true)
	c.leave(four(1), true, true)
	if c.strangers != 0 || len(c.fresh)+len(c.wide)+len(c.open) != 0 {
		t.Errorf("left are %d, %v, %v, %v", c.strangers, c.fresh, c.wide, c.open)
	}
}

// TestAddressesPatience: the fewer places are free, the less time has who comes.
func TestAddressesPatience(t *testing.T) {
	c := newAddresses(Limits{Unauthenticated: 100, UnauthenticatedPerAddress: 100})
	for strangers, want := range map[int]time.Duration{0: 60 * time.Second, 50: 30 * time.Second, 90: 6 * time.Second, 100: 2 * time.Second, 101: 2 * time.Second} {
		c.strangers = strangers
		if got := c.patience(60 * time.Second); got != want {
			t.Errorf("%d strangers: %v, want %v", strangers, got, want)
		}
		if got := c.patience(time.Second); got != time.Second && strangers > 0 {
			t.Errorf("%d strangers, of a second: %v", strangers, got)
		}
	}
}

// from opens a socket from an address of loopback.
func (n testNode) from(t *testing.T, source string, listener int) *testClient {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}, Timeout: 10 * time.Second}
	conn, err := d.Dial("tcp", n.Addresses()[listener].String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return &testClient{conn: conn}
}

// settled waits until the node has taken or refused n connections.
func (n testNode) settled(t *testing.T, count int) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		in := int(n.stat(func(s *shard.Stats) uint64 { return s.Accepted.Load() }))
		refused := int(n.refusals.Count(refusal.ConnectionsPerAddress) + n.refusals.Count(refusal.UnauthenticatedPerAddress) + n.refusals.Count(refusal.Unauthenticated))
		if in+refused >= count {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d came in and %d were refused, of %d", in, refused, count)
		}
	}
}

// TestBareConnections: who opens sockets and says nothing takes places from nobody but himself.
func TestBareConnections(t *testing.T) {
	for name, change := range map[string]func(*Limits){
		"connections_per_address": func(l *Limits) { l.PerAddress = 10 },
		"by default":              func(l *Limits) { l.Unauthenticated = 100 },
	} {
		n, stop := startNodeWith(t, nil, func(o *Options) { change(&o.Limits) })
		var bare []*testClient
		for range 150 {
			c := n.from(t, "127.0.0.1", 0)
			bare = append(bare, c)
		}
		n.settled(t, 150)
		if in := n.stat(func(s *shard.Stats) uint64 { return s.Accepted.Load() }); in < 5 || in > 20 {
			t.Errorf("%s: %d bare connections are in", name, in)
		}
		bare[149].until(t, "HTTP/1.1 503")
		bare[149].until(t, "per_address")
		other := n.from(t, "127.0.0.2", 0)
		other.connect(t)
		for _, c := range bare {
			_ = c.conn.Close()
		}
		_ = other.conn.Close()
		n.gone(t)
		n.nobodyCounted(t)
		c := n.dial(t)
		c.connect(t)
		stop()
	}
}

// nobodyCounted checks that all that was counted for connections has been given back.
func (n testNode) nobodyCounted(t *testing.T) {
	t.Helper()
	c := &n.addresses
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.strangers != 0 || len(c.fresh)+len(c.wide)+len(c.open) != 0 {
		t.Errorf("still counted: %d, %v, %v, %v", c.strangers, c.fresh, c.wide, c.open)
	}
}

// TestBareProxied: the connections of a trusted proxy count for its clients from the moment that they are known, also those that
// have not sent their handshake.
func TestBareProxied(t *testing.T) {
	n, stop := startNodeWith(t, nil, func(o *Options) {
		o.Listen = []string{"127.0.0.1:0 proxy_protocol", "127.0.0.1:0"}
		o.TrustedProxies = trustLoopback
		o.Limits.PerAddress = 3
	})
	defer stop()
	var all []*testClient
	for i := range 8 {
		c := n.from(t, "127.0.0.1", 0)
		c.write(t, fmt.Appendf(nil, "PROXY TCP4 203.0.113.7 127.0.0.1 %d 443\r\n", 1000+i))
		all = append(all, c)
		if i >= 3 {
			c.until(t, "HTTP/1.1 503")
			c.until(t, "connections_per_address")
			c.end(t)
			continue
		}
		for end := time.Now().Add(10 * time.Second); n.countedFor("203.0.113.7") <= i; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("connection %d is not counted", i)
			}
		}
	}
	for _, i := range []int{0, 1, 2} { // another client of the proxy, with each way to tell it
		c := n.from(t, "127.0.0.1", 0)
		c.write(t, fmt.Appendf(nil, "PROXY TCP4 203.0.113.8 127.0.0.1 %d 443\r\n", 1000+i))
		c.connect(t)
		f := n.from(t, "127.0.0.1", 1)
		f.write(t, fmt.Appendf(nil, "GET /ws HTTP/1.1\r\nX-Forwarded-For: 203.0.113.9\r\n%s", websocket.AppendRequest(nil, "h", "/ws", websocket.NewKey())[len("GET /ws HTTP/1.1\r\n"):]))
		f.until(t, "HTTP/1.1 101")
		all = append(all, c, f)
	}
	for _, c := range all {
		_ = c.conn.Close()
	}
	n.gone(t)
	n.nobodyCounted(t)
}

func (n testNode) countedFor(address string) int {
	key, _, _ := addressKeys(netip.MustParseAddr(address))
	n.addresses.mu.Lock()
	defer n.addresses.mu.Unlock()
	return int(n.addresses.open[key])
}

func BenchmarkAddresses(b *testing.B) {
	c := newAddresses(Limits{Unauthenticated: 10_000, PerAddress: 100_000})
	for i := range uint32(1_000_000) { // sessions of others
		_ = c.arrive(four(1000+i), true)
		c.known(four(1000+i), true)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		a := four(uint32(i % 1000))
		if c.arrive(a, true) != nil {
			b.Fatal("refused")
		}
		c.known(a, true)
		c.leave(a, true, false)
	}
}
