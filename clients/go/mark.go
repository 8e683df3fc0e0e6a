package client

import (
	"maps"
	"slices"
	"strings"

	"stentor/engine/bus"
)

// mark is how far a subscription has read: the newest position of each partition. nil: no position yet.
type mark map[int32]bus.Position

// add adopts a message-id, or the positions of a receipt.
func (m *mark) add(s string) {
	all, err := bus.ParsePositions(s)
	if err != nil {
		return // ids of another server have no order that is known here
	}
	if *m == nil {
		*m = make(mark)
	}
	for _, p := range all {
		if old, ok := (*m)[p.Partition]; !ok || old.Epoch != p.Epoch || old.Offset < p.Offset {
			(*m)[p.Partition] = p
		}
	}
}

// String returns the positions in the form of last-message-id.
func (m mark) String() string {
	var all []string
	for _, partition := range slices.Sorted(maps.Keys(m)) {
		all = append(all, m[partition].String())
	}
	return strings.Join(all, ",")
}
