package engine

// Load is how busy a node is, for the choice of a node for a client.
type Load struct {
	Capacity, Connections int
	Accepted, Deliveries  uint64 // since the node began
}

// Load asks no loop. Any goroutine may call it.
func (n *Node) Load() Load {
	l := Load{Capacity: n.capacity, Connections: int(n.sockets.Load())}
	for _, s := range n.shards {
		l.Accepted += s.Stats().Accepted.Load()
		l.Deliveries += s.Stats().Deliveries.Load()
	}
	return l
}

// Draining reports whether the node accepts no new clients, because it is stopping or was told to send its clients away.
func (n *Node) Draining() bool { return n.draining.Load() || n.emptying.on() }
