// Package attack has the attack suite (`make test-attacks`): hostile clients against a real node. It
// judges by the effect on another tenant, and by the node's memory. It holds tests only, behind the build tag attacks.
//
// Four kinds of processes share the machine, so that none of them shares a Go scheduler with another: the node, the
// victim, the attacker, and in the control runs a burner in the attacker's place.
//
//	main_test.go     builds the node, or plays the role that the parent asks for
//	child_test.go    a process in another role: ready, begin, end, result
//	node_test.go     a stentor process, with its memory and its descriptors
//	victim_test.go   another tenant: steady pushes to its clients, new clients, probes
//	burner_test.go   burns as much CPU as the attacker did
//	hostile_test.go  what attacks are made of: raw connections, STOMP, the API
//	suite_test.go    an attack's definition, the list of all, the bounds
//	judge_test.go    runs, controls, verdicts, the table
//	config_test.go   the configuration of the node
//	cluster_test.go  a node that is one of two hundred: the others are in the attacker's process
//
// Every other file has the attacks on one part of the node.
//
// An attack holds when in two of three rounds the victim's p99 is at most 20 ms, or at most twice that of a control run
// right after it, and the node's peak memory is at most the sum of what its limits allow, plus a tenth: the median of
// three is then within both bounds. One that is slow gets five rounds more. A message lost, a push refused, a client shut
// out or a node gone fails at once.
//
// Not here: pages that a browser shows (engine/e2e/rebinding_test.go has the node of serve --dev), transactions on Kafka
// (engine/session and kafka have them).
package attack
