// Package engine joins the shards to the network: gnet's event loops accept and read, each owns one shard, and the
// Node around them holds what they share. It is the only importer of gnet.
//
//	node.go        Node: its life from New to Drain
//	loop.go        an event loop and its shard, and gnet's callbacks
//	network.go     gnet below a Node or an Echo
//	listener.go    an address to listen on, as the configuration has it
//	listen.go      TCP ports, descriptors
//	socketfile.go  the file of a Unix socket
//	proxied.go     connections that begin with a header of the PROXY protocol
//	admit.go       who may open a WebSocket
//	identity.go    who a client is
//	projects.go    tenants: settings, history, limits; reload
//	publish.go     pushes in, and from the bus to the shards
//	query.go       what the HTTP API asks
//	metrics.go     counters and gauges for Prometheus
//	echo.go        Echo: the same network and WebSocket without the rest, for conformance suites
package engine
