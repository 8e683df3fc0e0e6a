package engine

import (
	"bytes"
	"time"

	"stentor/engine/bus"
	"stentor/engine/history"
	"stentor/engine/shard"
)

// Publish hands a push to the bus. done gets its position once the bus has it. Any goroutine may call it. See bus.Bus; it
// may also fail with bus.ErrRateLimited.
func (n *Node) Publish(r *bus.Record, done func(bus.Position, error)) {
	p := n.project(r.Project)
	switch {
	case p == nil:
		done(bus.Position{}, bus.ErrUnknownProject)
	case n.draining.Load():
		done(bus.Position{}, bus.ErrClosed)
	default:
		// A retry does not count against the rate and never reaches the bus. Of two at the same time, Deliver drops one.
		if pos, known := p.history.Known(r.ID); known {
			r.Repeated = true
			done(pos, nil)
			return
		}
		if !p.pushes.Load().Allow() {
			p.limited.Add(1)
			done(bus.Position{}, bus.ErrRateLimited)
			return
		}
		n.bus.Publish(r, done)
	}
}

// Admit implements bus.Local: the embedded bus has no queue but the history, so at the bound a push is refused.
func (n *Node) Admit(name string, size int) error {
	p := n.project(name)
	if p == nil {
		return bus.ErrUnknownProject
	}
	if pending := p.history.Pending(); pending > 0 && pending+int64(size) > n.opts.Limits.PendingBytes {
		p.busy.Add(1)
		return bus.ErrBusy
	}
	return nil
}

// Prepare implements bus.Local.
func (n *Node) Prepare(r *bus.Record) {
	p := n.project(r.Project)
	if p == nil {
		return
	}
	body, by := n.packing.pack(p, r)
	r.Prepared, r.Packed = true, bytes.Clone(body) // others may need the packer before r has its turn
	n.packing.done(by)
}

// Begin implements bus.Sink. Shards are told in order with the pushes.
func (n *Node) Begin(name string, pos bus.Position) {
	p := n.project(name)
	if p == nil {
		return
	}
	n.floors.restored(p, p.history.Begin(pos))
	n.everywhere(func(s *shard.Shard) { s.Begin(name, pos) })
}

// Covered is a bus.Covered.
func (n *Node) Covered(name string, begin bus.Position, end int64) (next int64) {
	if p := n.project(name); p != nil {
		return p.history.Covered(begin, end)
	}
	return begin.Offset
}

// Deliver implements bus.Sink: encode once, compress once if some session wants it, keep, hand to every shard.
func (n *Node) Deliver(pos bus.Position, r *bus.Record) (at bus.Position, taken bus.Taken) {
	p := n.project(r.Project)
	if p == nil {
		return pos, nil
	}
	now := n.now()
	var expires int64
	if ttl := n.timeToLive(r); ttl > 0 {
		age := max(0, time.Since(r.Time)) // clocks differ: a push from the future is new
		if age >= ttl {
			p.expired.Add(1)
			return pos, nil
		}
		expires = now + int64(ttl-age)
	}
	body := r.Packed
	if !r.Prepared {
		var by *packer
		body, by = n.packing.pack(p, r)
		defer n.packing.done(by)
	}
	e := history.NewPackedEntry(pos, r, body, now, expires)
	report := newReport(r.ID, pos)
	e.Report = report.shared()
	if first, taken := p.history.Append(e, len(n.shards)); !taken {
		p.repeated.Add(1)
		return first, nil
	}
	p.reports.add(r.ID, report)
	p.accepted.Add(1)
	for _, s := range n.shards {
		s.Hand(r.Project, e)
	}
	return pos, e
}

// Flush implements bus.Sink.
func (n *Node) Flush() {
	for _, s := range n.shards {
		s.Flush()
	}
}

// timeToLive is the shorter of the record's own and the node's limit for all; 0 for none.
func (n *Node) timeToLive(r *bus.Record) time.Duration {
	if most := n.opts.Limits.PushAge; most > 0 && (r.TTL == 0 || r.TTL > most) {
		return most
	}
	return r.TTL
}

// Advance implements bus.Sink.
func (n *Node) Advance(name string, pos bus.Position) {
	if p := n.project(name); p != nil {
		p.history.Advance(pos)
		n.everywhere(func(s *shard.Shard) { s.Applied(name, pos) })
	}
}

// Full implements bus.Sink.
func (n *Node) Full(name string) bool {
	p := n.project(name)
	return p != nil && p.history.Pending() >= n.opts.Limits.PendingBytes
}
