// Package e2e has the tests of whole nodes on a real Kafka: the built binary as processes that are killed, back ends over
// HTTP that retry, clients that come back to another node and count what they get. It holds tests only.
//
//	node_test.go      several nodes on one Kafka; each is one of engine/testkit
//	backend_test.go   a back end: numbered pushes, one by one and in batches, each until it is answered 200
//	follower_test.go  a client with several subscriptions that resumes wherever it can and checks every number
package e2e
