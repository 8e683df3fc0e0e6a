package shard

import (
	"math"
	"strings"

	"stentor/engine/destination"
	"stentor/engine/refusal"
	"stentor/engine/session"
)

// event does what a client asks for.
func (s *Shard) event(c *Conn, ev *session.Event) {
	s.stats.Frames.Add(1)
	if s.tooFast(c) {
		s.fail(c, session.Limited(refusal.FrameRate, "too many frames a second"))
		return
	}
	switch ev.Kind {
	case session.Upgraded:
		s.stats.Handshakes.Add(1)
		s.stats.Compression[s.machine.Compression()].Add(1)
		s.scheduleIn(c, s.env.Patience(s.conf.Limits.ConnectTimeout))
	case session.Refused:
		s.refuseHandshake(c, s.handshake)
		s.handshake = refusal.Record{}
	case session.Answered:
		s.stats.Answered.Add(1)
	case session.Lent:
		s.lend(c)
	case session.Connect:
		s.authenticate(c)
	case session.Subscribe:
		s.subscribe(c, ev)
	case session.Unsubscribe:
		s.unsubscribe(c, ev)
	case session.Send:
		s.send(c, ev)
	case session.Renew:
		s.renew(c, ev)
	case session.Ack, session.Nack:
		if ev.Kind == session.Nack {
			s.stats.Nacks.Add(1)
		}
		s.acknowledge(c, ev)
		s.receipt(c, ev, "")
	case session.Begin, session.Abort:
		s.receipt(c, ev, "")
	case session.Commit:
		s.commit(c, ev)
	case session.Disconnect:
		s.disconnect(c, ev)
	case session.Failed:
		s.fail(c, ev.Failure)
	}
}

// tooFast counts a frame against the connection's rate: a bucket that holds two seconds' worth. The frames of a transaction
// are counted when they arrive, and not again with its COMMIT. Input that had to wait may have arrived at any time since.
func (s *Shard) tooFast(c *Conn) bool {
	rate := s.conf.Limits.FramesPerSecond
	second := uint16(s.now / 1e9)
	if passed := int(second - c.second); passed > 0 {
		c.second = second
		if s.late {
			c.frames = int32(max(math.MinInt32, int(c.frames)-passed*rate))
		} else {
			c.frames = int32(max(0, int(c.frames)-min(passed, 3)*rate))
		}
	}
	if int(c.frames) >= 2*rate {
		return true
	}
	c.frames++
	return false
}

// inflatedFrame is how many bytes of compressed messages, inflated, count as one frame. A client may have to send only a
// thousandth of them.
const inflatedFrame = 4 << 10

// unpacked counts what compressed messages of c have cost, against its rate as well.
func (s *Shard) unpacked(c *Conn) {
	u := &s.machine.Unpacked
	if u.Messages == 0 {
		return
	}
	s.stats.Unpacked.Add(uint64(u.Messages))
	s.stats.UnpackedBytes.Add(uint64(u.Packed))
	s.stats.InflatedBytes.Add(uint64(u.Bytes))
	c.frames += int32((u.Packed + u.Bytes + u.Blocks*session.BlockCost) / inflatedFrame)
	*u = session.Unpacked{}
}

func (s *Shard) fail(c *Conn, f *session.Failure) {
	if !f.Silent {
		s.stats.Errors.Add(1)
	}
	if c.sess.Phase != session.Closing {
		s.refuse(c, f.Reason, f.Close, logged(f))
	}
	s.depart(c)
	s.machine.Fail(&c.sess, f)
}

func (s *Shard) receipt(c *Conn, ev *session.Event, lines string) {
	if ev.HasReceipt {
		s.machine.Receipt(&c.sess, ev.Receipt, lines)
	}
}

// authenticate begins the check of a CONNECT. Its answer may come later; what the client sends meanwhile waits.
func (s *Shard) authenticate(c *Conn) {
	c.hello.least = s.leastInterval()
	s.agree(c, s.machine.Greet(c.hello.least))
	frame := &s.machine.Frame
	credentials := Credentials{Admission: c.hello, Header: func(name string) (string, bool) {
		v, ok := frame.Get(name)
		return string(v), ok
	}}
	ref := c.ref()
	id, failure, ok := s.env.Authenticate(credentials, func(id Identity, failure *session.Failure) {
		s.postTo(ref, func(c *Conn) {
			if c.sess.Phase == session.Authenticating {
				s.authenticated(c, id, failure)
				s.resumeInput(c)
			}
		})
	})
	if ok {
		s.authenticated(c, id, failure)
	}
}

// resumeInput handles what waited for the end of the authentication, and writes the answers of both.
func (s *Shard) resumeInput(c *Conn) {
	if c.sess.Phase == session.Connected {
		s.handle(c, nil)
		return
	}
	s.flush(c)
}

