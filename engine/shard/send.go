package shard

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
	"strings"
	"sync"

	"stentor/engine/bus"
	"stentor/engine/destination"
	"stentor/engine/refusal"
	"stentor/engine/session"
	"stentor/stomp"
)

// letter is what a client's SEND becomes: a push, or a message to the back ends. One of the two is nil.
type letter struct {
	push    *bus.Record
	forward *bus.Inbound
}

func (l letter) ignored() bool { return l.push == nil && l.forward == nil }

func (l letter) rank() int {
	if l.forward != nil {
		return 0
	}
	return 1
}

func (l letter) size() int {
	if l.push != nil {
		return len(l.push.Body)
	}
	return len(l.forward.Body)
}

// send carries out a client's SEND. Its receipt waits for the bus.
func (s *Shard) send(c *Conn, ev *session.Event) {
	l, failure := s.letter(c, string(ev.Destination))
	switch {
	case failure != nil:
		s.fail(c, failure)
	case l.ignored():
		s.receipt(c, ev, "")
	default:
		if all := []letter{l}; s.allowed(c, all) {
			s.post(c, ev, all)
		}
	}
}

// commit carries out a transaction. All of it is checked before the first frame goes out: when anything is refused, nothing
// is published. Only a failure of the bus, which cannot be foreseen, can leave it half done; then its receipt never comes.
func (s *Shard) commit(c *Conn, ev *session.Event) {
	var letters []letter
	var failure *session.Failure
	s.machine.Parts(&c.sess, func(part *session.Event) bool {
		if part.Kind != session.Send {
			return true
		}
		var l letter
		if l, failure = s.letter(c, string(part.Destination)); failure == nil && !l.ignored() {
			letters = append(letters, l)
		}
		return failure == nil
	})
	if failure != nil {
		s.fail(c, failure)
		return
	}
	// For the back ends first: where nothing goes to them, nothing goes out at all.
	slices.SortStableFunc(letters, func(a, b letter) int { return cmp.Compare(a.rank(), b.rank()) })
	switch {
	case len(letters) > 0 && !s.allowed(c, letters):
	case !s.acknowledgeAll(c):
		s.fail(c, session.Limited(refusal.FrameRate, "the ACKs of the transaction scan too many messages"))
	case len(letters) == 0:
		s.receipt(c, ev, "")
	default:
		s.post(c, ev, letters)
	}
}

// acknowledgeAll carries out the ACKs and NACKs of a transaction, as far as the connection's rate allows.
func (s *Shard) acknowledgeAll(c *Conn) (all bool) {
	all = true
	s.machine.Parts(&c.sess, func(part *session.Event) bool {
		switch part.Kind {
		case session.Nack:
			s.stats.Nacks.Add(1)
			s.acknowledge(c, part)
		case session.Ack:
			s.acknowledge(c, part)
		}
		all = int(c.frames) <= 2*s.conf.Limits.FramesPerSecond
		return all
	})
	return all
}

// letter decides on the SEND in the machine's frame: it is refused, or ignored, or becomes a letter.
func (s *Shard) letter(c *Conn, dest string) (l letter, failure *session.Failure) {
	switch c.may().Send(c.user, dest) {
	case SendIgnore:
		s.stats.SendIgnored.Add(1)
		s.refuse(c, refusal.SendUnserved, 0, "no rule serves this destination")
	case SendDeny:
		failure = forbidden(refusal.SendForbidden, "sending to this destination is not allowed")
	case SendForward:
		l.forward, failure = s.inbound(c, dest)
	default:
		l.push, failure = s.record(c, dest)
	}
	return l, failure
}

var notToSendTo = malformed("clients cannot send to this destination")

// record makes a push of the client's frame.
func (s *Shard) record(c *Conn, dest string) (*bus.Record, *session.Failure) {
	if destination.Check(dest) != nil || destination.IsPattern(dest) {
		return nil, notToSendTo
	}
	r := &bus.Record{
		Project:     c.project.settings.Name,
		Destination: dest,
		Body:        bytes.Clone(s.machine.Frame.Body),
		Time:        s.conf.Wall(),
	}
	if rest, ok := strings.CutPrefix(dest, userPrefix+"/"); ok {
		name, path, ok := strings.Cut(rest, "/")
		if !ok || name == "" || path == "" {
			return nil, malformed("the destination of a user is /user/NAME/queue/...")
		}
		r.User, r.Destination = strings.ReplaceAll(name, "%2F", "/"), "/"+path
	}
	var id []byte
	r.ContentType, r.Headers, id = s.userHeaders()
	r.ID = pushID(c.user, dest, id)
	return r, nil
}

// inbound makes a message to the back ends of the client's frame.
func (s *Shard) inbound(c *Conn, dest string) (*bus.Inbound, *session.Failure) {
	if destination.Check(dest) != nil {
		return nil, notToSendTo
	}
	m := &bus.Inbound{
		Project:     c.project.settings.Name,
		Destination: dest,
		User:        c.user,
		Session:     s.sessionID(c),
		Body:        bytes.Clone(s.machine.Frame.Body),
		Time:        s.conf.Wall(),
	}
	var id []byte
	if m.ContentType, m.Headers, id = s.userHeaders(); len(id) > 0 {
		m.Headers = append(m.Headers, bus.Header{Name: sentID, Value: string(id)})
	}
	return m, nil
}

