package load

import (
	"context"
	"testing"
)

// Connections share a ticket only when that is asked for: a full handshake is what a server must bear.
func TestTLSResume(t *testing.T) {
	for _, resume := range []bool{false, true} {
		at, err := newTarget(context.Background(), &Spec{URLs: []string{"wss://127.0.0.1:1/ws"}, TLSResume: resume})
		if err != nil || (at.tls.ClientSessionCache != nil) != resume {
			t.Errorf("--tls-resume=%v: %+v, %v", resume, at, err)
		}
	}
}
