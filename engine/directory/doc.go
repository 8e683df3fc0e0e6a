// Package directory is the live view of all nodes of a cluster, and the choice of the node that a client should connect to.
// It is pure: it is handed beats and the time, and does no I/O.
//
//	v := directory.New(directory.Options{Key: key, Seed: seed})
//	v.Hear(node, value, offset, true, now)  // a beat that was read from the topic of the nodes
//	v.Proven(asked)                         // all that was in the topic at that time has been read
//	body, ok := v.Answer(nil, 3, now)       // the JSON for a client that asks where to connect
//
// A node beats once a second. Its lease of 5 s runs only while the topic is provably readable: after an outage each
// node has a full lease again, so that the first beat after it does not draw all clients to one node. A node whose lease
// has run out is suspect: it is handed out when there is no other. It is no longer listed 10 minutes later, or once it says that
// it leaves. While nothing is proven the view stays as it is; Stale says for how long.
//
// Anyone who can write to the topic could direct clients elsewhere. So only beats that are sealed with the cluster's key are
// handed out (seal.go), and each only once and in order (order.go). Every field of a beat is bounded when it is read (beat.go).
//
// All methods of View and Limiter may be called from any goroutine, event loops too: they hold a mutex for a short time or
// none, and never wait for anything else.
//
//	beat.go     what a node says of itself, its bounds and its JSON
//	seal.go     the MAC of a beat
//	view.go     View: the nodes, as their beats tell
//	lease.go    which of them are alive, as far as can be proven
//	order.go    beats that come again, or too late
//	choice.go   the nodes for a client; lacking.go those that are found more often
//	spread.go   how long the clients of a dead node should wait
//	answer.go   the JSON for a client
//	list.go     listings and counts
//	limiter.go  how often an address may ask
package directory
