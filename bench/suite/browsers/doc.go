// Package browsers measures what clients of every kind cost a node beside plain WebSockets: keys that come from an identity
// provider, SockJS over WebSocket and over HTTP, messages that are compressed. Each is compared with the plain way within one
// run, sample by sample, and each sample has a fresh node. Providers and clients are in this process.
package browsers
