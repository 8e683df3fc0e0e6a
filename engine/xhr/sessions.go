package xhr

import (
	"hash/maphash"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"stentor/engine/refusal"
	"stentor/engine/shard"
	"stentor/engine/sockjs"
	"stentor/engine/websocket"
)

// Host is the node as the transports see it. Any goroutine calls it.
type Host interface {
	// Target is what a path asks for, and the endpoint that it is below; not ok when it is for no transport over HTTP.
	Target(path string) (endpoint string, t sockjs.Target, ok bool)
	// Allow decides whether the page that sent r may use its endpoint.
	Allow(r *websocket.Request, peer shard.Peer) *websocket.Refusal
	// Admit decides whether r may open a session. What it returns keeps nothing of r.
	Admit(r *websocket.Request, peer shard.Peer) (shard.Admission, *websocket.Refusal)
	// Credentials are what r says of who its client is.
	Credentials(r *websocket.Request) (token, project string)
	// Client is who has sent r.
	Client(r *websocket.Request, peer shard.Peer) netip.AddrPort
	// Begin counts a request that has yet to come whole, or refuses it; End follows. Behind a proxy, connections do not say whose
	// it is.
	Begin(client netip.AddrPort, peer shard.Peer) *websocket.Refusal
	End(client netip.AddrPort, peer shard.Peer)
	// Enter counts a session for its client's address, or refuses it. Withdraw undoes it for one that was not opened. Known says
	// that it was authenticated, Leave that it is gone.
	Enter(client netip.AddrPort) *websocket.Refusal
	Withdraw(client netip.AddrPort)
	Known(client netip.AddrPort)
	Leave(client netip.AddrPort, stranger bool)
	// Guess counts a request for a session that does not exist, and reports whether the client may make more.
	Guess(client netip.AddrPort) bool
	// Refused is called for a request that is refused.
	Refused(refusal.Record)
	// Panicked is called for a panic that cost a connection.
	Panicked(where string, reason any)
}

// Shard is a shard.Shard: what belongs to one loop. All but Post and Writable is called in the loop.
type Shard interface {
	Post(task func())
	Writable(all []shard.Ref)
	OpenSession(socket shard.Socket, a *shard.Admission) *shard.Conn
	Input(c *shard.Conn, stomp []byte)
	Gone(c *shard.Conn)
}

// Config of Sessions. All fields are required.
type Config struct {
	Host   Host
	Shards []Shard
	// BodyBytes is what a client may send with one request.
	BodyBytes int
	// AnswerTime is how long a client may take nothing of what is written to it.
	AnswerTime time.Duration
	// Expiry is how long a session lives without a receiver, and how long one that is over answers.
	Expiry time.Duration
	// StreamBytes is how much one response carries.
	StreamBytes int
}

// Sessions are all sessions over HTTP of a node. It is the handler of their requests.
type Sessions struct {
	conf   Config
	server *Server
	seed   maphash.Seed
	parts  []part // by the shard that a session belongs to
	stop   chan struct{}

	receivers atomic.Int64
}

// part is the sessions of one shard.
type part struct {
	mu sync.Mutex
	of map[key]*Session
}

// key is what names a session. A client chooses its id, and somebody else could guess it; so the credentials of the request
// that opened the session are a part of its name: who does not know them names another one. Addresses are not: a client may
// have one for IPv4 and one for IPv6, or a pool's. Nor is the server in the path, which the protocol has for proxies alone.
type key struct {
	endpoint, id string
	credentials  uint64 // hashed with a secret
}

// How long the id of a session has to be, and what a client may choose. Clients of SockJS choose 8 random characters or more.
const (
	leastID  = 8
	mostName = 128
)

// NewSessions returns an empty set, whose requests server serves.
func NewSessions(conf Config) *Sessions {
	s := &Sessions{conf: conf, seed: maphash.MakeSeed(), parts: make([]part, len(conf.Shards)), stop: make(chan struct{})}
	for i := range s.parts {
		s.parts[i].of = map[key]*Session{}
	}
	return s
}

