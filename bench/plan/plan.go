package plan

import (
	"fmt"
	"math"
	"time"
)

// Load is what is asked of a cluster, and what its nodes are like.
type Load struct {
	Connections int64   `json:"connections"`
	Pushes      float64 `json:"pushes"`        // a second, over all projects
	Receivers   float64 `json:"receivers"`     // clients that a push goes to, on average
	Size        int     `json:"size"`          // bytes of a payload
	PerNode     int64   `json:"per_node"`      // connections of a node at most
	Cores       float64 `json:"cores"`         // of a node
	Busy        float64 `json:"busy"`          // share of them that may be in use
	Memory      int64   `json:"memory"`        // bytes of a node for connections
	Groups      int     `json:"groups"`        // of nodes, over which projects are spread evenly; 0: as few as possible
	TLS         bool    `json:"tls,omitempty"` // of the nodes themselves, with their clients
}

// Plan is what the load takes.
type Plan struct {
	Load
	Bound           string  `json:"bound"`        // what the number of nodes follows from
	Nodes           int64   `json:"nodes"`        // of all groups
	GroupNodes      int64   `json:"group_nodes"`  // of one group
	GroupPushes     float64 `json:"group_pushes"` // a second that each node of a group reads
	NodeConnections int64   `json:"node_connections"`
	NodeDeliveries  float64 `json:"node_deliveries"` // a second
	NodeMemory      int64   `json:"node_memory"`     // bytes
	ReadCores       float64 `json:"read_cores"`      // of each node, for reading
	DeliverCores    float64 `json:"deliver_cores"`   // of each node, for deliveries
	ReadAll         float64 `json:"read_all"`        // share of the whole cluster's processor time that reading takes
	NodeOut         float64 `json:"node_out"`        // bytes a second to clients
	KafkaOut        float64 `json:"kafka_out"`       // bytes a second from all brokers
	MostPushes      float64 `json:"most_pushes"`     // a second that a group of such nodes can read
	Return          float64 `json:"return_seconds"`  // until the clients of a node that died are back
}

// The names for Plan.Bound.
const (
	ByConnections = "connections of a node"
	ByMemory      = "memory"
	ByDelivery    = "processors"
)

// New is the plan for a load, or an error that says what cannot be.
func New(l Load) (Plan, error) {
	if err := l.check(); err != nil {
		return Plan{}, err
	}
	usable := l.Cores * l.Busy
	p := Plan{Load: l, MostPushes: min(readRate, usable*readShare/readCPU.Seconds())}
	if p.Groups == 0 {
		p.Groups = max(1, int(math.Ceil(l.Pushes/p.MostPushes)))
	}
	groups := float64(p.Groups)
	p.GroupPushes = l.Pushes / groups
	p.ReadCores = p.GroupPushes * readCPU.Seconds()
	if p.GroupPushes > readRate || p.ReadCores >= usable {
		return Plan{}, fmt.Errorf("%d groups are too few: a node would read %.0f pushes a second, and can read %.0f: use more groups, or nodes with more processors", p.Groups, p.GroupPushes, min(readRate, usable/readCPU.Seconds()))
	}
	connections, deliveries := float64(l.Connections)/groups, p.GroupPushes*l.Receivers
	p.Bound = ByConnections
	nodes := math.Ceil(connections / float64(l.PerNode))
	for _, b := range []struct {
		name  string
		nodes float64
	}{
		{ByMemory, connections * float64(l.bytes()) / float64(l.Memory)},
		{ByDelivery, deliveries * l.deliver().Seconds() / (usable - p.ReadCores)},
	} {
		if n := math.Ceil(b.nodes); n > nodes {
			p.Bound, nodes = b.name, n
		}
	}
	p.GroupNodes = int64(nodes)
	p.Nodes = p.GroupNodes * int64(p.Groups)
	p.NodeConnections = int64(math.Ceil(connections / nodes))
	p.NodeMemory = p.NodeConnections * l.bytes()
	p.NodeDeliveries = deliveries / nodes
	p.DeliverCores = p.NodeDeliveries * l.deliver().Seconds()
	if all := p.ReadCores + p.DeliverCores; all > 0 {
		p.ReadAll = p.ReadCores / all
	}
	record := float64(l.Size + frameBytes)
	p.NodeOut, p.KafkaOut = p.NodeDeliveries*record, p.GroupPushes*record*float64(p.Nodes)
	if others := nodes - 1; others > 0 {
		perNode := float64(p.NodeConnections) / others
		p.Return = max(perNode/returnRate, perNode*l.back().Seconds()/l.Cores)
	}
	return p, nil
}

// bytes is the memory of a connection.
func (l *Load) bytes() int64 {
	if l.TLS {
		return connectionBytes + tlsBytes
	}
	return connectionBytes
}

// deliver is the time of a processor for a message to a client.
func (l *Load) deliver() time.Duration {
	if l.TLS {
		return deliverCPU * tlsDeliver / 100
	}
	return deliverCPU
}

// back is that for a client that comes back.
func (l *Load) back() time.Duration {
	if l.TLS {
		return returnCPU + tlsReturn
	}
	return returnCPU
}

func (l *Load) check() error {
	for _, v := range []struct {
		name  string
		value float64
		least float64
	}{
		{"connections", float64(l.Connections), 1}, {"pushes", l.Pushes, 0}, {"receivers", l.Receivers, 0}, {"size", float64(l.Size), 0},
		{"per-node", float64(l.PerNode), 1}, {"cores", l.Cores, 0.1}, {"busy", l.Busy, 0.01}, {"memory", float64(l.Memory), connectionBytes},
		{"groups", float64(l.Groups), 0},
	} {
		const most = 1e15
		if !(v.value >= v.least && v.value <= most) {
			return fmt.Errorf("--%s: found %v, allowed: %v to %v", v.name, v.value, v.least, most)
		}
	}
	if l.Busy > 1 {
		return fmt.Errorf("--busy: found %v, allowed: 0.01 to 1", l.Busy)
	}
	return nil
}
