package shard

import (
	"bytes"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"

	"stentor/engine/bus"
	"stentor/engine/destination"
	"stentor/engine/session"
	"stentor/stomp"
)

// event does what a client asks for.
func (s *Shard) event(c *Conn, ev *session.Event) {
	s.stats.Frames.Add(1)
	if s.tooFast(c) {
		s.fail(c, limited(session.LimitFrameRate, "too many frames a second"))
		return
	}
	switch ev.Kind {
	case session.Upgraded:
		s.stats.Handshakes.Add(1)
		s.scheduleIn(c, s.conf.Limits.ConnectTimeout)
	case session.Refused:
		s.stats.Refused.Add(1)
		if s.machine.Refused == http.StatusRequestHeaderFieldsTooLarge {
			s.stats.Limits[session.LimitHandshakeBytes].Add(1)
		}
	case session.Connect:
		s.authenticate(c)
	case session.Subscribe:
		s.subscribe(c, ev)
	case session.Unsubscribe:
		s.unsubscribe(c, ev)
	case session.Send:
		s.send(c, ev)
	case session.Ack, session.Nack:
		if ev.Kind == session.Nack {
			s.stats.Nacks.Add(1)
		}
		s.acknowledge(c, ev)
		s.receipt(c, ev, "")
	case session.Begin, session.Commit, session.Abort:
		s.receipt(c, ev, "")
	case session.Disconnect:
		s.disconnect(c, ev)
	case session.Failed:
		s.fail(c, ev.Failure)
	}
}

// tooFast counts a frame against the connection's rate: a bucket that holds two seconds' worth.
func (s *Shard) tooFast(c *Conn) bool {
	rate := s.conf.Limits.FramesPerSecond
	second := uint32(s.now / 1e9)
	if passed := second - c.second; passed > 0 {
		c.second = second
		c.frames = uint32(max(0, int(c.frames)-int(min(passed, 3))*rate))
	}
	if int(c.frames) >= 2*rate {
		return true
	}
	c.frames++
	return false
}

func (s *Shard) fail(c *Conn, f *session.Failure) {
	if !f.Silent {
		s.stats.Errors.Add(1)
	}
	if f.Limit != session.NoLimit {
		s.stats.Limits[f.Limit].Add(1)
	}
	s.depart(c)
	s.machine.Fail(&c.sess, f)
}

