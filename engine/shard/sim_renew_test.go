package shard

import (
	"slices"
	"strconv"
	"strings"

	"stentor/engine/session"
	"stentor/stomp"
)

// simDenied is what narrow tokens do not allow, beside patterns.
const simDenied = "/topic/b"

// denied reports whether a narrow token does not allow f.
func (f *feed) denied() bool { return f.dest == simDenied || f.pattern != nil }

// simRenewal is a new token that was sent.
type simRenewal struct {
	answer string
	end    int64   // earliest end of the token; 0: none
	denied []*feed // subscriptions that it does not allow, and that the server has for certain
	queued bool    // the answer to an earlier one has not come yet
	recent int     // sent lately, with this one
}

// endOf is the earliest end of a token that names its outcome.
func (l *simLink) endOf(answer string) int64 {
	left, ok := strings.CutPrefix(answer, "expires")
	if !ok {
		return 0
	}
	n, _ := strconv.Atoi(left)
	return simWall.Unix() + l.w.now/second + int64(n)
}

// renew sends a new token.
func (l *simLink) renew(o *op) bool {
	r := &simRenewal{answer: o.Answer, end: l.endOf(o.Answer)}
	switch {
	case o.Answer == "wrong":
		l.blame(session.CodeAuth)
	case o.Answer == "another":
		l.blame(session.CodeForbidden)
	case r.end != 0:
		l.excuse("the new token expires")
	case o.Answer == "narrow":
		for _, f := range l.feeds {
			if f.denied() && !f.stopping && f.taken {
				r.denied = append(r.denied, f)
			}
		}
		if slices.ContainsFunc(l.feeds, func(f *feed) bool { return f.denied() && !f.stopping }) {
			if l.c.good { // its token is valid
				return false
			}
			l.blame(session.CodeForbidden)
		}
		l.narrow = true
	}
	r.queued = slices.ContainsFunc(l.expects, func(e expect) bool { return e.renews != nil })
	l.tokens = slices.DeleteFunc(append(l.tokens, l.w.now), func(at int64) bool { return at < l.w.now-paceTime })
	r.recent = len(l.tokens)
	l.send(stomp.Send, "", &expect{renews: r}, "destination", session.TokenDestination, "token", o.Answer+" "+l.c.user)
	return true
}

// renewed checks the RECEIPT of a new token.
func (l *simLink) renewed(r *simRenewal, f *stomp.Frame) {
	renewed, reason, left := header(f, "renewed"), header(f, "reason"), header(f, "token-expires-in")
	ok := false
	switch {
	case renewed == "true":
		ok = r.answer != "wrong" && r.answer != "another" && r.answer != "later" && (left != "") == (r.end != 0)
		l.end = r.end
		if r.answer != "narrow" && !slices.ContainsFunc(l.expects, func(e expect) bool { return e.renews != nil }) {
			l.narrow = false
		}
		for _, f := range r.denied {
			if !f.stopping {
				l.w.failf("%v: a token that does not allow it was taken", f)
			}
		}
	case reason == "unavailable":
		ok = r.answer == "later" || l.may()
	case reason == "pending":
		ok = r.queued
	case reason == "rate":
		ok = l.w.profile.Limits != "" || r.recent >= 6
	}
	if !ok {
		l.w.failf("%v: the answer to the token %q is %s", l.sock, r.answer, f.Headers)
	}
}

// expired checks that the session's token can have expired: the last accepted one, or one whose answer is outstanding.
func (l *simLink) expired() {
	now := simWall.Unix() + l.w.now/second
	passed := l.end != 0 && now >= l.end
	for _, e := range l.expects {
		passed = passed || e.renews != nil && e.renews.end != 0 && now >= e.renews.end
	}
	if !passed {
		l.w.failf("%v: closed with its token's end %d, at %d", l.sock, l.end, now)
	}
}
