// Package shard is all of the fan-out: one Shard is what one event loop owns.
//
// It sees no network library. Sockets are a small interface, the node around it is Env, and time is handed in, so that
// millions of random schedules run as a simulation (sim_test.go).
//
// Read the files in this order:
//
//	shard.go    Shard, and what the event loop calls: Open, Input, Gone, Tick, Run
//	conn.go     one connection; slab.go keeps them, wheel.go its deadlines
//	events.go   what a client asks for
//	project.go  a tenant on this shard: targets, work that waits; remove.go ends its service
//	state.go    where a subscription stands, and every way from one state to another
//	target.go   what clients subscribe to
//	log.go      the pushes of a topic or a pattern, and its attached subscriptions
//	round.go    the same range of a log to every attached subscription, in slices
//	transfer.go one large push to one connection, in pieces; transferwait.go while its socket is full, relief.go when
//	            such pushes hold too much memory
//	unicast.go  pushes to a user or a session
//	follow.go   subscriptions that go at their own pace: slow, resuming; turns.go when they are tried
//	ack.go      ACK windows
//	frames.go   the bytes of a write, built once for all who get the same
//	inbox.go    what other goroutines hand in
//
// Every method but Post and Push belongs to the goroutine of the event loop.
package shard