func (s *Shard) receipt(c *Conn, ev *session.Event, lines string) {
	if ev.HasReceipt && !s.machine.Receipt(&c.sess, ev.Receipt, lines) {
		s.fail(c, session.TooManyAnswers())
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
	if !s.env.Join(settings) {
		s.fail(c, &session.Failure{Code: session.CodeLimit, Text: "the project is full", Close: session.CloseTryLater, Silent: true})
		return
	}
	s.greeted(c)
	least := c.hello.least
	c.hello = nil
	c.user, c.rights = id.User, id.Rights
	c.expires = uint32(min(id.Expires, math.MaxUint32))
	c.since = uint32(s.unix())
	c.project = s.project(settings)
	c.project.sessions++
	s.stats.Sessions.Add(1)
	s.rememberUser(c)
	s.machine.Connected(&c.sess, s.sessionID(c), c.user, least)
	c.lastRead = s.millis()
	s.rearm(c)
}

func (s *Shard) subscribe(c *Conn, ev *session.Event) {
	id := ev.ID
	if len(id) == 0 { // STOMP 1.0 may name a subscription by its destination alone
		id = append([]byte{0}, ev.Destination...)
	}
	if i := s.findSub(c, id); i != 0 {
		s.stats.Duplicates.Add(1)
		lines := ""
		if s.subs.at(i).log.shown() != string(ev.Destination) {
			lines = idInUse
		}
		s.receipt(c, ev, lines)
		return
	}
	if int(c.nsubs) >= s.conf.Limits.Subscriptions {
		s.fail(c, limited(session.LimitSubscriptions, "the session has too many subscriptions"))
		return
	}
	dest := string(ev.Destination)
	l, failure := s.target(c, dest)
	switch {
	case failure != nil:
		s.fail(c, failure)
	case l == nil:
		s.stats.Unserved.Add(1)
		s.receipt(c, ev, notServed)
	default:
		s.addSub(c, l, id, ev)
	}
}

// Header lines of the RECEIPT of a SUBSCRIBE that subscribed to nothing. Spring keeps such sessions and says nothing.
const (
	idInUse   = "subscribed:false\nreason:id-in-use\n"
	notServed = "subscribed:false\nreason:not-served\n"
)

func limited(l session.Limit, text string) *session.Failure {
	return &session.Failure{Code: session.CodeLimit, Text: text, Close: session.ClosePolicy, Limit: l}
}

func forbidden(text string) *session.Failure {
	return &session.Failure{Code: session.CodeForbidden, Text: "Failed to send message, " + text, Close: session.CloseProtocol}
}

const userPrefix = "/user"

// target finds the log of what a client wants to subscribe to, if it may. nil without a failure: nobody serves it.
func (s *Shard) target(c *Conn, dest string) (*log, *session.Failure) {
	if err := destination.Check(dest); err != nil {
		return nil, &session.Failure{Code: session.CodeProtocol, Text: err.Error(), Close: session.CloseProtocol}
	}
	rights := c.rights
	if rights == nil {
		rights = c.project.settings.Rights
	}
	user := strings.HasPrefix(dest, userPrefix+"/")
	if destination.IsPattern(dest) && !user {
		return s.patternTarget(c, rights, dest)
	}
	switch rights.Subscribe(c.user, dest) {
	case Forbidden:
		return nil, forbidden("this destination is not yours to subscribe to")
	case Unserved:
		return nil, nil
	}
	if user {
		return c.project.userLog(dest[len(userPrefix):]), nil
	}
	return s.topicLog(c.project, dest), nil
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

// send decides over a client's SEND: ignored, refused, or published; then its receipt waits for the bus.
func (s *Shard) send(c *Conn, ev *session.Event) {
	dest := string(ev.Destination)
	rights := c.rights
	if rights == nil {
		rights = c.project.settings.Rights
	}
	switch rights.Send(c.user, dest) {
	case SendIgnore:
		s.stats.SendIgnored.Add(1)
		s.receipt(c, ev, "")
		return
	case SendDeny:
		s.fail(c, forbidden("sending to this destination is not allowed"))
		return
	case SendForward:
		s.forward(c, dest, ev)
		return
	}
	r, failure := s.record(c, dest)
	if failure != nil {
		s.fail(c, failure)
		return
	}
	token, ok := s.machine.Await(&c.sess, ev.Receipt, ev.HasReceipt)
	if !ok {
		s.fail(c, session.TooManyAnswers())
		return
	}
	s.await(c, token, func(done func(error)) {
		s.env.Publish(r, func(_ bus.Position, err error) { done(err) })
	})
}

// await has publish hand something to the bus and answers with token when it is done. What is done before publish
// returns, as with the embedded bus, is answered in this turn: it would otherwise count as unanswered until the next.
func (s *Shard) await(c *Conn, token uint32, publish func(done func(error))) {
	var (
		mu      sync.Mutex // done may run on any goroutine
		waiting bool
		ready   bool
		failed  error
	)
	ref := c.ref()
	publish(func(err error) {
		mu.Lock()
		defer mu.Unlock()
		ready, failed = true, err
		if waiting {
			s.postTo(ref, func(c *Conn) { s.published(c, token, err) })
		}
	})
	mu.Lock()
	defer mu.Unlock()
	waiting = true
	switch {
	case !ready:
	case failed != nil:
		s.fail(c, &session.Failure{Text: notTaken, Close: session.CloseTryLater, Silent: true})
	default:
		s.machine.Settle(&c.sess, token, "")
	}
}

const notTaken = "the message could not be taken, try again"

// forward hands a SEND to the back ends. Each one that has no answer yet counts as one that the session is owed, so that
// their number is bounded whether or not the client asks for receipts.
func (s *Shard) forward(c *Conn, dest string, ev *session.Event) {
	if destination.Check(dest) != nil {
		s.fail(c, &session.Failure{Code: session.CodeProtocol, Text: "this is not a destination to send to", Close: session.CloseProtocol})
		return
	}
	m := &bus.Inbound{
		Project:     c.project.settings.Name,
		Destination: dest,
		User:        c.user,
		Session:     s.sessionID(c),
		Body:        bytes.Clone(s.machine.Frame.Body),
		Time:        s.conf.Wall(),
	}
	m.ContentType, m.Headers = s.userHeaders()
	token, ok := s.machine.Await(&c.sess, ev.Receipt, ev.HasReceipt)
	if !ok {
		s.fail(c, session.TooManyAnswers())
		return
	}
	s.stats.Forwards.Add(1)
	s.await(c, token, func(done func(error)) { s.env.Forward(m, done) })
}

func (s *Shard) record(c *Conn, dest string) (*bus.Record, *session.Failure) {
	r := &bus.Record{
		Project:     c.project.settings.Name,
		Destination: dest,
		Body:        bytes.Clone(s.machine.Frame.Body),
		Time:        s.conf.Wall(),
	}
	if destination.Check(dest) != nil || destination.IsPattern(dest) {
		return nil, &session.Failure{Code: session.CodeProtocol, Text: "this is not a destination to send to", Close: session.CloseProtocol}
	}
	if rest, ok := strings.CutPrefix(dest, userPrefix+"/"); ok {
		name, path, ok := strings.Cut(rest, "/")
		if !ok || name == "" || path == "" {
			return nil, &session.Failure{Code: session.CodeProtocol, Text: "a user's destination is /user/NAME/queue/...", Close: session.CloseProtocol}
		}
		r.User, r.Destination = strings.ReplaceAll(name, "%2F", "/"), "/"+path
	}
	r.ContentType, r.Headers = s.userHeaders()
	return r, nil
}

// userHeaders are those of the client's frame that others may see: neither STOMP's own, nor what only the server may
// say, nor credentials, which libraries put on each frame and which would reach every subscriber.
func (s *Shard) userHeaders() (contentType string, list []bus.Header) {
	for _, h := range s.machine.Frame.Headers {
		switch name := string(h.Name); {
		case name == "content-type":
			if contentType == "" {
				contentType = string(h.Value)
			}
		case s.credential(name):
			s.stats.Credentials.Add(1)
		case stomp.ReservedHeader(name):
			if !expected(name) {
				s.stats.Reserved.Add(1)
			}
		default:
			list = append(list, bus.Header{Name: name, Value: string(h.Value)})
		}
	}
	return contentType, list
}

// expected reports whether a header is one that a SEND has for the server to read.
func expected(name string) bool {
	switch name {
	case "destination", "content-length", "receipt", "transaction", "id":
		return true
	}
	return false
}

// credential reports whether a header proves who a client is. HTTP's names are the same in any case, and so here.
func (s *Shard) credential(name string) bool {
	name = stomp.TrimName(name)
	return slices.ContainsFunc(s.conf.Credentials, func(known string) bool { return strings.EqualFold(name, known) })
}

// published answers a SEND when the bus has it. Trouble of the bus is no fault of the client: it is told to come back.
func (s *Shard) published(c *Conn, token uint32, err error) {
	if c.sess.Phase == session.Closing {
		return
	}
	if err != nil {
		s.end(c, session.CloseTryLater, notTaken)
		return
	}
	s.settle(c, token, "")
}

// settle gives an awaited answer outside a turn of c.
func (s *Shard) settle(c *Conn, token uint32, lines string) {
	s.machine.Settle(&c.sess, token, lines)
	if c.sess.Phase == session.Leaving && !c.sess.Owes() {
		s.machine.Close(&c.sess, session.CloseNormal, "")
	}
	s.flush(c)
}

// disconnect answers a DISCONNECT once all answers before it are given, then closes.
func (s *Shard) disconnect(c *Conn, ev *session.Event) {
	for i := c.subs; i != 0; i = s.subs.at(i).next {
		s.abandon(c, i)
	}
	s.depart(c)
	if ev.HasReceipt && !s.machine.Receipt(&c.sess, ev.Receipt, "") {
		s.fail(c, session.TooManyAnswers())
		return
	}
	if !c.sess.Owes() {
		s.machine.Close(&c.sess, session.CloseNormal, "")
		return
	}
	s.scheduleIn(c, lingerTime)
}
