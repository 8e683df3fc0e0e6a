// Package kafka measures a push server whose bus is a real Kafka, and holds it against its targets: how long a push
// takes from a back end's produce to the client's socket, whether a stream of unicasts comes whole and without falling
// behind, how soon a node with a large history is ready, and what clients that all come back at once cost the others.
//
// The broker runs already; the server is a process of its own, the clients and the back ends are in this one. Every
// measurement has a topic of its own, a node id of its own and a fresh server, and removes what it has put into Kafka.
// Each file latency.go, unicast.go, start.go and resume.go begins with how its numbers come about.
//
// Every message is checked by its number, for each client and stream. Where nothing lost is itself the target, what is
// wrong is counted; anywhere else it ends the run with an error, because the number would mean nothing.
package kafka
