package fake

import (
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/golang-jwt/jwt/v5"

	"stentor/stomp"
)

// Server serves clients until it is closed.
type Server struct {
	listener net.Listener
	running  sync.WaitGroup
	reading  atomic.Bool // what was in Kafka before it

	mu         sync.Mutex
	heartbeat  string // the server's side of the header
	sessions   map[*session]bool
	heartbeats int
	log        []pushed // position i+1
	forgets    bool
	unserved   string   // a destination that is nobody's
	connects   []string // the value of the token header of each CONNECT
	fault      Fault
	breakAt    int // push at which fault happens
}

// Listen starts a server at a loopback address, host:port with port 0 for any.
func Listen(address string) (*Server, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	return serveAt(l), nil
}

func serveAt(l net.Listener) *Server {
	s := &Server{heartbeat: "10000,10000", listener: l, sessions: map[*session]bool{}}
	s.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.running.Go(func() { s.serve(c) })
		}
	})
	return s
}

// Address is where clients connect.
func (s *Server) Address() netip.AddrPort { return netip.MustParseAddrPort(s.listener.Addr().String()) }

// Close ends all connections and waits for their goroutines.
func (s *Server) Close() {
	s.listener.Close()
	s.mu.Lock()
	for c := range s.sessions {
		c.conn.Close()
	}
	s.mu.Unlock()
	s.running.Wait()
}

// SetHeartbeat changes what the server says in the heart-beat header, from 10000,10000.
func (s *Server) SetHeartbeat(header string) { s.mu.Lock(); defer s.mu.Unlock(); s.heartbeat = header }

// Forget makes the server answer resumed:false to returning clients, which then do not receive missed messages.
func (s *Server) Forget() { s.mu.Lock(); defer s.mu.Unlock(); s.forgets = true }

// NotServed makes the server answer as for a destination that is not served.
func (s *Server) NotServed(destination string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unserved = destination
}

// Pushes returns how many messages were sent, Sessions returns how many clients are connected, Heartbeats how many heart-beats came from clients, Tokens the
// tokens of all CONNECTs.
func (s *Server) Pushes() int      { s.mu.Lock(); defer s.mu.Unlock(); return len(s.log) }
func (s *Server) Sessions() int    { s.mu.Lock(); defer s.mu.Unlock(); return len(s.sessions) }
func (s *Server) Heartbeats() int  { s.mu.Lock(); defer s.mu.Unlock(); return s.heartbeats }
func (s *Server) Tokens() []string { s.mu.Lock(); defer s.mu.Unlock(); return slices.Clone(s.connects) }

// session is one client.
type session struct {
	server  *Server
	id      string
	conn    net.Conn
	write   sync.Mutex
	delayed []byte            // comes after the next message; guarded by write
	ids     map[string]string // destination to subscription id; guarded by server.mu
	seen    map[string]int    // destination to the last position it had elsewhere; guarded by server.mu
	user    string
	bare    bool // speaks no STOMP and gets all bodies
}

// pushed is a kept message. A user's message has its destination with /user.
type pushed struct {
	position          int
	destination, user string
	message           stomp.Message
	body              []byte
}

// to reports whether c receives it, and on which subscription. server.mu is held.
func (p *pushed) to(c *session) (id string, ok bool) {
	if c.bare {
		return "", true
	}
	if p.user != "" && p.user != c.user {
		return "", false
	}
	id, ok = c.ids[p.destination]
	return id, ok && p.position > c.seen[p.destination]
}

func (s *Server) serve(conn net.Conn) {
	defer conn.Close()
	u := ws.Upgrader{Protocol: func(p []byte) bool { return string(p) == stomp.V12.Subprotocol() }}
	shaken, err := u.Upgrade(conn)
	if err != nil {
		return
	}
	c := &session{server: s, id: rand.Text(), conn: conn, ids: map[string]string{}, seen: map[string]int{}, bare: shaken.Protocol == ""}
	s.mu.Lock()
	s.sessions[c] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.sessions, c)
		s.mu.Unlock()
	}()
	var d stomp.Decoder
	for {
		b, op, err := wsutil.ReadClientData(conn)
		if err != nil || op != ws.OpText {
			return
		}
		var f stomp.Frame
		var p stomp.Progress
		if n, err := d.Decode(b, stomp.V12, &stomp.Limits{}, &p, &f); err != nil || n != len(b) {
			return
		}
		c.handle(&f)
	}
}

func (c *session) handle(f *stomp.Frame) {
	s := c.server
	text := func(name string) string { v, _ := f.Get(name); return string(v) }
	switch f.Command {
	case stomp.None:
		s.mu.Lock()
		s.heartbeats++
		s.mu.Unlock()
	case stomp.Connect:
		s.mu.Lock()
		s.connects = append(s.connects, text("token"))
		c.user = user(text("token"))
		heartbeat := s.heartbeat
		s.mu.Unlock()
		if text("token") == "bad" {
			c.send(frame(stomp.ErrorCommand, "message", "Failed to send message: bad token"))
			return
		}
		c.send(frame(stomp.Connected, "version", "1.2", "session", c.id, "heart-beat", heartbeat))
	case stomp.Subscribe:
		c.subscribe(text("destination"), text("id"), text("receipt"), text("last-message-id"))
	}
}

