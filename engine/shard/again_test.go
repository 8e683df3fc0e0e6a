package shard

import (
	"slices"
	"strings"
	"testing"

	"stentor/engine/bus"
	"stentor/stomp"
)

// TestSentID: the same SEND again has the same push id; another user's, another destination's and another id's have another,
// none looks like a back end's, and without the header there is none. Subscribers do not see the header.
func TestSentID(t *testing.T) {
	r := newRig(t)
	ann, bob := r.connect("ann"), r.connect("bob")
	sent := func(k *stubSocket, headers ...string) *bus.Record {
		k.send(stomp.Send, headers...)
		return r.published[len(r.published)-1]
	}
	first := sent(ann, "destination", "/topic/a", "stentor-id", "x-1", "stentor-id", "second", "kind", "k")
	if again := sent(ann, "destination", "/topic/a", "stentor-id", "x-1"); again.ID != first.ID {
		t.Errorf("ids %s and %s for one", first.ID, again.ID)
	}
	ids := []string{
		first.ID,
		sent(bob, "destination", "/topic/a", "stentor-id", "x-1").ID,
		sent(ann, "destination", "/topic/b", "stentor-id", "x-1").ID,
		sent(ann, "destination", "/topic/a", "stentor-id", "x-2").ID,
		sent(ann, "destination", "/topic/a", "stentor-id", strings.Repeat("x", 2000)).ID,
	}
	for i, id := range ids {
		if !strings.HasPrefix(id, "#") || len(id) != 23 || slices.Index(ids, id) != i {
			t.Errorf("id %d of %q", i, ids)
		}
	}
	if id := sent(ann, "destination", "/topic/a", "stentor-id", "").ID + sent(ann, "destination", "/topic/a").ID; id != "" {
		t.Errorf("id %q of a SEND without", id)
	}
	if want := []bus.Header{{Name: "kind", Value: "k"}}; !slices.Equal(first.Headers, want) {
		t.Errorf("headers %v, want %v", first.Headers, want)
	}
}

// TestSentIDForwarded: back ends see the id, by which they can tell what was sent again.
func TestSentIDForwarded(t *testing.T) {
	r := newRig(t)
	r.connect("ann").send(stomp.Send, "destination", "/app/x", "stentor-id", "x-1", "kind", "k")
	want := []bus.Header{{Name: "kind", Value: "k"}, {Name: "stentor-id", Value: "x-1"}}
	if got := r.inbound[0].Headers; !slices.Equal(got, want) {
		t.Errorf("headers %v, want %v", got, want)
	}
}

// TestSentIDInTransaction: each frame of a transaction has its own.
func TestSentIDInTransaction(t *testing.T) {
	r := newRig(t)
	k := r.connect("ann")
	k.send(stomp.Begin, "transaction", "t")
	k.send(stomp.Send, "destination", "/topic/a", "transaction", "t", "stentor-id", "1")
	k.send(stomp.Send, "destination", "/topic/a", "transaction", "t")
	k.send(stomp.Commit, "transaction", "t")
	if len(r.published) != 2 || r.published[0].ID != pushID("ann", "/topic/a", []byte("1")) || r.published[1].ID != "" {
		t.Errorf("published %+v", r.published)
	}
}
