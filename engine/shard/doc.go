// Package shard is all of the fan-out: one Shard is what one event loop owns.
//
// It sees no network library. Sockets are a small interface, the node around it is Env, and time is handed in, so that
// millions of random schedules run as a simulation (sim_test.go).
//
// Read the files in this order:
//
//	shard.go    Shard, and what the event loop calls: Open, Input, Gone, Tick, Run
//	conn.go     one connection; slab.go keeps them, wheel.go its deadlines
//	env.go      Env and Socket: what a shard needs of the node and the network; stats.go its counters
//	events.go   what a client asks for; subs.go its subscriptions, send.go what it sends (again.go: under an id of its own),
//	            refuse.go what it may not
//	renew.go    the new token of an open session; timeout.go the end of the old one, and heart-beats
//	project.go  a tenant on this shard: targets, work that waits; remove.go ends its service
//	state.go    where a subscription stands, and every way from one state to another
//	target.go   what clients subscribe to; users.go finds a user's sessions, names.go the targets in the order of their names
//	log.go      the pushes of a topic or a pattern, and its attached subscriptions
//	round.go    the same range of a log to every attached subscription, in slices
//	transfer.go one large push to one connection, in pieces; transferwait.go while its socket is full, relief.go when
//	            such pushes hold too much memory
//	unicast.go  pushes to a user or a session
//	follow.go   subscriptions that go at their own pace: slow, resuming (resume.go); turns.go when they are tried
//	ack.go      ACK windows
//	frames.go   the bytes of a write, built once for all who get the same
//	inbox.go    what other goroutines hand in; arrivals.go routes pushes, patterns.go finds the patterns that they match
//	held.go     what a session holds in memory; budget.go what projects and sessions may hold, holder.go who is charged
//	stall.go    a loop that stood still
//	query.go    what the API asks, in the steps of ask.go; info.go pages of a listing, counts.go totals
//
// Every method but Post and Push belongs to the goroutine of the event loop.
package shard
