// Package agent runs one load from several hosts. On each of them an Agent waits. A controller (Run) sends each
// its part of the same specification, starts each phase on all of them together, shows their progress, and merges their results.
//
// # Protocol
//
// HTTP with a bearer token that both sides read from a file; JSON, and NDJSON for what an agent reports. Version is in each
// request, and another version is refused with a text that says so. Nothing is encrypted: keep it inside your network, or in a tunnel.
//
//	GET  /v1/hello  who the agent is, its clock, whether it is busy
//	POST /v1/run    an order; the answer is a stream of events, the last of which has the result
//	POST /v1/say    to a run: continue from a point, stop, or only that the controller is alive
//
// An agent does only what bench/gen/load does: a specification that names a file of its host, or a property of
// librdkafka that is not known to be harmless, is refused. It has one run at a time.
//
// # When a side disappears
//
// An agent reports every second, a controller sends a message every two. After 15 s without a message, or when the
// connection breaks, the other side counts as gone. An agent then ends its run. A controller makes the other agents end theirs,
// waits half a minute for their results, and declares the run bad, with the names of the missing agents.
//
// # Goroutines
//
// A run of an Agent has its handler's goroutine, which runs the load, and one that checks that the controller is alive.
// Events are written under a lock. A controller has one goroutine for each agent that reads its events, one that talks to
// it, and Run's own, which alone holds the state.
package agent
