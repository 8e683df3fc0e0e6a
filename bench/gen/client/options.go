package client

import (
	"crypto/tls"
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
	// Addresses are the servers', all IPv4 or all IPv6; a zone is the number of an interface. Connections use them in turn.
	Addresses []netip.AddrPort
	// Address, when it is set, returns the address for each opening of a connection, for clients that ask before they
	// connect. It returns at once, an address of the family of Addresses. Any thread calls it.
	Address func(number int) netip.AddrPort
	Host    string // in handshake and CONNECT, "" for the address
	Path    string // of the WebSocket endpoint
	// TLS makes connections to wss://, or is nil. It costs extra memory for each.
	TLS *tls.Config
	// Form is how STOMP frames go in messages.
	Form Form
	// Raw leaves out handshake and STOMP session: the server sends WebSocket frames with MESSAGEs from the start.
	Raw bool
	// Bare leaves out only the STOMP session: each message of the server is a payload, on subscription 0.
	Bare bool
	// Subscriptions are the destinations to subscribe to, in frames of their own. The id of each is its index, and
	// each is a stream with a numbering of its own.
	Subscriptions []string
	// SubscriptionsOf, when it is set, returns each connection's subscriptions. Any thread calls it.
	SubscriptionsOf func(number int) []string
	// Receipts makes a connection count as open only when the server has confirmed its last SUBSCRIBE, instead of
	// when that has been sent.
	Receipts bool
	// Resume makes a connection continue where the last one of its number ended, whoever ended it: SUBSCRIBE carries
	// last-message-id, and the sequences are checked across the break. Each SUBSCRIBE then requests a receipt, which
	// says where the subscription begins. Resume requires Receipts. Without Resume such a connection starts afresh.
	Resume bool
	// Payloads must name Run in the upper half of their stream, and in the lower half the Stream of the connection and the
	// subscription. With a Stream of nil they may name anything. Any thread calls it.
	Run    uint32
	Stream func(number, subscription int) uint32
	// Newest returns the number of the newest message to a subscription that has been sent or is in flight. With it and
	// Receipts a connection knows that every later message must come. Any thread calls it.
	Newest func(number, subscription int) uint32
	// Untaken returns how many of a stream's messages in [from, to) the server has refused for good; with waiting, also
	// those that it has not answered yet. They are not lost. nil: none. Any thread calls it.
	Untaken func(stream, from, to uint32, waiting bool) uint32
	// Connected, when it is set, is called with every CONNECTED, by any thread; the frame is valid until it returns.
	Connected func(number int, f *stomp.Frame)
	// Lost, when it is set, is called when a connection has ended or could not be opened, unless Drop or Leave closed it. Its
	// number is kept for it, and Return opens it again. Any thread calls it; it returns at once, and calls no method of the
	// Client.
	Lost func(number int, l Loss)
	// GiveUp makes a client end a connection on which the server was silent for longer than two of its heart-beat intervals,
	// as stomp.js does. It looks each four fifths of its own interval.
	GiveUp bool
	// Heartbeat is the interval that the client offers and requests, 0 for none. The client keeps to what is negotiated.
	Heartbeat time.Duration
	// Headers makes the CONNECT headers of connection number (from 0; a number is used again after a Drop), or is nil.
	Headers func(number int) ([]stomp.Header, error)
	// Signers is how many goroutines call Headers when it is slow; with 0 the threads call it.
	Signers int
	// Sources are the local addresses to connect from, in turn; with none the kernel chooses. See Loopback.
	Sources []netip.Addr
	// Threads, 0 for one per core.
	Threads int
	// Opening is how many connections may be opening at once, 0 for 256.
	Opening int
	// Gather is how long a thread lets events accumulate before it polls again, 0 for not at all. Where a switch between
	// server and client costs far more than a message, as on an emulated machine, this saves most switches; messages are
	// read that much later.
	Gather time.Duration
	// OpenTimeout is how long a connection may be opening, 0 for a minute.
	OpenTimeout time.Duration
	// SlowBytes is what a Slow connection reads every second, 0 for 1024.
	SlowBytes int
}

func (o *Options) complete() error {
	if len(o.Addresses) == 0 {
		return errors.New("no server address")
	}
	for _, a := range o.Addresses {
		if !a.IsValid() || a.Port() == 0 || a.Addr().Is4In6() {
			return fmt.Errorf("server address %v: want an address and a port", a)
		}
		if a.Addr().Is4() != o.Addresses[0].Addr().Is4() {
			return fmt.Errorf("server addresses %v and %v: want IPv4 alone or IPv6 alone", o.Addresses[0], a)
		}
	}
	if len(o.Subscriptions) > MaxSubscriptions {
		return fmt.Errorf("%d subscriptions: at most %d are possible", len(o.Subscriptions), MaxSubscriptions)
	}
	if !o.Raw && !o.Bare && len(o.Subscriptions) == 0 && o.SubscriptionsOf == nil {
		return errors.New("a connection needs a subscription")
	}
	if o.Resume && (o.Raw || o.Bare || !o.Receipts) {
		return errors.New("a connection that resumes needs the receipts of its subscriptions")
	}
	for _, a := range o.Sources {
		if !a.IsValid() || a.Is4In6() || a.Is4() != o.Addresses[0].Addr().Is4() {
			return fmt.Errorf("source address %v: want one of the family of %v", a, o.Addresses[0].Addr())
		}
	}
	if o.Threads == 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	if o.Opening == 0 {
		o.Opening = 256
	}
	if o.OpenTimeout == 0 {
		o.OpenTimeout = time.Minute
	}
	if o.SlowBytes == 0 {
		o.SlowBytes = 1024
	}
	return nil
}

// connectionsPerSource is well below the 28,232 ports of net.ipv4.ip_local_port_range: a closed connection keeps its port
// for a minute, and before Linux 6.3 connect(2) searches long for a free port when few are left.
const connectionsPerSource = 8000

// connectionsTogether is how many clients of one address Crowd lets connect at once. A node keeps most of its places
// for clients that have yet to authenticate from any one address (limits.unauthenticated_per_address).
const connectionsTogether = 100

// Loopback returns 127.0.0.2 and as many addresses after it as n connections to one server port need.
func Loopback(n int) []netip.Addr { return loopback(n, connectionsPerSource) }

// Crowd returns enough loopback addresses for n clients to connect all at once, as clients of many networks do.
func Crowd(n int) []netip.Addr { return loopback(n, connectionsTogether) }

// loopback returns 127.0.0.2 and addresses after it, one for each `each` of n connections.
func loopback(n, each int) []netip.Addr {
	all := []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 2})}
	for len(all)*each < n {
		all = append(all, all[len(all)-1].Next())
	}
	return all
}
