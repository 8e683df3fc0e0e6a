// Package proxy writes configurations of nginx and HAProxy that are right for a wanted number of WebSocket connections
// in front of Stentor's nodes, and refuses when they cannot fit.
//
//	request.go   what is asked for
//	plan.go      what follows from it: pairs of addresses, descriptors, workers
//	write.go     the plan as a file, from the templates beside it
//
// A proxy needs two sockets for a client: one to the client, one to a node. The first is told apart by the client's
// address and port. The second has to be told apart by the proxy's own port, of which the kernel finds 25,000 fast
// (HAProxy, which chooses itself where a source is given, 55,000) for each pair of a source address and an address and
// port of a node. More connections need more such pairs (ports of nodes, or source addresses), or a Unix socket, which
// has no ports.
package proxy
