// Package push is the back-end side of a load: it hands messages to the server under test, through its HTTP API, through
// any other HTTP service by templates, or straight to Kafka.
//
// A Pusher has some lanes, a goroutine each. All messages of one stream go through one lane, one request after the
// other, so that their order is the order of Push; what is slow delays later messages, and since a message carries the
// time at which it was due, the delay shows as latency.
package push
