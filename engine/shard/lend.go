package shard

import "stentor/engine/session"

// A connection whose request is for a path of session.Config.Elsewhere is lent to who serves such paths. Its Conn stays, so that
// all that was counted for it stays counted until the socket is closed; its deadlines are the borrower's.

// lend hands c over, within its turn.
func (s *Shard) lend(c *Conn) {
	s.unschedule(c)
	s.stats.Lent.Add(1)
	s.env.Lend(c, c.socket, s.peer(c), s.machine.Lent)
}

func (c *Conn) lent() bool { return c.state == stateOpen && c.sess.Phase == session.Elsewhere }

func (s *Shard) peer(c *Conn) Peer {
	return Peer{Address: c.addrPort(), Proxied: c.proxied, Secure: c.secure}
}

// Vouch is told by the borrower that c works for a session that is authenticated: it is no stranger any more.
func (s *Shard) Vouch(c *Conn) {
	if c.lent() {
		s.known(c)
		s.greeted(c)
	}
}

// known takes c out of the strangers.
func (s *Shard) known(c *Conn) {
	if c.stranger {
		c.stranger = false
		s.env.Known(c.addrPort())
	}
}

// GiveBack makes c, which was lent, a connection that has just been accepted. in is what it has sent since its last request.
func (s *Shard) GiveBack(c *Conn, in []byte) {
	if !c.lent() {
		return
	}
	c.sess = session.Session{}
	if !c.stranger {
		c.stranger, c.greeting = true, true
		s.env.Stranger(c.addrPort())
		s.stats.Greeting.Add(1)
	}
	s.clock()
	s.scheduleIn(c, s.env.Patience(s.conf.Limits.HandshakeTimeout))
	s.Input(c, in)
}

// Finish closes c, which was lent, once its client has had time to read what was written.
func (s *Shard) Finish(c *Conn) {
	if !c.lent() {
		return
	}
	s.clock()
	c.lastWrite = s.millis()
	c.sess.Phase = session.Closing
	s.closing(c)
}

// Known reports whether the client of c was authenticated.
func (c *Conn) Known() bool { return !c.stranger }

// Ref names c for other goroutines.
func (c *Conn) Ref() Ref { return c.ref() }
