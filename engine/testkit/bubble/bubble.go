// Package bubble runs tests with a clock of their own (testing/synctest) so that the race detector survives them.
package bubble

import (
	"runtime"
	"testing"
	"testing/synctest"
)

// Test is synctest.Test on one processor. The channel timers of a bubble share one context of the race detector, which two
// threads then use at the same time: "ThreadSanitizer: CHECK failed", or a segmentation fault (golang.org/issue/78156).
// It changes the whole process: a test that calls it must not be parallel.
func Test(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	before := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(before)
	synctest.Test(t, f)
}

// Wait is synctest.Wait: all other goroutines of the bubble are blocked when it returns.
func Wait() { synctest.Wait() }
