package shard

import (
	"bytes"
	"fmt"
	"testing"

	"stentor/engine/bus"
	"stentor/engine/refusal"
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
			for range most {
				send()
			}
			if !open() || len(*r.forwarded) != most {
				t.Fatalf("%d are on their way, where %d may be; the session stands: %t", len(*r.forwarded), most, open())
			}
			(*r.forwarded)[0](nil)
			r.run()
			if bytes.Contains(k.kept, []byte("RECEIPT")) != receipts {
				t.Errorf("written when Kafka has the first: %q", k.kept)
			}
			for i := 1; i < len(*r.forwarded); i++ {
				(*r.forwarded)[i](nil)
				r.run()
			}
			if !open() || len(*r.forwarded) != 2*most || k.conn.sess.Owes() || k.conn.sess.Buffered() > 0 {
				t.Errorf("%d of %d SENDs were handed on, the session stands: %t", len(*r.forwarded), 2*most, open())
			}
			waits := 0
			for i := 0; open() && i < 20_000; i++ {
				waits = k.conn.sess.Buffered()
				send()
			}
			const room = (256 + 64 + 16) << 10 // session.Config.InputBytes and one frame
			if waits < room-100 || waits > room || open() || r.met(refusal.InputBytes) != 1 {
				t.Errorf("the session stands: %t, with %d bytes", open(), waits)
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