// subscribe answers a SUBSCRIBE and sends the messages after position last, unless the server forgets. Concurrent pushes
// wait for it. The position may be one that this server has still to read from Kafka.
func (c *session) subscribe(destination, id, receipt, last string) {
	c.write.Lock()
	defer c.write.Unlock()
	s := c.server
	s.mu.Lock()
	if s.unserved == destination {
		s.mu.Unlock()
		c.put(frame(stomp.Receipt, "receipt-id", receipt, "subscribed", "false", "reason", "not-served"))
		return
	}
	log, forgets := s.log, s.forgets
	_, offset, resumes := strings.Cut(last, "-0-")
	seen := len(log)
	if n, err := strconv.Atoi(offset); err == nil && !forgets {
		seen = n
	}
	c.ids[destination], c.seen[destination] = id, seen
	s.mu.Unlock()
	headers := []string{"receipt-id", receipt, "position", position(max(len(log), seen))}
	if resumes {
		headers = append(headers, "resumed", strconv.FormatBool(!forgets))
	}
	if receipt != "" {
		c.put(frame(stomp.Receipt, headers...))
	}
	for i := seen; i < len(log); i++ {
		if log[i].destination == destination && (log[i].user == "" || log[i].user == c.user) {
			c.put(message(&log[i], id))
		}
	}
}

func position(offset int) string { return fmt.Sprintf("1-0-%06d", offset) }

func message(p *pushed, id string) []byte {
	return p.message.AppendTo(nil, stomp.V12, []byte("subscription:"+id+"\n"))
}

// user is a token's user, verified or not; empty when the token is not a JWT.
func user(token string) string {
	claims := jwt.RegisteredClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(token, &claims); err != nil {
		return ""
	}
	return claims.Subject
}

func frame(command stomp.Command, headers ...string) []byte {
	b := stomp.AppendCommand(nil, command)
	for i := 0; i < len(headers); i += 2 {
		b = stomp.AppendHeader(b, stomp.V10, headers[i], headers[i+1])
	}
	return stomp.AppendBody(b, nil)
}

func (c *session) send(payload []byte) {
	c.write.Lock()
	defer c.write.Unlock()
	c.put(payload)
	if c.delayed != nil {
		c.put(c.delayed)
		c.delayed = nil
	}
}

// put is send for callers that hold write.
func (c *session) put(payload []byte) {
	c.conn.Write(ws.MustCompileFrame(ws.NewTextFrame(payload))) // an error shows in the reading goroutine
}

// Raw writes bytes to the client as they are.
func (c *session) Raw(b []byte) {
	c.write.Lock()
	defer c.write.Unlock()
	c.conn.Write(b) // an error shows in the reading goroutine
}

// Subscriptions returns how many clients have subscribed to a destination.
func (s *Server) Subscriptions(destination string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.sessions {
		if c.ids[destination] != "" {
			n++
		}
	}
	return n
}

// Push sends a message to all subscribers of a destination.
func (s *Server) Push(destination string, body []byte) { s.PushUser("", destination, body) }

// PushUser sends a message to a user's subscribers of a destination, which begins with /user; without a user to all.
func (s *Server) PushUser(user, destination string, body []byte) {
	s.mu.Lock()
	p := pushed{len(s.log) + 1, destination, user, stomp.NewMessage(destination, position(len(s.log)+1), "application/json", nil, body), body}
	s.log = append(s.log, p)
	to := map[*session]string{}
	for c := range s.sessions {
		if id, ok := p.to(c); ok {
			to[c] = id
		}
	}
	fault := None
	if s.fault != None && len(s.log) == s.breakAt {
		fault = s.fault
	}
	s.mu.Unlock()
	for c, id := range to {
		if fault != None {
			done := s.broken(fault, c, &p, id)
			if fault = None; done {
				continue
			}
		}
		if c.bare {
			c.send(body)
			continue
		}
		c.send(message(&p, id))
	}
}

// has reports whether there is a session of this id.
func (s *Server) has(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.sessions {
		if c.id == id {
			return true
		}
	}
	return false
}

// Kick closes all sessions of a user and returns how many there were.
func (s *Server) Kick(user string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.sessions {
		if c.user == user {
			n++
			c.conn.Close()
		}
	}
	return n
}

// Each calls f with a function that writes bare bytes to a client, for every client.
func (s *Server) Each(f func(write func([]byte))) {
	s.mu.Lock()
	all := make([]*session, 0, len(s.sessions))
	for c := range s.sessions {
		all = append(all, c)
	}
	s.mu.Unlock()
	for _, c := range all {
		f(c.Raw)
	}
}

// Hang closes all connections, with the close frame given if there is one.
func (s *Server) Hang(closeFrame []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.sessions {
		c.conn.Write(closeFrame)
		c.conn.Close()
	}
}
