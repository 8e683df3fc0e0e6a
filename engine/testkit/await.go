package testkit

import (
	"net/netip"
	"testing"
	"time"

	"stentor/engine/testkit/ports"
)

// Eventually waits until ok returns true. It is for what can only be polled, such as a count; what describes what is missing.
func Eventually(t testing.TB, patience time.Duration, what func() string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what())
		}
	}
}

// FreePort returns an address on which a node can be started again and again, as ports.Free does.
func FreePort(t testing.TB) string {
	t.Helper()
	at, err := ports.Free(netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	return at.String()
}
