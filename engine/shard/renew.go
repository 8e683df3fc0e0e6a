package shard

import (
	"fmt"
	"math"
	"unsafe"

	"stentor/engine/refusal"
	"stentor/engine/session"
	"stentor/stomp"
)

// renewal is a session's new token while it is being verified, and then while the session's subscriptions are checked
// against the rights that it gives. It is in Shard.renewals by its connection, whose renews says so.
type renewal struct {
	answer uint32 // token of the answer that the session is owed
	at     uint32 // the next subscription to check; 0 none
}

const (
	renewalCost = int(unsafe.Sizeof(renewal{})) + 64 // and its place in the map
	// renewalShare is how many renewals use up what a connection may send in a second: each keeps a verifier busy.
	renewalShare = 4
	// reviewTime is for how long a loop checks subscriptions at a time, in ns. A token's claim may have rules that take
	// 40 us for each.
	reviewTime = 200_000
	// noticeTime is how long before its end a session is told of it, in seconds.
	noticeTime = 60
)

// Header lines of the RECEIPT of a renewal that changes nothing: the session goes on, up to the end that it had.
const (
	notRenewed         = "renewed:false\nreason:"
	renewalUnavailable = notRenewed + "unavailable\n"
	renewalPending     = notRenewed + "pending\n"
	renewalTooOften    = notRenewed + "rate\n"
)

// renew begins the check of the new token in the machine's frame. Its answer may come later; the session goes on meanwhile,
// with the rights and the end that it has.
func (s *Shard) renew(c *Conn, ev *session.Event) {
	if c.renews {
		s.refuse(c, refusal.RenewalPending, 0, "a token of this session is being verified")
		s.receipt(c, ev, renewalPending)
		return
	}
	frame := &s.machine.Frame
	token := s.env.Token(func(name string) (string, bool) {
		v, ok := frame.Get(name)
		return string(v), ok
	})
	if token == "" { // also where clients need none: it would take the restrictions of the old one away
		s.fail(c, malformed("the header with the token is missing"))
		return
	}
	rate := s.conf.Limits.FramesPerSecond
	cost := max(1, rate/renewalShare)
	if int(c.frames)+cost > rate+rate/2+1 {
		s.refuse(c, refusal.RenewalRate, 0, "the token is renewed too often")
		s.receipt(c, ev, renewalTooOften)
		return
	}
	c.frames += int32(cost)
	c.renews = true
	s.renewals[c.idx] = &renewal{answer: s.machine.Await(&c.sess, ev.Receipt, ev.HasReceipt, renewalCost+len(token))}
	s.mostRenewals = max(s.mostRenewals, len(s.renewals))
	ref := c.ref()
	id, failure, ok := s.env.Renew(c.project.settings.Name, token, c.addrPort(), func(id Identity, failure *session.Failure) {
		s.postTo(ref, func(c *Conn) { s.renewed(c, id, failure) })
	})
	if ok {
		s.renewed(c, id, failure)
	}
}

// renewed gives a session the end and the rights of its new token, when that is good, or ends it. When the token could not be
// verified, which is not the client's fault, the session keeps what it has.
func (s *Shard) renewed(c *Conn, id Identity, failure *session.Failure) {
	switch {
	case c.sess.Phase != session.Connected:
		s.renewalOver(c, renewalUnavailable) // it is leaving, or gone
	case failure != nil && !failure.Silent:
		s.failRenewal(c, failure, "")
	case failure != nil:
		s.keepToken(c, logged(failure))
	case id.Project.History != c.project.settings.History:
		s.keepToken(c, "the project is no longer served here") // and the session is about to end
	case id.User != c.user:
		s.failRenewal(c, forbidden(refusal.RenewalUser, "the new token is of another user"), "")
	default:
		s.stats.Renewals.Add(1)
		c.rights = id.Rights
		s.endsAt(c, id.Expires)
		s.renewals[c.idx].at = c.subs
		s.rearm(c)
		if s.turn != c && s.count(c) {
			if s.reckon(c); c.sess.Phase == session.Closing {
				s.forgetRenewal(c)
				return
			}
		}
		s.review(c)
	}
}

// keepToken answers a renewal when the new token could not be verified.
func (s *Shard) keepToken(c *Conn, why string) {
	s.refuse(c, refusal.RenewalUnavailable, 0, why)
	s.renewalOver(c, renewalUnavailable)
}

