package shard

import (
	"strings"
	"testing"

	"stentor/engine/refusal"
	"stentor/engine/session"
	"stentor/engine/websocket"
	"stentor/stomp"
)

// A SUBSCRIBE that subscribes to nothing keeps the session, as with Spring; its RECEIPT says so.
func TestReceiptSaysNotSubscribed(t *testing.T) {
	r := newRig(t)
	k := r.connect("ann")
	k.subscribe("/topic/a", "sub-0")
	for _, c := range []struct{ dest, id, want string }{
		{"/none/a", "sub-1", "receipt-id:r\nsubscribed:false\nreason:not-served\n\n"},
		{"/none/*", "sub-1", "receipt-id:r\nsubscribed:false\nreason:not-served\n\n"},
		{"/topic/b", "sub-0", "receipt-id:r\nsubscribed:false\nreason:id-in-use\n\n"},
		{"/topic/a", "sub-0", "receipt-id:r\n\n"},
		{"/topic/b", "sub-1", "receipt-id:r\nposition:"},
	} {
		k.keep, k.kept = true, nil
		k.subscribe(c.dest, c.id, "receipt", "r")
		if !strings.Contains(string(k.kept), c.want) {
			t.Errorf("%s %s: %q, want %q", c.dest, c.id, k.kept, c.want)
		}
	}
	if k.conn.sess.Phase != session.Connected || k.conn.nsubs != 2 {
		t.Errorf("phase %v, %d subscriptions", k.conn.sess.Phase, k.conn.nsubs)
	}
	if s := r.s.Stats(); s.Unserved.Load() != 2 || s.Duplicates.Load() != 2 {
		t.Errorf("%d unserved, %d duplicates", s.Unserved.Load(), s.Duplicates.Load())
	}
}

// A CONNECT that may not join is told why, and to come back: the node counts the sessions, of users too.
func TestNotJoined(t *testing.T) {
	for _, why := range []refusal.Reason{refusal.ProjectFull, refusal.SessionsPerUser, refusal.ProjectGone} {
		r := newRig(t)
		r.joins = why
		k := r.open()
		r.s.Input(k.conn, websocket.AppendRequest(nil, "host", "/ws", "dGhlIHNhbXBsZSBub25jZQ=="))
		k.send(stomp.Connect, "accept-version", "1.2", "user", "ann")
		if got := r.last(); got.Reason != why || got.Code != why.Code() || got.Project != rigProject || got.User != "ann" {
			t.Errorf("%v: %+v", why, got)
		}
		met := r.met(refusal.SessionsPerUser)
		if (met == 1) != (why == refusal.SessionsPerUser) || k.conn.sess.Phase != session.Closing || r.s.stats.Sessions.Load() != 0 {
			t.Errorf("%v: met %d, phase %d", why, met, k.conn.sess.Phase)
		}
	}
}
