package client

import (
	"time"

	"stentor/bench/measure"
	"stentor/stomp"
)

// message checks a MESSAGE that no other connection of this thread has brought yet. frame is the WebSocket frame
// that it came in, or nil.
func (t *thread) message(c *conn, f *stomp.Frame, frame []byte, nanos int64) {
	id, _ := f.Get("subscription")
	p, ok := measure.ParsePayload(f.Body)
	if !ok || len(id) != 1 || id[0] < '0' || id[0]-'0' >= MaxSubscriptions {
		t.counts.Order.Corrupted++
		return
	}
	m := message{frame: frame, due: p.Due, seq: p.Seq, subscription: id[0] - '0'}
	if len(frame) > 0 && len(frame) <= knownBytes {
		c.at = t.known.remember(m)
	}
	t.deliver(c, &m, nanos)
}

// deliver counts a checked message that came at nanos.
func (t *thread) deliver(c *conn, m *message, nanos int64) {
	c.sequence[m.subscription].Observe(m.seq, &t.counts.Order)
	t.counts.Delivered++
	t.fresh++
	t.latency.Record(time.Duration(nanos - m.due))
}
