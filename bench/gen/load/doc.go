// Package load runs scenarios: it opens connections, pushes messages, drops connections and lets them come back, and
// knows of every stream what each subscriber must have had.
//
//	s, f := load.NewSpec()
//	err := load.ReadFile(f, "busy-hour.yaml") // or f.Parse(arguments), or both
//	r, err := load.Run(ctx, s, load.Output{Writer: os.Stderr})
//	fmt.Println(r.Verdict.Good)
//
// # Streams
//
// A stream is a destination of a project, or a user's queue. Its messages are numbered without gaps, and each names its
// run and its stream. A subscription knows from its RECEIPT on that everything must come that was not yet on its way
// then; a connection that comes back and resumes carries on counting where it was. So a run sees what was lost even when
// nothing comes after it, what was repeated, reordered or changed, and what somebody got that was somebody else's.
//
// # Time
//
// Connections and pushes are open loop: bench/gen/pace says when each is due, whatever the server does, and latency counts
// from that time.
//
// # Goroutines
//
// A phase runs on Run's goroutine. Beside it there are the connections' threads (bench/gen/client), the pushes' lanes
// (bench/gen/push), one that takes stock every second, one that brings back connections that the server ended, and for a
// phase that needs it one for each kind of load.
package load
