package tuning

import "errors"

// What a connection costs, in KiB. The first is measured by `make bench-node` (949 to 957 bytes with heart-beats and
// two subscriptions). The second is the kernel's slabs for a TCP socket in an epoll set, over 18,000 of them on
// Linux 6.18: tcp_sock 2,505 bytes, its inode 857, file and dentry 191 each, epoll item 130 to 227, security modules 74.
// The third is one page, the least that the kernel charges to a socket with anything to send or to read (300 bytes for
// each of 9,000 took 8,960 pages): a broadcast to all has that for everybody.
const (
	processKiB = 1
	socketKiB  = 4
	bufferKiB  = 4
	// PerConnection is what one connection needs of the host's memory, in KiB.
	PerConnection = processKiB + socketKiB + bufferKiB
	// Base is what the system and an idle node need, in KiB: history of a few projects and the Kafka client included.
	Base = 512 << 10
)

// MaxConnections is the most that can be asked for, as of limits.connections in the configuration.
const MaxConnections = 10000000

// Need returns the memory in KiB that a host with so many connections needs.
func Need(connections int64) int64 { return Base + connections*PerConnection }

// Fit returns how many connections fit into so many KiB.
func Fit(memory int64) int64 { return min(MaxConnections, max(0, (memory-Base)/PerConnection)) }

// ErrConnections says that a number of connections makes no sense.
var ErrConnections = errors.New("connections: allowed are 1 to 10000000")
