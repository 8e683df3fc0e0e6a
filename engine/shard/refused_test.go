package shard

import (
	"strings"
	"testing"

	"stentor/engine/session"
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
