// Package cluster measures three nodes with a real Kafka and a registry, and compares them with their targets: how
// evenly the registry spreads clients over the nodes, and what the clients notice when nodes are lost, restarted or added, or
// when the registry or Kafka is away.
//
// The broker runs already; nodes and registry are processes of their own, the clients and the back end are in this one.
// Every measurement has fresh nodes, topics and groups of its own, and removes what it created in Kafka.
//
//	run.go       a run; options.go its measurements, its load, and how long each takes
//	nodes.go     the nodes and the registry
//	clients.go   the clients, and what was wrong with their messages; gather opens those that come back
//	ask.go       what a client asks a registry
//	return.go    clients that come back: when their connection ends they wait, ask and connect, as a real client does
//	traffic.go   the back end
//	choices.go   measures the registry's choices
//	answers.go   measures what the answer of a node's loop costs
//	kill.go      measures kill -9
//	silent.go    measures a host that falls silent; island.go has the namespace that stands for it
//	rolling.go   measures the restart of all nodes
//	rebalance.go measures a fourth node and `stentor rebalance`
//	outage.go    measures a registry that is killed, and brokers that are away (broker.go)
package cluster
