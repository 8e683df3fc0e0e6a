// Package wss measures TLS in a node against its targets: deliveries beside those of plain connections, what it takes to
// connect beside the handshake of crypto/tls on a blocking socket, and what clients without TLS feel of handshakes.
//
// Everything runs on this machine, over loopback. Ratios are of samples that were taken one after the other; each has a node
// of its own. What a client of the measurement computes for its own end is in no number: it is another process than the
// node. The exception is the last measurement, where strangers and the process that they are compared with burn the same.
package wss