// userHeaders returns the headers of the client's frame that others may see: neither STOMP's own, nor those that only the
// server may set, nor credentials, which libraries put on each frame and which would reach every subscriber. id is the
// value of sentID, a part of the frame.
func (s *Shard) userHeaders() (contentType string, list []bus.Header, id []byte) {
	for _, h := range s.machine.Frame.Headers {
		switch name := string(h.Name); {
		case name == "content-type":
			if contentType == "" {
				contentType = string(h.Value)
			}
		case name == sentID:
			if len(id) == 0 {
				id = h.Value
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
	return contentType, list, id
}

// expected reports whether a header of a SEND is meant for the server.
func expected(name string) bool {
	switch name {
	case "destination", "content-length", "receipt", "transaction", "id":
		return true
	}
	return false
}

// credential reports whether a header proves who a client is. Names ignore case, as in HTTP.
func (s *Shard) credential(name string) bool {
	name = stomp.TrimName(name)
	return slices.ContainsFunc(s.conf.Credentials, func(known string) bool { return strings.EqualFold(name, known) })
}

// ErrNever is Env.Allow's answer when waiting cannot help.
var ErrNever = errors.New("the transaction has more messages than the project may send in a second (limits.pushes_per_second)")

// notTaken is a failure of the bus, not of the client: the client is told to come back.
func notTaken(err error) *session.Failure {
	why := refusal.SendBus
	switch {
	case errors.Is(err, bus.ErrRateLimited):
		why = refusal.SendRate
	case errors.Is(err, bus.ErrBusy):
		why = refusal.SendBusy
	case errors.Is(err, bus.ErrClosed):
		why = refusal.Stopping
	case errors.Is(err, bus.ErrUnknownProject):
		why = refusal.ProjectGone
	}
	return &session.Failure{
		Reason: why, Text: "the message could not be accepted, try again", Close: session.CloseTryLater, Silent: true, Cause: err.Error(),
	}
}

// size is how many bytes the bodies have.
func size(letters []letter) (bytes int) {
	for _, l := range letters {
		bytes += l.size()
	}
	return bytes
}

// allowed reports whether there is room for all of the letters; else it ends the session.
func (s *Shard) allowed(c *Conn, letters []letter) bool {
	switch err := s.env.Allow(c.project.settings, s.holder(c), len(letters), size(letters)); {
	case errors.Is(err, ErrNever):
		s.fail(c, &session.Failure{Reason: refusal.SendTransaction, Code: session.CodeLimit, Text: err.Error(), Close: session.ClosePolicy})
		return false
	case err != nil:
		s.fail(c, notTaken(err))
		return false
	}
	return true
}

// post hands the allowed letters of ev to the bus, and answers ev when the bus has them all. Until then the session is owed
// one answer, whether or not the client asks for a receipt: this bounds the number of SENDs under way.
func (s *Shard) post(c *Conn, ev *session.Event, letters []letter) {
	token := s.machine.Await(&c.sess, ev.Receipt, ev.HasReceipt, size(letters))
	p := &posting{s: s, ref: c.ref(), token: token, left: len(letters)}
	for _, l := range letters {
		if l.push != nil {
			l.push.Admitted = len(letters) > 1
			s.env.Publish(l.push, func(_ bus.Position, err error) { p.answer(err) })
		} else {
			s.stats.Forwards.Add(1)
			s.env.Forward(l.forward, p.answer)
		}
		if p.refused() {
			break
		}
	}
	switch over, err := p.leave(); {
	case !over:
	case err != nil:
		s.fail(c, notTaken(err))
	default:
		s.machine.Settle(&c.sess, token, "")
	}
}

// posting is letters on their way to the bus. The bus answers each on any goroutine.
type posting struct {
	s     *Shard
	ref   Ref
	token uint32

	mu     sync.Mutex
	left   int   // without an answer
	failed error // of the first that was refused
	later  bool  // answers from now on come after the turn of the SEND
	told   bool
}

func (p *posting) answer(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left--
	if p.failed == nil {
		p.failed = err
	}
	if p.later && p.over() {
		failed := p.failed
		p.s.postTo(p.ref, func(c *Conn) { p.s.published(c, p.token, failed) })
	}
}

// over reports, once, that there is something to answer. The caller holds mu.
func (p *posting) over() bool {
	if p.told || p.left > 0 && p.failed == nil {
		return false
	}
	p.told = true
	return true
}

func (p *posting) refused() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failed != nil
}

// leave ends the turn in which the letters were posted. What the bus answered before, as the embedded one does, is
// answered in it: it would otherwise count as unanswered until the next.
func (p *posting) leave() (over bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.later = true
	return p.over(), p.failed
}

// published answers a SEND or a COMMIT when the bus has it.
func (s *Shard) published(c *Conn, token uint32, err error) {
	if c.sess.Phase == session.Closing {
		return
	}
	if err != nil {
		failed := notTaken(err)
		s.refuse(c, failed.Reason, failed.Close, logged(failed))
		s.end(c, failed.Close, failed.Text)
		return
	}
	s.settle(c, token, "")
}

// settle gives an awaited answer outside a turn of c. Input that waited for it has a turn of its own soon: the caller may
// be in the middle of c's subscriptions.
func (s *Shard) settle(c *Conn, token uint32, lines string) {
	if s.machine.Settle(&c.sess, token, lines) {
		s.postTo(c.ref(), func(c *Conn) { s.handle(c, nil) })
	}
	if c.sess.Phase == session.Leaving && !c.sess.Owes() {
		s.machine.Close(&c.sess, session.CloseNormal, "")
	}
	s.count(c)
	s.flush(c)
}