func (s *Shard) authenticated(c *Conn, id Identity, failure *session.Failure) {
	if failure != nil {
		s.fail(c, failure)
		return
	}
	settings := id.Project
	why := refusal.ProjectGone // this loop will know soon: here the name still means the old project
	if s.expects(settings) {
		why = s.env.Join(settings, id.User)
	}
	if why != refusal.None {
		c.hello.Named, c.user = settings.Name, id.User // for the log
		s.fail(c, notJoined(why))
		return
	}
	s.greeted(c)
	s.known(c)
	least := c.hello.least
	c.hello = nil
	c.user, c.rights = id.User, id.Rights
	s.endsAt(c, id.Expires)
	c.since = uint32(s.unix())
	s.uncount(c)
	c.project = s.project(settings)
	c.project.pool.enter()
	s.tally(c.project, c.sess.Form, 1)
	s.rememberUser(c)
	s.machine.Connected(&c.sess, s.sessionID(c), c.user, least, s.endLine(c))
	c.lastRead = s.millis()
	s.rearm(c)
}

// notJoined is the failure when a project, or a user, may have no more sessions: the client is told to come back later.
func notJoined(why refusal.Reason) *session.Failure {
	f := &session.Failure{Reason: why, Close: session.CloseTryLater, Silent: true}
	switch why {
	case refusal.SessionsPerUser:
		f.Text = "the user has as many sessions as one may have"
	case refusal.ProjectGone:
		f.Text = "the project is no longer served here"
	default:
		f.Text = "the project is full"
	}
	return f
}

func (s *Shard) subscribe(c *Conn, ev *session.Event) {
	id := ev.ID
	if len(id) == 0 { // STOMP 1.0 may name a subscription by its destination alone
		id = append([]byte{0}, ev.Destination...)
	}
	if i := s.findSub(c, id); i != 0 {
		s.stats.Duplicates.Add(1)
		lines := ""
		if s.subs.at(i).target.shown() != string(ev.Destination) {
			lines = idInUse
			s.refuse(c, refusal.SubscribeDuplicate, 0, "the id is in use")
		}
		s.receipt(c, ev, lines)
		return
	}
	if int(c.nsubs) >= s.conf.Limits.Subscriptions {
		s.fail(c, session.Limited(refusal.Subscriptions, "the session has too many subscriptions"))
		return
	}
	dest := string(ev.Destination)
	t, failure := s.target(c, dest)
	switch {
	case failure != nil:
		s.fail(c, failure)
	case t == nil:
		s.stats.Unserved.Add(1)
		s.refuse(c, refusal.SubscribeUnserved, 0, "the project does not serve this destination")
		s.receipt(c, ev, notServed)
	default:
		s.addSub(c, t, id, ev)
		if t.isNotice() {
			c.noticed = false
			s.rearm(c)
		}
	}
}

// Header lines of the RECEIPT of a SUBSCRIBE that subscribed to nothing. Spring keeps such sessions and says nothing.
const (
	idInUse   = "subscribed:false\nreason:id-in-use\n"
	notServed = "subscribed:false\nreason:not-served\n"
)

func malformed(text string) *session.Failure {
	return &session.Failure{Reason: refusal.Protocol, Code: session.CodeProtocol, Text: text, Close: session.CloseProtocol}
}

func forbidden(why refusal.Reason, text string) *session.Failure {
	return &session.Failure{Reason: why, Code: session.CodeForbidden, Text: "Failed to send message, " + text, Close: session.CloseProtocol}
}

const userPrefix = "/user"

// may is what the session may do.
func (c *Conn) may() Rights {
	if c.rights == nil {
		return c.project.settings.Rights
	}
	return c.rights
}

// target finds what a client wants to subscribe to, if it may. nil without a failure: nobody serves it.
func (s *Shard) target(c *Conn, dest string) (*target, *session.Failure) {
	if err := destination.Check(dest); err != nil {
		return nil, malformed(err.Error())
	}
	user := strings.HasPrefix(dest, userPrefix+"/")
	switch {
	case dest == notice:
		return c.project.userDestination(dest[len(userPrefix):]), nil
	case destination.IsPattern(dest) && !user:
		return s.patternTarget(c, c.may(), dest)
	}
	switch c.may().Subscribe(c.user, dest) {
	case Forbidden:
		return nil, forbidden(refusal.SubscribeForbidden, "you may not subscribe to this destination")
	case Unserved:
		return nil, nil
	}
	if user {
		return c.project.userDestination(dest[len(userPrefix):]), nil
	}
	return s.topic(c.project, dest), nil
}

func (s *Shard) unsubscribe(c *Conn, ev *session.Event) {
	id := ev.ID
	if len(id) == 0 {
		id = append([]byte{0}, ev.Destination...)
	}
	if i := s.findSub(c, id); i != 0 {
		s.abandon(c, i)
		s.removeSub(c, i)
	}
	s.receipt(c, ev, "")
}

// disconnect answers a DISCONNECT once all answers before it are given, then closes.
func (s *Shard) disconnect(c *Conn, ev *session.Event) {
	for i := c.subs; i != 0; i = s.subs.at(i).next {
		s.abandon(c, i)
	}
	s.depart(c)
	s.receipt(c, ev, "")
	if !c.sess.Owes() {
		s.machine.Close(&c.sess, session.CloseNormal, "")
		return
	}
	s.scheduleIn(c, lingerTime)
}
