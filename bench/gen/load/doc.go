// Package load runs scenarios: it opens connections, pushes messages, drops connections and lets them reconnect, and
// knows for each stream what every subscriber must have received.
//
//	s, f := load.NewSpec()
//	err := load.ReadFile(f, "busy-hour.yaml") // or f.Parse(arguments), or both
//	r, err := load.Run(ctx, s, load.Output{Writer: os.Stderr})
//	fmt.Println(r.Verdict.Good)
//
// # Streams
//
// A stream is a destination of a project, or a user's queue. Its messages are numbered without gaps, and each names its
// run and its stream. From its RECEIPT on, a subscription must receive every message that was not yet in flight
// at that time. A connection that reconnects and resumes continues to count where it was. So a run detects lost messages even if
// nothing follows them, repeated, reordered and changed messages, and messages that were delivered to the wrong subscriber.
//
// # Time
//
// Connections and pushes are open loop: bench/gen/pace says when each is due, whatever the server does, and latency counts
// from that time.
//
// # Goroutines
//
// A phase runs on Run's goroutine. Beside it there are the connections' threads (bench/gen/client), the pushes' lanes
// (bench/gen/push), one that samples every second, one that reopens connections that the server ended, and for a
// phase that needs it one for each kind of load.
package load
