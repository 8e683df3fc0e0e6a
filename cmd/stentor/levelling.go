package main

import (
	"math"

	"stentor/engine/admin"
	"stentor/engine/directory"
)

// A levelling decides, once a second, how many clients which node should shed. It knows what the nodes' beats told, which are late:
// what was shed within lag rounds is taken off what they tell. It asks nobody itself.
type levelling struct {
	threshold float64 // how far a node may be from its share, as a part of it
	rate      int     // sessions a round, of all nodes together
	rounds    int     // so far
	nodes     map[string]*leveled
}

// leveled is what a levelling knows of one node.
type leveled struct {
	recent [lag]int // shed in the last rounds
	// Since it was last judged: the rounds, what was shed, and the connections at first.
	rounds, shed int
	connections  int64
}

const (
	// lag is after how many seconds the beats show what was shed: the retry of the close, a beat of both nodes, a listing.
	lag = 3
	// judged is how many sessions a node has shed at least when it is judged whether they went to other nodes.
	judged = 20
)

// load is a node that clients can be sent to, and its share of them.
type load struct {
	ID          string  `json:"node"`
	Connections int64   `json:"connections"`
	Share       float64 `json:"share"`
	Shed        int     `json:"shed"` // how many it should, or did
}

// shares are the nodes that take part, with what each would hold if all were equally full. Once one node has an address for
// clients, those without one take no part: no client is sent to them.
func shares(nodes []admin.NodeInfo) []load {
	named := false
	for i := range nodes {
		named = named || takesPart(&nodes[i]) && len(nodes[i].URLs) > 0
	}
	var all []load
	var capacity, total int64
	var capacities []int64
	for i := range nodes {
		n := &nodes[i]
		if !takesPart(n) || named && len(n.URLs) == 0 {
			continue
		}
		all = append(all, load{ID: n.ID, Connections: n.Connections})
		capacities = append(capacities, n.Capacity)
		capacity, total = capacity+n.Capacity, total+n.Connections
	}
	for i := range all {
		all[i].Share = float64(total) * float64(capacities[i]) / float64(capacity)
	}
	return all
}

func takesPart(n *admin.NodeInfo) bool {
	return n.State == "up" && n.Ready && !n.Draining && n.Sealed && n.Capacity > 0
}

// level reports whether all nodes are within the threshold of their share, or differ from it by no more than so many connections.
func level(all []load, threshold, connections float64) bool {
	for _, n := range all {
		if math.Abs(float64(n.Connections)-n.Share) > max(connections, threshold*n.Share) {
			return false
		}
	}
	return true
}

// excess says how many each node has above its share, and all together.
func excess(all []load) (total int) {
	for i := range all {
		all[i].Shed = max(0, int(float64(all[i].Connections)-all[i].Share))
		total += all[i].Shed
	}
	return total
}

// next plans a round: Shed is how many each node should shed in it.
func (l *levelling) next(nodes []admin.NodeInfo) (all []load, done bool) {
	all = shares(nodes)
	if excess(all) == 0 || level(all, l.threshold, 1) {
		for i := range all {
			all[i].Shed = 0
		}
		return all, true
	}
	total := 0
	for i := range all {
		for _, n := range l.of(&all[i]).recent {
			all[i].Shed -= n
		}
		all[i].Shed = max(0, all[i].Shed)
		total += all[i].Shed
	}
	if most := l.most(all, total); total > most {
		for i, left := 0, most; i < len(all); i++ {
			n := min(left, int(math.Ceil(float64(all[i].Shed)*float64(most)/float64(total))))
			all[i].Shed, left = n, left-n
		}
	}
	for i := range all {
		all[i].Shed = min(all[i].Shed, admin.MostShed)
	}
	return all, false
}

// most is how many may be shed in a round, of a total that is yet to be. It is no more than the nodes that lack clients are
// sent: that begins with little and doubles each second, as in the directory. And it is never more than half, since what was sent
// to a node shows late, and it is passed over while it may be full.
func (l *levelling) most(all []load, total int) int {
	taken := 0
	for _, n := range all {
		most := min(directory.FillRate, max(0, int(n.Share)-int(n.Connections)))
		taken += min(most, most/len(all)<<min(l.rounds, 12))
	}
	return min(l.rate, max(judged, min(taken, total/2)))
}

func (l *levelling) of(n *load) *leveled {
	if l.nodes == nil {
		l.nodes = map[string]*leveled{}
	}
	k := l.nodes[n.ID]
	if k == nil {
		k = &leveled{connections: n.Connections}
		l.nodes[n.ID] = k
	}
	return k
}

// did tells what each node shed in a round.
func (l *levelling) did(all []load) {
	l.rounds++
	for i := range all {
		k := l.of(&all[i])
		copy(k.recent[1:], k.recent[:lag-1])
		k.recent[0] = all[i].Shed
		k.shed += all[i].Shed
		k.rounds++
	}
}

// futile names a node whose clients come back to it: it has fewer by less than a quarter of those it shed.
func (l *levelling) futile(all []load) (node string) {
	for i := range all {
		k := l.of(&all[i])
		settled := k.shed
		for _, n := range k.recent {
			settled -= n
		}
		if settled < judged || k.rounds <= lag {
			continue
		}
		if 4*(k.connections-all[i].Connections) < int64(settled) {
			return all[i].ID
		}
		k.rounds, k.shed, k.connections = 0, 0, all[i].Connections
		for _, n := range k.recent { // they may not show yet
			k.shed += n
		}
	}
	return ""
}
