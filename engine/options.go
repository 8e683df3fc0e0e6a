package engine

import (
	"log/slog"
	"net/netip"
	"time"

	"stentor/engine/auth"
	"stentor/engine/directory"
	"stentor/engine/history"
	"stentor/engine/loop"
	"stentor/engine/refusal"
	"stentor/engine/session"
	"stentor/engine/shard"
	"stentor/engine/websocket"
)

// Options of a Node. All fields are required except where noted.
type Options struct {
	// Listen are the client addresses, see ParseListener.
	Listen         []string
	Endpoints      []Endpoint
	TrustedProxies []netip.Prefix  // may be empty
	Names          websocket.Names // of the node, beside its addresses; may be empty
	// TokenHeader and ProjectHeader are the headers of CONNECT, and the parameters of the handshake's query, that
	// carry a client's credentials.
	TokenHeader, ProjectHeader string
	// PasscodeIsToken makes the passcode of CONNECT the token of a client that has none elsewhere.
	PasscodeIsToken bool

	Loops    int // event loops; 0: one a core
	Session  session.Config
	Shard    shard.Limits
	History  history.Bounds
	Limits   Limits
	Projects []Project
	// StateDir is a directory of this node alone, where histories save what they know over a restart, see statefile; empty:
	// nothing is saved.
	StateDir string
	// DefaultProject is that of clients that name none, for the log of refusals; may be empty.
	DefaultProject string

	// Directory is the view of all nodes, for clients that ask where to connect, and Discovery bounds how often an address
	// may ask. Both nil: nobody is told.
	Directory *directory.View
	Discovery *directory.Limiter

	// AdvertisedURLs are the WebSocket URLs of this node: clients of SockJS are told to open their transports there. None: they do
	// it where they asked.
	AdvertisedURLs []string

	TLS *loop.TLS // for the listeners that have it; nil when none has

	// In tests: expiry of sessions over HTTP without a receiver, and the clock in ns of what compression may take.
	expiry    time.Duration
	packClock func() int64

	Log *slog.Logger
	// Refusals counts and logs refusals; nil for one of the node's own, which writes to Log.
	Refusals *refusal.Log
}

// credentials are the headers that prove who a client is: nobody else may see them.
func (o *Options) credentials() []string {
	return []string{o.TokenHeader, o.ProjectHeader, "Authorization", "login", "passcode"}
}

// strangersBudget bounds what connections hold before they are authenticated. They have one share of it, which takes at most
// half: the whole handshake of each. However few they are, each has room for its CONNECT.
func (o *Options) strangersBudget() int64 {
	few := 10 * int64(o.Session.HandshakeBytes+o.Session.ConnectFrameBytes)
	return max(few, 2*int64(o.Limits.Unauthenticated)*int64(o.Session.HandshakeBytes))
}

// bodyBytes is how much a client may send with one request of SockJS: a whole frame, with as many headers, as JSON.
func (o *Options) bodyBytes() int {
	const slack = 64 << 10
	return o.Session.FrameBytes + o.Session.HeaderBytes + slack
}

// lentSlack is what a client may send behind a whole request.
const lentSlack = 4 << 10

// lentBudget bounds what clients of SockJS over HTTP have sent, beside a little each: it has to be eight times what one may
// send.
func (o *Options) lentBudget() int64 {
	return max(8*int64(o.bodyBytes()+o.Session.HandshakeBytes+lentSlack)*2, o.Limits.SessionBytes/8)
}

// Endpoint is a path that clients connect to.
type Endpoint struct {
	Path    string
	Origins websocket.Origins
	Project string // of all its clients; may be empty
	SockJS  bool   // serves SockJS too, below the path
	// Compress is whether messages of WebSockets may be compressed, but for SockJS.
	Compress websocket.Compressing
}

// Limits of the node.
type Limits struct {
	Connections     int  // sockets; also bounded by the descriptors that the process may open
	AsManyAsFit     bool // Connections was computed from the memory, nobody configured it: fewer are no surprise
	PerAddress      int  // of one client address (IPv6: /64); 0 unlimited
	Unauthenticated int  // not yet CONNECTED
	// UnauthenticatedPerAddress is how many of these one client address may have; 0: a tenth of the free places.
	UnauthenticatedPerAddress int
	SessionsPerUser           int // of one user; 0 unlimited
	Handshakes                int // of TLS, under way
	SockJS                    int // sessions of SockJS over HTTP; 0: it is not served
	PendingBytes              int64
	SessionBytes              int64         // that all sessions hold above shard.Allowance; 0 unlimited
	PushAge                   time.Duration // pushes older than this are not delivered; 0 unlimited
	// ReservedDescriptors are kept for everything that is not a client: the API's connections, files, the bus.
	ReservedDescriptors int
}

// Project is a tenant.
type Project struct {
	Auth            *auth.Project
	Name            string
	Topic           string // on the bus
	InTopic         string // see bus.Topic
	Patterns        bool
	Slow            shard.Policy
	SlowTimeout     time.Duration
	AckWindow       int
	Connections     int     // sessions; 0 unlimited
	PushesPerSecond float64 // 0 unlimited
}
