// Package engine joins the shards to the network: acceptors take connections and spread them over gnet's event loops,
// each of which owns one shard, and the Node around them holds what they share. It is the only importer of gnet.
//
//	node.go        Node: its life from New to Stop
//	loop.go        an event loop and its shard, and gnet's callbacks
//	network.go     the event loops and listeners below a Node or an Echo
//	accept.go      takes connections from the kernel, whatever it is short of
//	door.go        from there into an event loop
//	adopt.go       how a descriptor becomes a connection of gnet's
//	listener.go    an address to listen on, as the configuration has it
//	listen.go      TCP ports, descriptors
//	socketfile.go  the file of a Unix socket
//	proxied.go     connections that begin with a header of the PROXY protocol
//	addresses.go   how many connections an address may have
//	admit.go       who may open a WebSocket
//	identity.go    who a client is
//	projects.go    tenants: settings, history, limits; reload
//	publish.go     pushes in, and from the bus to the shards
//	query.go       what the HTTP API asks
//	metrics.go     counters and gauges for Prometheus
//	echo.go        Echo: the same network and WebSocket without the rest, for conformance suites
package engine
