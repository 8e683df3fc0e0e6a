// Package agent runs one load from several hosts. On each of them an Agent waits; a controller (Run) hands every one its
// part of the same specification, has them begin each phase together, shows how far they are, and merges what they found.
//
// # Protocol
//
// HTTP with a bearer token that both sides read from a file; JSON, and NDJSON for what an agent reports. Version is in each
// request, and another version is refused with a text that says so. Nothing is encrypted: keep it inside, or in a tunnel.
//
//	GET  /v1/hello  who the agent is, its clock, whether it is busy
//	POST /v1/run    an order; the answer is a stream of events, the last of which has the result
//	POST /v1/say    to a run: go on from a point, stop, or only that the controller is still there
//
// An agent does nothing but what bench/gen/load does: a specification that names a file of its host, or a property of
// librdkafka that is not known to be harmless, is refused. It has one run at a time.
//
// # When something goes away
//
// An agent reports every second, a controller says something every two. Who hears nothing for 15 s, or loses the
// connection, takes the other for gone: an agent then ends its run, and a controller has the other agents end theirs, waits
// half a minute for their results, and calls the run bad, naming who is missing.
//
// # Goroutines
//
// A run of an Agent has its handler's goroutine, which runs the load, and one that looks whether the controller is there.
// Events are written under a lock. A controller has one goroutine for each agent that reads its events, one that talks to
// it, and Run's own, which alone holds the state.
package agent
