package shard

import (
	"stentor/engine/refusal"
	"stentor/engine/session"
)

// silences is how many heart-beat intervals a client may be silent: browsers throttle the timers of hidden tabs.
const silences = 3

// timeout is called when the nearest deadline of c has come.
func (s *Shard) timeout(c *Conn) {
	if s.grace.lasts && c.sess.Phase < session.Connected {
		s.schedule(c, s.grace.until)
		return
	}
	s.doing = doing{conn: c}
	switch c.sess.Phase {
	case session.Handshake:
		s.cut(c, refusal.HandshakeTimeout, "the handshake was not complete in time")
	case session.Greeting:
		s.expel(c, refusal.ConnectTimeout, "no CONNECT came in time")
	case session.Authenticating:
		s.expel(c, refusal.TokenTimeout, "the token could not be verified in time")
	case session.Leaving:
		s.end(c, session.CloseNormal, "")
	case session.Closing:
		s.closing(c)
	case session.Connected:
		if !c.moves || s.attend(c) {
			s.beat(c)
		}
	}
	s.doing = doing{}
}

// longest is the longest interval of heart-beats in milliseconds, some nine hours, that a connection is held to. Sums of
// several stay far below 32 bits.
const longest = 1 << 25

// agree holds c to the heart-beats that CONNECT agreed on. A client that asks for a longer interval than longest gets one
// every longest; one that promises a longer interval is pinged instead.
func (s *Shard) agree(c *Conn, greets session.Greets) {
	c.sends, c.receives = min(greets.Send, longest), greets.Receive
	if c.receives > longest {
		c.receives = 0
	}
}

// beat keeps the heart-beats of both sides.
func (s *Shard) beat(c *Conn) {
	now := s.millis()
	silent := now - c.lastRead
	switch {
	case c.expires != 0 && s.unix() >= int64(c.expires):
		s.expel(c, refusal.SessionExpired, "the token has expired")
		return
	case s.grace.lasts:
	case c.receives > 0 && silent > silences*c.receives, c.pings > silences:
		s.stats.HeartbeatLost.Add(1)
		s.expel(c, refusal.Heartbeat, "no heart-beat")
		return
	}
	if s.noticeDue(c) && !s.notify(c) {
		return
	}
	var out []byte
	switch {
	case c.sends > 0 && now-c.lastWrite >= c.sends*6/10:
		out = c.sess.Form.Heartbeat()
	case s.lined(c) && now-c.lastWrite >= s.lineAfter():
		out = c.sess.Form.Ping()
	case s.pinged(c) && silent >= s.pingAfter(c) && !s.grace.lasts:
		out = c.sess.Form.Ping()
		c.pings++
	}
	switch {
	case out == nil:
	case c.moves, c.socket.OutboundBuffered() > 0:
		c.lastWrite = now // what waits for the client serves as a heart-beat
	default:
		s.stats.Heartbeats.Add(1)
		if !s.write(c, out) {
			return
		}
	}
	s.rearm(c)
}

// pinged reports whether c gets pings: it sends no heart-beats, and its loss would otherwise go unnoticed.
func (s *Shard) pinged(c *Conn) bool {
	return c.receives == 0 && s.conf.Limits.Ping > 0 && c.sess.Form != session.SockJSHTTP
}

// lined reports whether c gets lines that say nothing: the answer of an HTTP transport must not be silent for long.
func (s *Shard) lined(c *Conn) bool {
	return c.sess.Form == session.SockJSHTTP && s.conf.Limits.Heartbeat > 0
}

// lineAfter is how many milliseconds the answer of an HTTP transport is silent before it gets a line that says nothing.
func (s *Shard) lineAfter() uint32 {
	return max(uint32(s.conf.Limits.Heartbeat.Milliseconds()), s.leastInterval())
}

func (s *Shard) pingAfter(c *Conn) uint32 {
	return max(uint32(s.conf.Limits.Ping.Milliseconds()), s.leastInterval()) * (uint32(c.pings) + 1)
}

// leastInterval is the shortest interval in milliseconds, in whole seconds, at which the heart-beats of as many
// sessions as there are now stay below Limits.Heartbeats a second: each has one either way. What a session agreed on
// stays, so while a shard fills, those who came early beat more often. All together are then at most
// 1 + ln(sessions / sessions that the configured interval is long enough for) times the limit: a million on two
// loops, 3.3 times.
func (s *Shard) leastInterval() uint32 {
	rate := int64(s.conf.Limits.Heartbeats)
	if rate == 0 {
		return 0
	}
	return uint32(min((2*s.stats.Sessions.Load()+rate-1)/rate*1000, longest))
}

// wallCheck is after how many seconds the wall clock is read again for a token that expires: the clock may have been set.
const wallCheck = 60

// rearm sets the timer of a connected session to the nearest of its deadlines. A heart-beat is due at a random
// 60-95% of its interval after the last write, so that those of many clients spread.
func (s *Shard) rearm(c *Conn) {
	now := s.millis()
	in := uint32(1 << 30)
	nearer := func(since, interval uint32) {
		if passed := now - since; passed < interval {
			in = min(in, interval-passed)
		} else {
			in = 0
		}
	}
	judged := func(since, interval uint32) {
		if s.grace.lasts && now-since >= interval {
			in = min(in, (s.grace.until-s.tick-1)*tickMillis) // scheduleAfter counts one more
		} else {
			nearer(since, interval)
		}
	}
	if c.sends > 0 {
		nearer(c.lastWrite, c.sends*(60+s.random.Uint32N(36))/100)
	}
	if c.receives > 0 {
		judged(c.lastRead, silences*c.receives+1)
	} else if s.pinged(c) {
		judged(c.lastRead, s.pingAfter(c))
	}
	if s.lined(c) {
		nearer(c.lastWrite, s.lineAfter())
	}
	if t := s.moves[c.idx]; t != nil && !t.queued {
		nearer(t.tried, t.wait*tickMillis)
		judged(t.moved, uint32(t.project.settings.SlowTimeout.Milliseconds())+1)
	}
	if c.expires != 0 {
		left := s.left(c)
		if !c.noticed {
			left = max(0, left-noticeTime)
		}
		in = min(in, uint32(min(left, wallCheck)*1000))
	}
	s.scheduleAfter(c, in)
}
