// Package loop joins shards to the network: acceptors accept connections and distribute them over gnet's event loops, each of which
// runs one shard. It is the only importer of gnet. The node around it is a Host, and makes the shards.
//
//	server.go      Server: the loops with their shards, behind listeners; what it needs from a Host
//	loop.go        an event loop and its shard
//	stage.go       the checks of a connection before its bytes go to the shard
//	proxied.go     the stage of connections that begin with a header of the PROXY protocol
//	secure.go      the stage and socket of connections over TLS
//	record.go      where their records end
//	hello.go       what they begin with: a ClientHello, or plain HTTP by mistake
//	shaking.go     the handshake's goroutine, and what follows it
//	feed.go        the net.Conn below crypto/tls, which the loop feeds
//	own.go         records of ours behind it, by package tls13
//	lent.go        connections that net/http serves; lentroom.go bounds what they have sent
//	ciphers.go     what they count
//	shakes.go      handshakes that were made and that failed
//	write.go       raw writes
//	watcher.go     which sockets accept more of a large push
//	above.go       what gets the data of connections over TLS
//	echotls.go     the TLS of an Echo
//	echo.go        Echo: the same network and WebSocket without the rest, for conformance suites
//
// Below both is the network:
//
//	network.go     the event loops and listeners below a Server or an Echo
//	callbacks.go   what gnet calls, and what is passed to a host
//	find.go        how gnet's loops are found
//	accept.go      accepts connections from the kernel, also when it lacks descriptors or memory
//	door.go        from there into an event loop
//	adopt.go       how a descriptor becomes a connection of gnet's
//	listener.go    an address to listen on, as the configuration has it
//	listen.go      TCP ports, descriptors
//	socketfile.go  the file of a Unix socket
package loop
