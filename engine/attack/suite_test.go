//go:build attacks

package attack

import (
	"context"
	"fmt"
	"strings"
)

// An attack is one hostile thing to do.
type attack struct {
	name string
	does string   // in a line
	set  []string // settings of the node that are not as shipped: key.path=value

	cluster bool // the node is one of two hundred

	// prepare makes what the attack needs, in the attacker's process, and returns what attacks until ctx ends, and goes on
	// if it has not reached by then what check looks for; nil when being there is all.
	prepare func(h *hostile) (work func(ctx context.Context), err error)

	// may is the memory that the node's limits let the attacker have.
	may []memory

	// allow is what may happen to others.
	allow allowances

	// outside does something to the node's process while the attack runs, in the parent's. It returns what ends that.
	outside func(n *node) (undo func() error, err error)

	// check looks at the node and at what the attacker counted, after the attack.
	check func(n *node, r report) error
}

// allowances are what others may feel of an attack that takes from the whole machine.
type allowances struct {
	shutOut bool // no new connections: neither clients, nor probes, nor more of a back end
}

// memory is one addend of what a node may take.
type memory struct {
	what  string
	bytes int64
}

// find returns the attack of that name, nil when there is none.
func find(name string) *attack {
	for _, a := range attacks() {
		if a.name == name {
			return &a
		}
	}
	return nil
}

// attacks are all there are, in the order in which they run.
func attacks() []attack {
	var all []attack
	for _, some := range [][]attack{
		resumes, largePushes, patternAttacks, listings, clusterAttacks, discoveries, sends, userAttacks, renewals, apiAttacks, bareConnections, histories, logAttacks, descriptorAttacks, commits, headerAttacks, floods, tlsAttacks, sockJSAttacks, overHTTPAttacks, compressionAttacks,
	} {
		all = append(all, some...)
	}
	return all
}

const (
	kib = int64(1 << 10)
	mib = int64(1 << 20)
)

// What one of these may cost, in bytes.
const (
	perSession      = 2 * kib  // gnet's part, Conn, user name, address
	perSubscription = 512      // with its destination's log
	perSilent       = 20 * kib // of a client that does not read: what was copied for it and is not sent
)

// garbage is the share that the collector has not freed yet (gc_percent as the node chooses it).
const garbage = 0.3

// allowed is what the node may have resident: what it has with the victim alone, what the limits let the attacker have,
// the collector's share, and a tenth.
func allowed(alone int64, may []memory) int64 {
	var sum int64
	for _, m := range may {
		sum += m.bytes
	}
	return int64(1.1 * (float64(alone) + (1+garbage)*float64(sum)))
}

func formula(may []memory) string {
	var b strings.Builder
	for _, m := range may {
		fmt.Fprintf(&b, "%s %.1f MiB; ", m.what, float64(m.bytes)/float64(mib))
	}
	return strings.TrimSuffix(b.String(), "; ")
}