// Serve makes server the one whose connections the requests come from.
func (s *Sessions) Serve(server *Server) { s.server = server }

// key names the session of a request.
func (s *Sessions) key(endpoint string, t sockjs.Target, r *websocket.Request) key {
	k := key{endpoint: endpoint, id: strings.Clone(t.ID)} // not the whole URL with them
	type credentials struct{ token, project, authorization string }
	token, project := s.conf.Host.Credentials(r)
	k.credentials = maphash.Comparable(s.seed, credentials{token, project, r.Authorization})
	return k
}

func (s *Sessions) part(k key) (int, *part) {
	i := int(maphash.Comparable(s.seed, k) % uint64(len(s.parts)))
	return i, &s.parts[i]
}

// find is the session of that name, nil when there is none.
func (s *Sessions) find(k key) *Session {
	_, p := s.part(k)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.of[k]
}

// add opens a session for r. When another request has opened it in the meantime, that one is returned.
func (s *Sessions) add(k key, a shard.Admission, transport string, r *receiver) (one *Session, added bool) {
	i, p := s.part(k)
	p.mu.Lock()
	if one = p.of[k]; one == nil {
		one = &Session{all: s, key: k, home: s.conf.Shards[i], address: a.Address, transport: transport, receiver: r}
		p.of[k] = one
		added = true
		s.receivers.Add(1)
	}
	p.mu.Unlock()
	if added {
		one.home.Post(func() { one.open(a) })
	}
	return one, added
}

// remove forgets a session.
func (s *Sessions) remove(one *Session) {
	_, p := s.part(one.key)
	p.mu.Lock()
	there := p.of[one.key] == one
	if there {
		delete(p.of, one.key)
	}
	p.mu.Unlock()
	if there {
		s.server.part(one)
		s.conf.Host.Leave(one.address, !one.known.Load())
	}
}

// Len is how many sessions there are, with those that are over and still answer.
func (s *Sessions) Len() (n int) {
	for i := range s.parts {
		p := &s.parts[i]
		p.mu.Lock()
		n += len(p.of)
		p.mu.Unlock()
	}
	return n
}

// Receivers is how many requests wait for what sessions have.
func (s *Sessions) Receivers() int64 { return s.receivers.Load() }

// Stop ends all of them. It is called when the loops have ended.
func (s *Sessions) Stop() {
	close(s.stop)
	for i := range s.parts {
		p := &s.parts[i]
		p.mu.Lock()
		for _, one := range p.of {
			one.mu.Lock()
			if one.timer != nil {
				one.timer.Stop()
			}
			one.mu.Unlock()
		}
		p.mu.Unlock()
	}
}

// Refusals of the transports.
var (
	badID    = &websocket.Refusal{Reason: refusal.HandshakeMalformed, Status: http.StatusNotFound, Text: "The id of a session has to have 8 to 128 characters, chosen at random."}
	twice    = &websocket.Refusal{Reason: refusal.HandshakeMalformed, Status: http.StatusBadRequest, Text: "The headers Origin and Authorization must come once."}
	guessing = &websocket.Refusal{Reason: refusal.SockJSUnknown, Status: http.StatusTooManyRequests, Text: "Your address asks for sessions that do not exist.", Header: "Retry-After: 5\r\n"}
	bodied   = &websocket.Refusal{Reason: refusal.HandshakeMalformed, Status: http.StatusRequestEntityTooLarge, Text: "A request that receives needs no body: it may have up to 1,024 bytes."}
	tooLarge = &websocket.Refusal{Reason: refusal.FrameBytes, Status: http.StatusRequestEntityTooLarge, Text: "The body is larger than the limits of a frame (limits.client_frame_bytes)."}
	tooMuch  = &websocket.Refusal{Reason: refusal.SessionBytes, Status: http.StatusServiceUnavailable, Text: "There is no memory for so large a body now (limits.session_bytes).", Header: "Retry-After: 1\r\n"}
)
