package shard

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkListing is what the searches of the sessions view cost one loop that has a million sessions: all steps of a page
// of 50, and the longest of them. A step delays what else the loop has to do. Times are of the processor: those of a busy
// machine would say little about a step.
func BenchmarkListing(b *testing.B) {
	const sessions = 1_000_000
	r := newRig(b)
	for i := range sessions {
		k := r.connect(fmt.Sprint("user-", i))
		k.subscribe("/topic/p/all", "1")
		if i == sessions-1 {
			k.subscribe("/topic/p/rare", "2")
		}
	}
	for _, search := range []struct {
		name string
		q    SessionQuery
	}{
		{"first", SessionQuery{}},
		{"user", SessionQuery{User: "user-900000"}},
		{"nobody", SessionQuery{User: "nobody"}},
		{"address", SessionQuery{Network: netip.MustParsePrefix("203.0.113.7/32")}},
		{"everywhere", SessionQuery{Destination: "/topic/p/all"}},
		{"rare", SessionQuery{Destination: "/topic/p/rare"}},
	} {
		b.Run(search.name, func(b *testing.B) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			steps, all, longest := 0, time.Duration(0), time.Duration(0)
			for b.Loop() {
				q := search.q
				q.Project, q.Limit = rigProject, 50
				for from, first := (Place{}), true; first || from != (Place{}) && q.Limit > 0; first = false {
					begun := processorTime(b)
					var page []SessionInfo
					page, from = r.s.Sessions(&q, from)
					took := processorTime(b) - begun
					all, longest = all+took, max(longest, took)
					q.Limit -= len(page)
					steps++
				}
			}
			b.ReportMetric(float64(steps)/float64(b.N), "steps/op")
			b.ReportMetric(float64(all.Microseconds())/float64(b.N), "us/page")
			b.ReportMetric(float64(longest.Microseconds()), "us/longest")
		})
	}
}

// processorTime is what the thread has used.
func processorTime(b *testing.B) time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		b.Fatal(err)
	}
	return time.Duration(t.Nano())
}
