package client

import (
	"stentor/engine/bus"
	"stentor/stomp"
)

// places are where the subscriptions of a connection stand on the bus: a position for each partition.
type places [MaxSubscriptions][]bus.Position

// pass notes that a subscription has what is at p.
func (l *places) pass(subscription uint8, p bus.Position) {
	of := l[subscription]
	for i := range of {
		if of[i].Partition == p.Partition {
			of[i] = p
			return
		}
	}
	l[subscription] = append(of, p)
}

// appendID appends what last-message-id has to say for a subscription: nothing when it was never confirmed.
func (l *places) appendID(dst []byte, subscription int) []byte {
	for i, p := range l[subscription] {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = p.AppendTo(dst)
	}
	return dst
}

// begin takes what the receipt of a SUBSCRIBE says of its place, and counts how a resume went.
func (t *thread) begin(c *conn, subscription uint8, receipt *stomp.Frame) {
	if answer, ok := receipt.Get("resumed"); ok {
		if string(answer) == "true" {
			t.counts.Resumed++
		} else {
			t.counts.Gaps++
		}
	}
	text, _ := receipt.Get("position")
	all, err := bus.ParsePositions(string(text))
	if err != nil {
		t.fail(c, "the receipt of a SUBSCRIBE has no position")
		return
	}
	for _, p := range all {
		c.places.pass(subscription, p)
	}
}
