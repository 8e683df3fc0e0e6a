package shard

import (
	"net/netip"
	"sync/atomic"
	"time"

	"stentor/engine/bus"
	"stentor/engine/destination"
	"stentor/engine/history"
	"stentor/engine/refusal"
	"stentor/engine/session"
	"stentor/engine/websocket"
)

// Socket is a connection as a shard sees it. Both methods are called only in the loop, and never after Gone.
type Socket interface {
	// Write takes all of p: what the kernel does not take is buffered. An error means that the connection is closed;
	// Gone was called inside Write then.
	Write(p []byte) (int, error)
	// OutboundBuffered is how many bytes wait for the kernel to take them.
	OutboundBuffered() int
}

// Holding is a socket over TLS.
type Holding interface {
	Socket
	// Held is how many bytes it keeps that the client has sent and the shard has not got yet.
	Held() int
}

// Virtual is the socket of a session that has no connection of its own, see OpenSession. All methods are called in the loop.
type Virtual interface {
	Socket
	// Offer, Watch and Unwatch are as Config has them.
	Offer(p []byte) (int, error)
	Watch(r Ref) bool
	Unwatch()
	// CloseWrite and Close are as Env has them.
	CloseWrite()
	Close()
}

// Env is what a shard needs of the node around it. All but Wake and the done functions run in the loop and must not
// block.
type Env interface {
	// Admit decides on a complete handshake. Also when it refuses, the Admission may name the client's address.
	Admit(r *websocket.Request, peer Peer) (Admission, *websocket.Refusal)
	// Plain decides on a request that is not for a WebSocket: see websocket.Handshaker. client is its sender, as far as
	// known.
	Plain(r *websocket.Request, peer Peer, dst []byte) (answer []byte, client netip.AddrPort, refused *websocket.Refusal)
	// Authenticate answers a CONNECT: at once when ok, else later by calling done on any goroutine.
	Authenticate(c Credentials, done func(Identity, *session.Failure)) (id Identity, failure *session.Failure, ok bool)
	// Token is the token among the headers of a client's frame, empty when it has none.
	Token(header func(name string) (string, bool)) string
	// Renew verifies the new token of a session of project, and answers as Authenticate does.
	Renew(project, token string, client netip.AddrPort, done func(Identity, *session.Failure)) (id Identity, failure *session.Failure, ok bool)
	// Allow returns nil when so many SENDs of a client of h, of so many bytes in all, may go to the bus, and counts them.
	// It returns ErrNever when there can never be room for so many at once.
	Allow(p *Settings, h Holder, sends, bytes int) error
	// Publish hands a client's SEND, which was allowed, to the bus. See bus.Bus.
	Publish(r *bus.Record, done func(bus.Position, error))
	// Forward hands a client's SEND, which was allowed, to the back ends. done gets nil when they have it.
	Forward(m *bus.Inbound, done func(error))
	// Join and Leave count the sessions of a project, and of its user if there is one. Join returns why there can be no
	// more, refusal.None when it has counted one.
	Join(p *Settings, user string) refusal.Reason
	Leave(p *Settings, user string)
	// Patience is how long a client may take now for the handshake, or for CONNECT. quiet is how long it may take in quiet
	// times.
	Patience(quiet time.Duration) time.Duration
	// Known reports that the CONNECT of a client at this address was accepted.
	Known(address netip.AddrPort)
	// Release reports that a connection of this address is gone; stranger is true when Known was never called for it.
	Release(address netip.AddrPort, stranger bool)
	// Stranger takes back a Known: the connection begins anew.
	Stranger(address netip.AddrPort)
	// Lend hands over the connection of c, whose request is not the shard's: in is what has come of it, valid until the end of
	// the call. From then on nothing that comes is given to Input, until GiveBack.
	Lend(c *Conn, socket Socket, peer Peer, in []byte)
	// CloseWrite sends FIN, Close closes; Gone is called inside Close. why is what was refused, if anything was.
	CloseWrite(Socket)
	Close(s Socket, why refusal.Reason)
	// Wake makes the loop call Run soon. Any goroutine may call it.
	Wake()
	// Refused reports that a client is refused, and why. Its strings are valid only now.
	Refused(r refusal.Record)
	// Panicked reports a recovered panic.
	Panicked(where string, reason any)
}

// Peer is who is at the other end of a socket, as far as is known without the handshake.
type Peer struct {
	Address netip.AddrPort // the other end itself, or the client that Introduce named
	Proxied bool           // Introduce did
	Secure  bool           // it speaks TLS with the node itself
}

