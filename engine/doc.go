// Package engine is the Node: what the shards of its event loops share. Package loop runs the event loops, and is all of the network.
//
//	node.go        Node: its life from New to Stop
//	options.go     what it is told at the start
//	leave.go       how it leaves; empty.go sends its clients away only, shed.go some of them
//	floors.go      writes what histories keep over a restart
//	load.go        how busy it is
//	env.go         the node as a shard sees it
//	gate.go        the node as the event loops see it: who may come in
//	addresses.go   how many connections an address may have
//	admit.go       who may open a WebSocket
//	overhttp.go    SockJS over HTTP: whose connections and sessions, and how many
//	discovery.go   clients that ask which node to connect to
//	identity.go    who a client is
//	users.go       how many sessions each user has on all loops
//	senders.go     what clients send
//	projects.go    tenants: settings, history, limits; reload
//	publish.go     pushes in, and from the bus to the shards
//	reports.go     whom a push met
//	query.go       what the HTTP API asks; merge.go makes one listing of those of all shards
//	metrics.go     counters and gauges for Prometheus
package engine
