package client

import (
	"time"

	"stentor/bench/gen/measure"
	"stentor/engine/bus"
	"stentor/stomp"
)

// message checks a MESSAGE that is new to this thread. frame is its WebSocket frame, or nil.
func (t *thread) message(c *conn, f *stomp.Frame, frame []byte, nanos int64) {
	id, _ := f.Get("subscription")
	if len(id) != 1 || id[0] < '0' || id[0]-'0' >= MaxSubscriptions {
		t.counts.Order.Misrouted++
		return
	}
	p, ok := measure.ParsePayload(f.Body)
	if !ok {
		t.counts.Order.Corrupted++
		return
	}
	m := message{frame: frame, due: p.Due, stream: p.Stream, seq: p.Seq, subscription: id[0] - '0'}
	if c.places != nil {
		place, _ := f.Get("message-id")
		var err error
		if m.place, err = bus.ParsePosition(string(place)); err != nil {
			t.fail(c, "the message-id of a MESSAGE is not a position")
			return
		}
	}
	if len(frame) > 0 && len(frame) <= knownBytes {
		c.at = t.known.remember(m)
	}
	t.deliver(c, &m, nanos)
}

// bare checks a message of a server without STOMP.
func (t *thread) bare(c *conn, body []byte, nanos int64) {
	p, ok := measure.ParsePayload(body)
	if !ok {
		t.counts.Order.Corrupted++
		return
	}
	t.deliver(c, &message{due: p.Due, stream: p.Stream, seq: p.Seq}, nanos)
}

// deliver counts a checked message that came at nanos.
func (t *thread) deliver(c *conn, m *message, nanos int64) {
	o := &t.client.options
	if o.Stream != nil && (m.stream != uint64(o.Run)<<32|uint64(c.streams[m.subscription]) || m.subscription >= c.subscriptions) {
		t.counts.Order.Misrouted++
		return
	}
	order := &t.counts.Order
	if c.kind == Slow {
		order = &t.counts.SlowOrder
	}
	lost := order.Lost
	c.sequence[m.subscription].Observe(m.seq, order)
	if lost = order.Lost - lost; lost > 0 && o.Untaken != nil {
		order.Lost -= int64(o.Untaken(c.streams[m.subscription], m.seq-uint32(lost), m.seq, false))
	}
	if c.places != nil {
		c.places.pass(m.subscription, m.place)
	}
	t.counts.Delivered++
	t.fresh++
	t.latency.Record(time.Duration(nanos - m.due))
}
