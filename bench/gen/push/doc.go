// Package push is the back-end side of a load: it sends messages to the server under test, through its HTTP API, through
// any other HTTP service by templates, or directly to Kafka.
//
// A Pusher has some lanes, a goroutine each. All messages of one stream go through one lane, one request after the
// other, so that they arrive in the order of Push. A slow request delays later messages, and because a message carries the
// time at which it was due, the delay shows as latency.
package push
