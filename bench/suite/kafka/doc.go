// Package kafka measures a push server whose bus is a real Kafka, and compares it with its targets: how long a push
// takes from a back end's produce to the client's socket, whether a stream of unicasts arrives completely and on
// time, how soon a node with a large history is ready, and how clients that all reconnect at once affect the others.
//
// The broker runs already; the server is a process of its own, the clients and the back ends are in this one. Every
// measurement has a topic of its own, a node id of its own and a fresh server, and removes what it created in Kafka.
// Each of the files latency.go, unicast.go, start.go and resume.go begins with how its numbers are measured.
//
// Every message is checked by its number, for each client and stream. Where the target is that nothing is lost, wrong
// messages are counted; elsewhere they end the run with an error, because the number would mean nothing.
package kafka
