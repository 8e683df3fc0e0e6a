// Package cluster measures three nodes with a real Kafka and a registry, and compares them with their targets: how
// evenly the registry spreads clients over the nodes, and what the clients notice when one node is killed.
//
// The broker runs already; nodes and registry are processes of their own, the clients and the back end are in this one.
// Every measurement has fresh nodes, topics and groups of its own, and removes what it created in Kafka.
//
//	nodes.go    the nodes and the registry
//	ask.go      what a client asks a registry
//	return.go   clients that come back: when their node is gone they ask, wait and connect, as a real client does
//	traffic.go  the back end
//	choices.go  measures the registry's choices
//	kill.go     measures kill -9
package cluster
