package shard

import (
	"reflect"
	"testing"

	"stentor/engine/bus"
	"stentor/stomp"
)

// What a library puts on each frame to prove who the client is, and what only the server may say, reaches neither the
// subscribers nor the back ends.
func TestOthersSeeNoCredentials(t *testing.T) {
	r := newRig(t)
	k := r.connect("ann")
	for _, dest := range []string{"/topic/a", "/app/x"} {
		k.send(stomp.Send, "destination", dest, "receipt", "1", "token", "t", "Authorization", "Bearer t", "authorization", "t", " TOKEN\t", "t",
			"projectid", "p", "login", "l", "passcode", "s", "resumed", "true", "dropped", "9", "position", "1-0-1", "\ufeffresumed ", "true",
			"subscription", "sub-0", "message-id", "1-0-1", "color", "red", "Position", "of the ball")
	}
	want := []bus.Header{{Name: "color", Value: "red"}, {Name: "Position", Value: "of the ball"}}
	if len(r.published) != 1 || !reflect.DeepEqual(r.published[0].Headers, want) {
		t.Errorf("subscribers: %+v", r.published)
	}
	if len(r.inbound) != 1 || !reflect.DeepEqual(r.inbound[0].Headers, want) {
		t.Errorf("back ends: %+v", r.inbound)
	}
	if credentials, reserved := r.s.stats.Credentials.Load(), r.s.stats.Reserved.Load(); credentials != 2*7 || reserved != 2*6 {
		t.Errorf("%d credentials and %d reserved headers were counted", credentials, reserved)
	}
}
