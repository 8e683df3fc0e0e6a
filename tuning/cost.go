package tuning

import "errors"

// What a connection costs, in KiB. The first is measured by `make bench-node` (934 to 957 bytes with heart-beats and
// two subscriptions). The second is the kernel's slabs for a TCP socket in an epoll set, over 18,000 of them on
// Linux 6.18: tcp_sock 2,505 bytes, its inode 857, file and dentry 191 each, epoll item 130 to 227, security modules 74.
// The third is one page, the least that the kernel charges to a socket with anything to send or to read (300 bytes for
// each of 9,000 took 8,960 pages). During a broadcast to all every socket has one.
const (
	processKiB = 1
	socketKiB  = 4
	bufferKiB  = 4
	// otherEndKiB is the cost of the other end when it is on the same host (Want.Outgoing): a socket, and less than 1 KiB
	// of stentor-bench. The page of buffer is charged to one end at a time. A proxy's own memory is not included.
	otherEndKiB = socketKiB + 1
	// base is what the system and an idle node need, in KiB, including the history of a few projects and the Kafka client.
	base = 512 << 10
)

// MaxConnections is the highest number of connections, as for limits.connections in the configuration.
const MaxConnections = 10000000

// each returns the memory that one connection needs, in KiB.
func (w Want) each() int64 {
	if w.Outgoing {
		return processKiB + socketKiB + bufferKiB + otherEndKiB
	}
	return processKiB + socketKiB + bufferKiB
}

// Need returns the memory in KiB that the host needs.
func (w Want) Need() int64 { return base + w.Connections*w.each() }

// Fit returns how many connections fit into memory (KiB). It ignores w.Connections.
func (w Want) Fit(memory int64) int64 { return w.FitWith(memory, 0) }

// What a connection needs in addition when the node itself speaks TLS with its client, in KiB, garbage included: with the
// node's own records (make million-tls: 2.6 while many come back), and with those of crypto/tls (stentor-bench proxies --only
// node-tls-go: 9.3), which it uses for TLS 1.2 and with tls.records: go.
const (
	TLSKiB   = 3
	TLSGoKiB = 12
)

// FitWith is Fit for connections that need so many KiB more.
func (w Want) FitWith(memory, more int64) int64 {
	return min(MaxConnections, max(0, (memory-base)/(w.each()+more)))
}

// ErrConnections is the error for a number of connections out of range.
var ErrConnections = errors.New("connections: allowed are 1 to 10000000")
