package client

import (
	"slices"

	"stentor/engine/bus"
)

// mark is how far a subscription has come on the bus: the newest position of each partition, in the order in which
// they were first seen. It is empty when the server names none.
type mark []bus.Position

// set takes over the position of a RECEIPT, which has all partitions.
func (m *mark) set(text string) {
	all, err := bus.ParsePositions(text)
	if err != nil {
		return // another kind of server
	}
	*m = slices.Clip(all)
}

// pass notes that the message at p came. A position of another epoch starts the partition anew.
func (m *mark) pass(p bus.Position) {
	for i := range *m {
		if at := &(*m)[i]; at.Partition == p.Partition {
			if at.Epoch != p.Epoch || at.Offset < p.Offset {
				*at = p
			}
			return
		}
	}
	*m = append(slices.Clip(*m), p)
}

// appendTo appends the text for last-message-id.
func (m mark) appendTo(dst []byte) []byte {
	for i, p := range m {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = p.AppendTo(dst)
	}
	return dst
}