// Admission is what the handshake said about a client.
type Admission struct {
	Address netip.AddrPort // the client's real address
	// Named is the project that CONNECT asks for, if the node serves it: for the log, until CONNECTED.
	Named string
	// Endpoint is the project of the endpoint's path; Project and Token come from the handshake's query and headers.
	Endpoint, Project, Token string

	// Form is how the client wants its STOMP frames.
	Form session.Form

	least uint32 // see leastInterval; from CONNECT until CONNECTED, which must announce the same
}

// Credentials are those of a client's handshake, overridden by those of its CONNECT. header looks up a header of CONNECT
// and is valid only during Authenticate.
type Credentials struct {
	Admission *Admission
	Header    func(name string) (string, bool)
}

// Identity is who a client turned out to be.
type Identity struct {
	Project *Settings
	User    string
	Rights  Rights // nil: the project's
	Expires int64  // unix seconds at which the session is closed; 0 never
}

// Verdict is what Rights say of a destination.
type Verdict uint8

const (
	Allowed Verdict = iota
	Forbidden
	// Unserved destinations have a prefix that nobody serves.
	Unserved
)

// SendAction is what becomes of a client's SEND.
type SendAction uint8

const (
	SendIgnore SendAction = iota
	SendPush
	SendForward
	SendDeny
)

// Rights tell what a session may do. They are shared and immutable.
type Rights interface {
	Subscribe(user, dest string) Verdict
	SubscribePattern(user string, p *destination.Pattern) Verdict
	Send(user, dest string) SendAction
	// Bytes is the memory that they take beside the project's own.
	Bytes() int
}

// Policy is what happens to a subscription that cannot keep up.
type Policy uint8

const (
	Disconnect Policy = iota
	DropOldest
	KeepLatest
)

// Settings are a project's, shared by all shards and immutable. History stays the same over a reload.
type Settings struct {
	Name        string
	History     *history.Log
	Rights      Rights
	Patterns    bool
	Slow        Policy
	SlowTimeout time.Duration
	AckWindow   int // 0 unlimited
	// Share is the project's part of what the node's sessions may hold; a reload keeps it. nil: nothing is counted.
	Share *Share
	// Packing is how many of the project's sessions, on all shards, accept compressed pushes; a reload keeps it. nil: nothing
	// is counted.
	Packing *atomic.Int64
}

// Limits of one shard.
type Limits struct {
	HandshakeTimeout time.Duration // until the WebSocket is open
	ConnectTimeout   time.Duration // until CONNECTED
	Ping             time.Duration // for clients without STOMP heart-beats
	Heartbeat        time.Duration // of SockJS, for the answers of HTTP transports that are silent for so long; 0 none
	Heartbeats       int           // and pings a second, both ways, that the intervals of new sessions aim at; 0 unlimited
	FramesPerSecond  int           // a connection
	Subscriptions    int           // a session
	Patterns         int           // a project
	PatternSteps     int           // a project; see destination.Pattern.Steps
	UserPatternSteps int           // of those, a user
	ReplyBytes       int           // answers that a client has not read
	SlowBytes        int64         // a project: pushes that history evicted during their transfers; 0 unlimited
}

// Config of one Shard.
type Config struct {
	Index    int
	Instance uint32 // of the process, in session ids
	Seed     uint64 // of the spread of heart-beats
	Session  session.Config
	Limits   Limits
	// Credentials are the names, in any case, of those headers of a client's SEND that only the server may see.
	Credentials []string
	// Strangers is the share of all connections that have no project yet, or no longer; nil: they are not counted.
	Strangers *Share
	// Now is the node's clock in ns: it never steps. Wall is the wall clock, which an operator or NTP may set.
	Now  func() int64
	Wall func() time.Time
	// Unsent is how many bytes of a socket the kernel has not sent yet; nil when it cannot be asked.
	Unsent func(Socket) int
	// Write is used in place of Socket.Write, with its contract; nil for Socket.Write itself.
	Write func(Socket, []byte) (int, error)
	// Offer writes as many bytes as the socket takes at once, and buffers nothing. An error means that the connection is
	// closed, as with Write. nil: the bytes are written whole when nothing is buffered.
	Offer func(Socket, []byte) (int, error)
	// Watch asks for one call of Writable when an open socket takes more, and reports false when there will be none. One
	// Unwatch follows it, unless the socket was closed. nil: sockets cannot be watched.
	Watch   func(Socket, Ref) bool
	Unwatch func(Socket)
}
