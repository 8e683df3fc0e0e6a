package testkit

import (
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"
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

// lastPort is the last result of FreePort.
var lastPort atomic.Int32

// FreePort returns an address on which a node can be started again and again: its port is outside of the range from which
// the kernel takes the ports of clients.
func FreePort(t testing.TB) string {
	t.Helper()
	lastPort.CompareAndSwap(0, int32(10000+os.Getpid()%10000))
	for range 1000 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", lastPort.Add(1)))
		if err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no free port")
	return ""
}