// review checks the subscriptions of c against its rights. The first that is no longer allowed ends the session: a client
// that lost one of its subscriptions silently would wait for ever.
func (s *Shard) review(c *Conn) {
	if c.sess.Phase == session.Closing {
		s.forgetRenewal(c)
		return
	}
	r := s.renewals[c.idx]
	for deadline := s.clock() + reviewTime; r.at != 0; {
		b := s.subs.at(r.at)
		if !s.stillMay(c, b.target) {
			s.failRenewal(c, forbidden(refusal.RenewalSubscription, "the new token does not allow a subscription of the session"), b.target.shown())
			return
		}
		if r.at = b.next; r.at != 0 && s.clock() >= deadline {
			s.postTo(c.ref(), s.review)
			return
		}
	}
	s.renewalOver(c, "renewed:true\n"+s.endLine(c))
}

// stillMay reports whether c may subscribe to what it has subscribed to.
func (s *Shard) stillMay(c *Conn, t *target) bool {
	switch p := t.pattern(); {
	case t.isNotice():
		return true
	case p != nil:
		return c.project.settings.Patterns && c.may().SubscribePattern(c.user, p.Pattern) == Allowed
	default:
		return c.may().Subscribe(c.user, t.shown()) == Allowed
	}
}

// renewalOver answers the renewal that is under way.
func (s *Shard) renewalOver(c *Conn, lines string) {
	answer := s.forgetRenewal(c)
	switch {
	case c.sess.Phase == session.Closing:
	case s.turn == c:
		s.machine.Settle(&c.sess, answer, lines)
	default:
		s.settle(c, answer, lines)
	}
}

// failRenewal ends the session whose renewal is under way. subject is the destination that it is about, if it is about one.
func (s *Shard) failRenewal(c *Conn, f *session.Failure, subject string) {
	answer := s.forgetRenewal(c)
	s.stats.Errors.Add(1)
	s.refuseAbout(c, f.Reason, f.Close, logged(f), subject)
	s.depart(c)
	s.machine.FailAwaited(&c.sess, answer, f)
	if s.turn != c {
		s.flush(c)
	}
}

// forgetRenewal ends the renewal that is under way, and returns the token of its answer.
func (s *Shard) forgetRenewal(c *Conn) (answer uint32) {
	answer = s.renewals[c.idx].answer
	c.renews = false
	const spare = 1024
	if delete(s.renewals, c.idx); len(s.renewals) == 0 && s.mostRenewals > spare {
		s.renewals, s.mostRenewals = map[uint32]*renewal{}, 0 // a map keeps room for as many as it had
	}
	return answer
}

// endsAt sets the end of a session, in Unix seconds; 0 is never.
func (s *Shard) endsAt(c *Conn, expires int64) {
	c.expires = uint32(min(expires, math.MaxUint32))
	c.noticed = false
}

// left is how many seconds a session has that ends.
func (s *Shard) left(c *Conn) int64 { return max(0, int64(c.expires)-s.unix()) }

// endLine is the header line that says in how many seconds the session ends, empty when it does not.
func (s *Shard) endLine(c *Conn) string {
	if c.expires == 0 {
		return ""
	}
	return fmt.Sprintf("token-expires-in:%d\n", max(1, s.left(c)))
}

// notice is the destination of a user where each session hears of its own end.
const notice = userPrefix + "/stentor/expiring"

// isNotice reports whether t is that destination.
func (t *target) isNotice() bool { return t.log == nil && userPrefix+t.name == notice }

// noticeDue reports whether a session is to be told of its end.
func (s *Shard) noticeDue(c *Conn) bool {
	return c.expires != 0 && !c.noticed && s.left(c) <= noticeTime
}

// notify tells those who have subscribed to it that the session ends, and reports whether the connection still stands. The
// message is an answer of the server's: no push, on no bus.
func (s *Shard) notify(c *Conn) (stands bool) {
	c.noticed = true
	left := max(1, s.left(c))
	id := fmt.Sprintf("expiring-%d", c.expires)
	for i := c.subs; i != 0; {
		b := s.subs.at(i)
		i = b.next
		if !b.target.isNotice() {
			continue
		}
		lines := s.endLine(c)
		if b.ack != session.AckAuto && c.sess.Version == stomp.V12 {
			lines += "ack:" + id + "\n"
		}
		s.machine.Message(&c.sess, notice, id, b.id.lines, lines, fmt.Appendf(nil, `{"expires_in":%d}`, left))
	}
	s.flush(c)
	return c.state == stateOpen && c.sess.Phase == session.Connected
}
