// Package conformance tests the WebSocket of Stentor from outside: its tests talk to a loop.Echo over real sockets,
// as sections 1 to 7, 9, 10, 12 and 13 of the Autobahn test suite do, and look at what the suite does not: the end of the TCP
// connection, clients that do not read, bounds, and independent implementations as peers.
//
// The suite itself runs as well where it is installed, see TestAutobahnSuite.
package conformance
