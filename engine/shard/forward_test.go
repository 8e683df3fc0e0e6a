package shard

import (
	"bytes"
	"fmt"
	"testing"

	"stentor/engine/bus"
	"stentor/engine/session"
	"stentor/stomp"
)

// A client that sends faster than Kafka takes it has a bound, whether or not it asks for receipts, and what it sent is
// confirmed when Kafka has it.
func TestForwardIsBounded(t *testing.T) {
	for _, receipts := range []bool{true, false} {
		t.Run(fmt.Sprint("receipts ", receipts), func(t *testing.T) {
			r := newRig(t)
			r.forwarded = &[]func(error){}
			k := r.connect("ann")
			k.keep = true
			send := func() {
				var receipt []string
				if receipts {
					receipt = []string{"receipt", "r"}
				}
				k.send(stomp.Send, append(receipt, "destination", "/app/x")...)
			}
			open := func() bool { return k.conn.sess.Phase == session.Connected }
			const most = 64 // session.Config.Unanswered
			for range most {
				send()
			}
			if !open() || len(*r.forwarded) != most || bytes.Contains(k.kept, []byte("RECEIPT")) {
				t.Fatalf("%d of %d are on their way, the session stands: %t; %q", len(*r.forwarded), most, open(), k.kept)
			}
			(*r.forwarded)[0](nil)
			r.run()
			if bytes.Contains(k.kept, []byte("RECEIPT")) != receipts {
				t.Errorf("written when Kafka has the first: %q", k.kept)
			}
			send()
			if !open() {
				t.Fatal("there was room for one more")
			}
			send()
			if open() || len(*r.forwarded) != most+1 {
				t.Errorf("%d SENDs were handed on, the session stands: %t", len(*r.forwarded), open())
			}
		})
	}
}

// What Kafka does not take ends the connection: the client is to try again later.
func TestForwardFails(t *testing.T) {
	r := newRig(t)
	r.forwarded = &[]func(error){}
	k := r.connect("ann")
	k.keep = true
	k.send(stomp.Send, "destination", "/app/x", "receipt", "r")
	(*r.forwarded)[0](bus.ErrUnavailable)
	r.run()
	if !bytes.Contains(k.kept, []byte{0x03, 0xf5}) || bytes.Contains(k.kept, []byte("ERROR")) || bytes.Contains(k.kept, []byte("RECEIPT")) {
		t.Errorf("not closed with 1013 alone: %q", k.kept)
	}
}
