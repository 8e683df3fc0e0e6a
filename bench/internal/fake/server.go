package fake

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"

	gobwas "github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"stentor/stomp"
)

// Server serves clients until it is closed.
type Server struct {
	listener net.Listener
	running  sync.WaitGroup

	mu         sync.Mutex
	heartbeat  string // the server's side of the header
	sessions   map[*session]bool
	heartbeats int
	sent       int
	connects   []string // the value of the token header of each CONNECT
}

// Listen starts a server at a loopback address, host:port with port 0 for any.
func Listen(address string) (*Server, error) {
	l, err := net.Listen("tcp4", address)
	if err != nil {
		return nil, err
	}
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
	return s, nil
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

// Sessions returns how many clients are connected, Heartbeats how many heart-beats came from clients, Tokens the
// tokens of all CONNECTs.
func (s *Server) Sessions() int    { s.mu.Lock(); defer s.mu.Unlock(); return len(s.sessions) }
func (s *Server) Heartbeats() int  { s.mu.Lock(); defer s.mu.Unlock(); return s.heartbeats }
func (s *Server) Tokens() []string { s.mu.Lock(); defer s.mu.Unlock(); return slices.Clone(s.connects) }

// session is one client.
type session struct {
	server *Server
	conn   net.Conn
	write  sync.Mutex
	ids    map[string]string // destination to subscription id; guarded by server.mu
}

func (s *Server) serve(conn net.Conn) {
	defer conn.Close()
	u := gobwas.Upgrader{Protocol: func(p []byte) bool { return string(p) == stomp.V12.Subprotocol() }}
	if _, err := u.Upgrade(conn); err != nil {
		return
	}
	c := &session{server: s, conn: conn, ids: map[string]string{}}
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
		if err != nil || op != gobwas.OpText {
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
		heartbeat := s.heartbeat
		s.mu.Unlock()
		if text("token") == "bad" {
			c.send(frame(stomp.ErrorCommand, "message", "Failed to send message: bad token"))
			return
		}
		c.send(frame(stomp.Connected, "version", "1.2", "heart-beat", heartbeat))
	case stomp.Subscribe:
		s.mu.Lock()
		c.ids[text("destination")] = text("id")
		s.mu.Unlock()
		if r := text("receipt"); r != "" {
			c.send(frame(stomp.Receipt, "receipt-id", r))
		}
	}
}

func frame(command stomp.Command, headers ...string) []byte {
	b := stomp.AppendCommand(nil, command)
	for i := 0; i < len(headers); i += 2 {
		b = stomp.AppendHeader(b, stomp.V10, headers[i], headers[i+1])
	}
	return stomp.AppendBody(b, nil)
}

func (c *session) send(payload []byte) {
	c.Raw(gobwas.MustCompileFrame(gobwas.NewTextFrame(payload)))
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
func (s *Server) Push(destination string, body []byte) {
	s.mu.Lock()
	s.sent++
	m := stomp.NewMessage(destination, fmt.Sprintf("1-0-%06x", s.sent), "application/json", nil, body)
	to := map[*session]string{}
	for c := range s.sessions {
		if id := c.ids[destination]; id != "" {
			to[c] = id
		}
	}
	s.mu.Unlock()
	for c, id := range to {
		c.send(m.AppendTo(nil, stomp.V12, []byte("subscription:"+id+"\n")))
	}
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
