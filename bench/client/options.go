package client

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"stentor/stomp"
)

// MaxSubscriptions is how many subscriptions a connection may have.
const MaxSubscriptions = 2

// Options says what to connect to and how. It is not changed while the Client lives.
type Options struct {
	Address netip.AddrPort // of the server, IPv4
	Path    string         // of its WebSocket endpoint
	// Raw leaves out handshake and STOMP session: the server sends WebSocket frames with MESSAGEs from the start.
	Raw bool
	// Subscriptions are the destinations to subscribe to, in frames of their own. The id of each is its index, and
	// each is a stream with a numbering of its own.
	Subscriptions []string
	// Receipts makes a connection count as open only when the server has confirmed its last SUBSCRIBE, instead of
	// when that has been sent.
	Receipts bool
	// Resume makes a connection go on where the last one of its number ended, whoever ended it: SUBSCRIBE carries
	// last-message-id, and its sequences are checked across the break. Each SUBSCRIBE then asks for its receipt, which
	// tells where it begins. It takes Receipts.
	Resume bool
	// Heartbeat is what the client offers and wants, 0 for none. What is agreed on is kept.
	Heartbeat time.Duration
	// Headers makes the CONNECT headers of connection number (from 0; a number is used again after a Drop), or is nil.
	Headers func(number int) ([]stomp.Header, error)
	// Sources are the local addresses to connect from, in turn; none leaves the choice to the kernel. See Loopback.
	Sources []netip.Addr
	// Threads, 0 for one per core.
	Threads int
	// Opening is how many connections may be on their way to open at once, 0 for 256.
	Opening int
}

func (o *Options) complete() error {
	if !o.Address.Addr().Is4() || o.Address.Port() == 0 {
		return fmt.Errorf("server address %v: want IPv4 and a port", o.Address)
	}
	if len(o.Subscriptions) > MaxSubscriptions {
		return fmt.Errorf("%d subscriptions: at most %d are possible", len(o.Subscriptions), MaxSubscriptions)
	}
	if !o.Raw && len(o.Subscriptions) == 0 {
		return errors.New("a connection needs a subscription")
	}
	if o.Resume && (o.Raw || !o.Receipts) {
		return errors.New("a connection that resumes needs the receipts of its subscriptions")
	}
	for _, a := range o.Sources {
		if !a.Is4() {
			return fmt.Errorf("source address %v: want IPv4", a)
		}
	}
	if o.Threads == 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	if o.Opening == 0 {
		o.Opening = 256
	}
	return nil
}

// connectionsPerSource is well below the 28,232 ports of net.ipv4.ip_local_port_range, because connect(2) looks long
// for a free one when few are left, and connections that have just been closed hold theirs for a minute.
const connectionsPerSource = 8000

// Loopback returns 127.0.0.2 and as many addresses after it as n connections to one server port need.
func Loopback(n int) []netip.Addr {
	all := []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 2})}
	for len(all)*connectionsPerSource < n {
		all = append(all, all[len(all)-1].Next())
	}
	return all
}
