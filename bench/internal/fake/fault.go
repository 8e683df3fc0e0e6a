package fake

import (
	"bytes"
	"slices"
)

// Fault is a way to misbehave towards one client.
type Fault int

// What can go wrong with one delivery.
const (
	None      Fault = iota
	Lose            // it never comes
	Repeat          // it comes twice
	Delay           // it comes after the client's next message
	Corrupt         // a byte is another
	Stray           // another client gets it, too, who has not asked for it
	Elsewhere       // it comes on the client's other subscription
)

// Break makes the server misbehave at push nth, counted from 1, towards one of its subscribers.
func (s *Server) Break(f Fault, nth int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault, s.breakAt = f, nth
}

// broken sends the message id to c with the fault. It returns false when the caller should send it as usual.
func (s *Server) broken(f Fault, c *session, p *pushed, id string) bool {
	m := message(p, id)
	switch f {
	case Lose:
	case Repeat:
		c.send(m)
		c.send(m)
	case Delay:
		c.write.Lock()
		c.delayed = m
		c.write.Unlock()
	case Corrupt:
		m = slices.Clone(m)
		m[bytes.LastIndexByte(m, '"')-1] = '#'
		c.send(m)
	case Stray:
		for other, id := range s.others(c, p) {
			other.send(message(p, id))
			break
		}
		return false
	case Elsewhere:
		c.send(message(p, map[string]string{"0": "1", "1": "0"}[id]))
	}
	return true
}

// others are the clients that have not subscribed to p, each with a subscription on which p could be misrouted.
func (s *Server) others(c *session, p *pushed) map[*session]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[*session]string{}
	for other := range s.sessions {
		if _, ok := p.to(other); ok || other == c {
			continue
		}
		id := other.ids[p.destination]
		if id == "" {
			id = "0"
		}
		all[other] = id
	}
	return all
}
