package client

import (
	"stentor/engine/bus"
	"stentor/stomp"
)

// places are the positions of a connection's subscriptions on the bus, one for each partition.
type places [MaxSubscriptions][]bus.Position

// pass records that a subscription has received the message at p.
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

// appendID appends the last-message-id of a subscription: nothing when it was never confirmed.
func (l *places) appendID(dst []byte, subscription int) []byte {
	for i, p := range l[subscription] {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = p.AppendTo(dst)
	}
	return dst
}

// begin takes the position from a SUBSCRIBE's receipt, and counts the outcome of a resume.
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
