// Package plan is the model of how large a cluster can be: how many nodes so many connections and pushes take, and what
// bounds them. Every node reads every push of its projects, so that the work of reading does not shrink with more nodes;
// beyond some rate projects have to be spread over groups of nodes, each with topics of its own.
//
// It is pure arithmetic over costs that were measured on one node (costs.go), none of them at the size that it is asked
// for. Heart-beats and what Kafka's brokers need beside the bytes are not in it.
package plan

import "time"

// What was measured, each as docs/benchmarks.md has it.
const (
	// connectionBytes is the memory of a connection: 875 bytes of the server after churn, and the kernel's side, half of
	// the 8,115 MB of slabs that the two ends of a million took.
	connectionBytes = 875 + 8_115_000_000/1_000_000/2
	// deliverCPU is for one message to one client.
	deliverCPU = 6700 * time.Nanosecond
	// readCPU is for one push that is read from Kafka: of the 17 us that a push to one user took at 20,000 a second, what
	// is not its delivery. A node that reads in bulk takes 3.8 us (4.0 s for 1,048,576 records).
	readCPU = 17*time.Microsecond - deliverCPU
	// readRate is how many pushes a second a node can read at most: 1,048,576 records in 3.7 s.
	readRate = 283_000
	// returnCPU is for a client that comes back and resumes.
	returnCPU = 128 * time.Microsecond
)

// What TLS in the node adds, as it was measured on a quiet machine on 2026-11-30: resident memory of 100,000
// connections that were written to, with the garbage that there is while many come back (make million-tls: 374 MB, 106 without
// TLS); a delivery; and a full handshake with the hybrid ML-KEM that browsers send, with what the connection costs around it (479 us,
// 59 without). The last two were measured before handshakes wrote their own flights: they take less now, as make bench-tls says.
const (
	tlsBytes   = (374_000_000 - 106_000_000) / 100_000
	tlsDeliver = 111 // percent
	tlsReturn  = (479 - 59) * time.Microsecond
)

// What was set, not measured.
const (
	// frameBytes come with a payload, in Kafka as to a client: the measured frames had 332 bytes for 200.
	frameBytes = 132
	// returnRate is how many returning clients a second the registry sends to a node (engine/directory).
	returnRate = 5000
	// readShare is the share of a node's usable processors that reading may take, until projects are to be spread over
	// more groups. The rest is for deliveries.
	readShare = 0.5
)
