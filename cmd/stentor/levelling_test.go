package main

import (
	"slices"
	"testing"

	"stentor/engine/admin"
	"stentor/engine/directory"
)

func levelNode(id string, connections, capacity int64) admin.NodeInfo {
	return admin.NodeInfo{ID: id, State: "up", Ready: true, Sealed: true, URLs: []string{"ws://" + id}, Connections: connections, Capacity: capacity}
}

func TestLevellingPlan(t *testing.T) {
	with := func(n admin.NodeInfo, change func(*admin.NodeInfo)) admin.NodeInfo {
		change(&n)
		return n
	}
	a, b := levelNode("a", 400, 1000), levelNode("b", 0, 1000)
	for _, one := range []struct {
		what  string
		nodes []admin.NodeInfo
		rate  int
		done  bool
		want  []int
	}{
		{"a new node, little at first", []admin.NodeInfo{a, a, a, b}, 1000, false, []int{25, 25, 25, 0}},
		{"no more than a new node takes", []admin.NodeInfo{levelNode("a", 40_000, 100_000), levelNode("b", 0, 100_000)}, 100_000, false, []int{directory.FillRate / 2, 0}},
		{"no faster than told", []admin.NodeInfo{a, a, a, b}, 10, false, []int{4, 4, 2, 0}},
		{"by capacity", []admin.NodeInfo{a, levelNode("c", 200, 3000)}, 1000, false, []int{125, 0}},
		{"within the threshold", []admin.NodeInfo{levelNode("a", 109, 1000), levelNode("b", 91, 1000)}, 1000, true, nil},
		{"one too empty, none too full", []admin.NodeInfo{levelNode("a", 108, 1000), levelNode("b", 108, 1000), levelNode("c", 84, 1000)}, 1000, false, []int{8, 8, 0}},
		{"a few clients", []admin.NodeInfo{levelNode("a", 2, 1000), levelNode("b", 1, 1000)}, 1000, true, nil},
		{"a full one", []admin.NodeInfo{with(a, func(n *admin.NodeInfo) { n.Capacity, n.Handed = 400, false }), levelNode("b", 0, 400)}, 1000, false, []int{100, 0}},
		{"nobody is sent to a node that drains", []admin.NodeInfo{a, with(b, func(n *admin.NodeInfo) { n.Draining = true })}, 1000, true, nil},
		{"to a silent one", []admin.NodeInfo{a, with(b, func(n *admin.NodeInfo) { n.State = "suspect" })}, 1000, true, nil},
		{"to one that is not ready", []admin.NodeInfo{a, with(b, func(n *admin.NodeInfo) { n.Ready = false })}, 1000, true, nil},
		{"to one without the key", []admin.NodeInfo{a, with(b, func(n *admin.NodeInfo) { n.Sealed = false })}, 1000, true, nil},
		{"to one without an address", []admin.NodeInfo{a, with(b, func(n *admin.NodeInfo) { n.URLs = nil })}, 1000, true, nil},
		{"behind a proxy", []admin.NodeInfo{with(a, func(n *admin.NodeInfo) { n.URLs = nil }), with(b, func(n *admin.NodeInfo) { n.URLs = nil })}, 1000, false, []int{100, 0}},
		{"none", nil, 1000, true, nil},
	} {
		for i := range one.nodes {
			one.nodes[i].ID = string(rune('a' + i))
		}
		all, done := (&levelling{threshold: 0.1, rate: one.rate}).next(one.nodes)
		var got []int
		for _, n := range all {
			got = append(got, n.Shed)
		}
		if done != one.done || !done && !slices.Equal(got, one.want) {
			t.Errorf("%s: %v, done: %t", one.what, got, done)
		}
	}
}

// TestLevellingEnds lets clients go to the other node, or come back: the first ends level, with no more moved than had to be, the
// second is noticed. Beats tell of it two rounds later.
func TestLevellingEnds(t *testing.T) {
	for _, back := range []bool{false, true} {
		l := &levelling{threshold: 0.1, rate: 30}
		moved, rounds := []int{0, 0}, 0
		for ; rounds < 100; rounds++ {
			late := moved[len(moved)-2]
			if back {
				late = 0
			}
			all, done := l.next([]admin.NodeInfo{levelNode("a", int64(400-late), 1000), levelNode("b", int64(late), 1000)})
			if done || l.futile(all) != "" {
				if done == back {
					t.Errorf("back: %t, done: %t after %d rounds", back, done, rounds)
				}
				break
			}
			l.did(all)
			moved = append(moved, moved[len(moved)-1]+all[0].Shed)
		}
		if total := moved[len(moved)-1]; rounds == 100 || total > 200 || !back && total < 180 {
			t.Errorf("back: %t, %d moved in %d rounds", back, total, rounds)
		}
	}
}
