// Package proxy writes configurations of nginx and HAProxy in front of Stentor's nodes for a wanted number of WebSocket
// connections. It refuses a number that cannot fit.
//
//	request.go   the operator's request
//	plan.go      what follows from it: pairs of addresses, descriptors, workers
//	write.go     the plan as a file, from the templates beside it
//
// A proxy needs two sockets for a client: one to the client, one to a node. The client's address and port identify the
// first. Only the proxy's own port identifies the second. For each pair of a source address and a node's address and port
// the kernel finds 25,000 such ports fast, and HAProxy, which chooses the port itself when it has a source, 55,000. More
// connections need more pairs (ports of nodes, or source addresses), or a Unix socket, which has no ports.
package proxy
